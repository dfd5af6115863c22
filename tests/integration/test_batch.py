import json
import signal
import subprocess
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from moagraph.evals.run.batch import batch
from moagraph.evals.run.evaluation import RunOptions
from moagraph.evals.run.spending_limit import SpendingLimitReached
from moagraph.evals.run.store import ResultStore
from moagraph.evals.sets.open import open_set
from moagraph.nodes.errors import MoaError, OverBudget
from tests.faults import Always, Hang, Status
from tests.provider import Provider
from tests.terminal import MOA, Terminal, environment, moa, until

MIX = """
[defaults]
base_url = "{url}"
attempts = 1
[[layers]]
proposers = ["vllm:a", "vllm:b"]
aggregate = {{ step = "synthesize", model = "vllm:agg" }}
"""
PRICED = """
[defaults]
base_url = "{url}"
max_tokens = 100
price = {{ input = 0, output = 1000 }}
[[layers]]
proposers = ["vllm:a"]
aggregate = {{ step = "synthesize", model = "vllm:agg" }}
"""
QUESTIONS = ["why?", "who?", "when?", "where?"]


def recipe(folder: Path, provider: Provider, text: str = MIX) -> str:
    (folder / "mix.toml").write_text(text.format(url=provider.base_url))
    return str(folder / "mix.toml")


def asked(folder: Path, questions: Sequence[str] = QUESTIONS) -> str:
    rows = [json.dumps({"id": f"q{n}", "prompt": text}) for n, text in enumerate(questions)]
    (folder / "in.jsonl").write_text("\n".join(rows))
    return str(folder / "in.jsonl")


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def calls(provider: Provider) -> Counter[tuple[str, str]]:
    """How often each model was asked each question."""
    return Counter((call.model, call.messages[-1]["content"]) for call in provider.calls)


EACH_ONCE = Counter({(model, text): 1 for model in ("a", "b", "agg") for text in QUESTIONS})


def test_every_question_has_its_answer_under_its_own_id(provider: Provider, tmp_path: Path) -> None:
    provider.reply("agg", lambda call: f"so {call.messages[-1]['content']}")
    out = tmp_path / "out.jsonl"
    done = moa("batch", asked(tmp_path), str(out), "--recipe", recipe(tmp_path, provider))
    assert (done.code, done.out) == (0, "")
    assert {row["id"]: row["answer"] for row in rows(out)} == {
        f"q{n}": f"so {text}" for n, text in enumerate(QUESTIONS)
    }
    assert calls(provider) == EACH_ONCE
    assert done.lines[0] == "moa: 4 answers wanted"
    assert done.lines[-1] == f"moa: 4 of 4 answers in {out}"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.jsonl", "mix.toml", "out.jsonl"]


def test_questions_come_from_standard_input_too(provider: Provider, tmp_path: Path) -> None:
    out, mix = tmp_path / "out.jsonl", recipe(tmp_path, provider)
    given = Path(asked(tmp_path)).read_bytes()
    for _ in range(2):
        assert moa("batch", "-", str(out), "--recipe", mix, given=given).code == 0
    assert calls(provider) == EACH_ONCE
    assert {row["id"] for row in rows(out)} == {"q0", "q1", "q2", "q3"}


def test_what_is_there_is_not_asked_again_whatever_its_order(
    provider: Provider, tmp_path: Path
) -> None:
    out, mix = tmp_path / "out.jsonl", recipe(tmp_path, provider)
    moa("batch", asked(tmp_path), str(out), "--recipe", mix, "--limit", "2")
    assert len(rows(out)) == 2
    shuffled = [QUESTIONS[n] for n in (3, 1, 0, 2)]
    given = [json.dumps({"id": f"q{QUESTIONS.index(text)}", "prompt": text}) for text in shuffled]
    (tmp_path / "in.jsonl").write_text("\n".join([*given, given[0]]))
    done = moa("batch", str(tmp_path / "in.jsonl"), str(out), "--recipe", mix)
    assert calls(provider) == EACH_ONCE
    assert "moa: 1 of 5 rows are duplicates: each row is asked once" in done.lines
    assert "moa: 4 answers wanted, 2 are there already" in done.lines


def test_another_recipe_is_another_answer(provider: Provider, tmp_path: Path) -> None:
    out, given = tmp_path / "out.jsonl", asked(tmp_path, ["why?"])
    for text in (MIX, MIX.replace("attempts = 1", "attempts = 1\ntemperature = 0.5")):
        moa("batch", given, str(out), "--recipe", recipe(tmp_path, provider, text))
    assert len(rows(out)) == 2
    assert {call.body.get("temperature") for call in provider.calls} == {None, 0.5}


def test_a_failed_row_is_told_and_only_what_failed_is_asked_again(
    provider: Provider, tmp_path: Path
) -> None:
    out, words = tmp_path / "out.jsonl", ("--recipe", recipe(tmp_path, provider))
    provider.script("agg", Status(400))
    done = moa("batch", asked(tmp_path), str(out), *words, "--concurrency", "1")
    assert done.code == 1
    assert sum(line.startswith("moa: failed: ") for line in done.lines) == 1
    assert "moa: 1 answer missing; the same command asks again" in done.lines
    assert moa("batch", asked(tmp_path), str(out), *words).code == 0
    told = calls(provider)
    assert {key: number for key, number in told.items() if number > 1} == {("agg", "why?"): 2}
    assert Counter(row["status"] for row in rows(out)) == {"done": 4, "failed": 1}


def test_a_killed_batch_goes_on_and_pays_for_nothing_twice(
    provider: Provider, tmp_path: Path
) -> None:
    """The third row's aggregator is at work when the process is killed."""
    out, mix = tmp_path / "out.jsonl", recipe(tmp_path, provider)
    words = ["batch", asked(tmp_path), str(out), "--recipe", mix, "--concurrency", "1"]
    provider.script("agg", None, None, Hang())
    with subprocess.Popen([MOA, *words], env=environment(), stderr=subprocess.PIPE) as process:
        until(lambda: sum(call.model == "agg" for call in list(provider.calls)) == 3)
        process.send_signal(signal.SIGKILL)
    assert [row["question"] for row in rows(out)] == QUESTIONS[:2]
    with out.open("a") as opened:
        opened.write('{"key": "half a row", "ans')
    done = moa(*words)
    assert done.code == 0
    assert (
        "moa: out.jsonl ended in the middle of a line: moved to out.jsonl.cut, and asked again"
        in (done.lines)
    )
    assert calls(provider) == EACH_ONCE + Counter({("agg", "when?"): 1})
    assert sorted(row["question"] for row in rows(out)) == sorted(QUESTIONS)
    assert not (tmp_path / "out.jsonl.partial").exists()


def test_ctrl_c_keeps_what_was_answered(provider: Provider, tmp_path: Path) -> None:
    out, mix = tmp_path / "out.jsonl", recipe(tmp_path, provider)
    provider.script("agg", None, Always(Hang()))
    with Terminal(
        "batch", asked(tmp_path), str(out), "--recipe", mix, "--concurrency", "1"
    ) as shown:
        until(lambda: sum(call.model == "agg" for call in list(provider.calls)) == 2)
        shown.interrupt()
        assert shown.end() == 130
    assert "moa: stopped; all that was answered is kept" in shown.text
    assert len(rows(out)) == 1


def test_so_many_are_asked_at_once(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_BASE_URL", provider.base_url)
    given = asked(tmp_path, [f"{n}?" for n in range(9)])
    words = ["batch", given, str(tmp_path / "out"), "--recipe", "vllm:a", "--concurrency", "3"]
    assert moa(*words).code == 0
    assert len(provider.calls) == 9
    assert provider.max_in_flight <= 3
    provider.reset()
    provider.script("a", Always(Hang()))
    words[2] = str(tmp_path / "other")
    with subprocess.Popen([MOA, *words], env=environment(), stderr=subprocess.PIPE) as process:
        until(lambda: provider.max_in_flight == 3)
        process.kill()
    assert len(provider.calls) == 3


async def test_a_spending_limit_holds_and_a_higher_one_goes_on(
    provider: Provider, tmp_path: Path
) -> None:
    """An answer may cost 20 cents, and costs 2."""
    provider.reply("a", " ".join(["w"] * 10))
    provider.reply("agg", " ".join(["w"] * 10))
    data, mix = open_set(asked(tmp_path)), recipe(tmp_path, provider, PRICED)
    out = tmp_path / "out.jsonl"
    with pytest.raises(
        SpendingLimitReached, match=r"the limit of \$0.23 is reached: \$0.0400 are spent"
    ):
        await batch(data, mix, out, RunOptions(max_cost_usd=0.23, concurrency=4))
    assert len(rows(out)) == 2
    assert sum(row["cost_usd"] for row in rows(out)) == pytest.approx(0.04)
    assert provider.max_in_flight == 1
    assert await batch(data, mix, out, RunOptions(max_cost_usd=1)) == 4
    assert len(provider.calls) == 8


async def test_seats_that_stood_are_paid_once(provider: Provider, tmp_path: Path) -> None:
    """Each answer costs a cent: of the seat, and of the aggregator that fails twice."""
    provider.reply("a", " ".join(["w"] * 10))
    provider.reply("agg", " ".join(["w"] * 10))
    provider.script("agg", Status(400), Status(400))
    data = open_set(asked(tmp_path, ["why?"]))
    mix, out = recipe(tmp_path, provider, PRICED), tmp_path / "out.jsonl"
    assert [await batch(data, mix, out, RunOptions()) for _ in range(3)] == [0, 0, 1]
    assert [row["cost_usd"] for row in rows(out)] == pytest.approx([0.01, 0.01, 0.02])
    with closing(ResultStore(out)) as store:
        assert store.spent == pytest.approx(0.02)


OUTER = """
[defaults]
base_url = "{url}"
[[layers]]
proposers = [{{ model = "moa:{inner}", max_tokens = 200 }}]
[layers.aggregate]
step = "synthesize"
model = "vllm:top"
max_tokens = 1
price = {{ input = 0, output = 1000 }}
"""


async def test_a_recipe_in_a_seat_is_priced_as_what_it_asks(
    provider: Provider, tmp_path: Path
) -> None:
    """Its own seat may say 100 tokens, its answer as many as the outer seat wants: 200."""
    inner = recipe(tmp_path, provider, PRICED)
    outer = tmp_path / "outer.toml"
    outer.write_text(OUTER.format(url=provider.base_url, inner=inner))
    data, out = open_set(asked(tmp_path, ["why?"])), tmp_path / "out.jsonl"
    with pytest.raises(SpendingLimitReached, match=r"the next answer may cost \$0.3010"):
        await batch(data, str(outer), out, RunOptions(max_cost_usd=0.3))
    assert await batch(data, str(outer), out, RunOptions(max_cost_usd=0.31)) == 1
    assert 0 < rows(out)[0]["cost_usd"] <= 0.301
    recipe(tmp_path, provider)
    with pytest.raises(OverBudget, match="the price of `vllm:a` is not known"):
        await batch(data, str(outer), tmp_path / "other.jsonl", RunOptions(max_cost_usd=1))


async def test_a_limit_that_nobody_can_hold_is_refused(provider: Provider, tmp_path: Path) -> None:
    data, mix = open_set(asked(tmp_path)), recipe(tmp_path, provider)
    with pytest.raises(OverBudget, match="the price of `vllm:a` is not known"):
        await batch(data, mix, tmp_path / "out.jsonl", RunOptions(max_cost_usd=1))
    assert provider.calls == []


SUBSTITUTED = PRICED.replace(
    '"vllm:a"',
    '{{ model = "vllm:a", fallbacks = [{{ model = "vllm:sub", base_url = "{url}"PRICE }}] }}',
)


@pytest.mark.parametrize(
    ("price", "refused"),
    [
        ("", "the price of `vllm:sub` is not known"),
        (", price = {{ input = 0, output = 9000 }}", r"the next answer may cost \$1.0000"),
    ],
)
async def test_a_limit_is_held_for_substitutes_too(
    provider: Provider, tmp_path: Path, price: str, refused: str
) -> None:
    mix = recipe(tmp_path, provider, SUBSTITUTED.replace("PRICE", price))
    with pytest.raises(MoaError, match=refused):
        await batch(
            open_set(asked(tmp_path)), mix, tmp_path / "out.jsonl", RunOptions(max_cost_usd=0.5)
        )
    assert provider.calls == []


def test_a_row_that_cannot_be_asked_does_not_end_the_others(
    provider: Provider, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    given = asked(tmp_path, ["half \ud83d?", "x" * 1_000_001, "why?"])
    done = moa("batch", given, str(out), "--recipe", recipe(tmp_path, provider))
    assert done.code == 1
    told = {row["id"]: row["error"] for row in rows(out)}
    assert told["q2"] is None
    assert "it holds half of a character" in told["q0"]
    assert "at most 1,000,000 are sent" in told["q1"]
    assert {call.messages[-1]["content"] for call in provider.calls} == {"why?"}


def test_threads_that_are_kept_can_be_shown(provider: Provider, tmp_path: Path) -> None:
    out, mix = tmp_path / "out.jsonl", recipe(tmp_path, provider)
    moa("batch", asked(tmp_path, ["why?"]), str(out), "--recipe", mix, "--keep-threads")
    [row] = rows(out)
    shown = moa("show", row["key"], MOA_HOME=str(tmp_path / "out.jsonl.partial"))
    assert (shown.code, row["answer"] in shown.out) == (0, True)


def test_a_thread_whose_answer_stands_is_forgotten_by_the_next_run(
    provider: Provider, tmp_path: Path
) -> None:
    """Kept threads stand as a kill leaves them between an answer's row and its thread's end."""
    out, left = tmp_path / "out.jsonl", tmp_path / "out.jsonl.partial"
    words = ["batch", asked(tmp_path), str(out), "--recipe", recipe(tmp_path, provider)]
    for more, there in ((["--keep-threads"], True), (["--keep-threads"], True), ([], False)):
        assert moa(*words, *more).code == 0
        assert left.exists() == there
    assert calls(provider) == EACH_ONCE


REFUSED = {
    "unknown file": (["nowhere.jsonl", "out"], "there is no data set 'nowhere.jsonl'"),
    "unknown file, known answers": (["nowhere.jsonl", "in.jsonl"], "no data set 'nowhere.jsonl'"),
    "a folder": (["in.jsonl", "."], "'.' is a folder: name a file for the answers"),
    "the same file": (["in.jsonl", "in.jsonl"], "holds the questions: name another file"),
    "no file": (["in.jsonl", "-"], "'-' is no file: name one for the answers"),
    "unknown recipe": (["in.jsonl", "out", "--recipe", "moa-lit"], "did you mean `moa-lite`?"),
    "unknown provider": (["in.jsonl", "out", "--recipe", "opnai:x"], "did you mean `openai:`?"),
    "no key": (["in.jsonl", "out", "--recipe", "openai:x"], "OPENAI_API_KEY is not set"),
    "no results": (["in.jsonl", "pauses.toml", "--recipe", "scripted:x"], "holds no results"),
    "a pause": (["in.jsonl", "out", "--recipe", "pauses.toml"], "pauses for a person"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_run_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    asked(tmp_path)
    pausing = MIX.format(url="http://127.0.0.1:9/v1").replace(
        "[[layers]]", "[[layers]]\nreview = true"
    )
    (tmp_path / "pauses.toml").write_text(pausing)
    words, told = REFUSED[name]
    done = moa("batch", *words)
    assert done.code == 2
    assert told in done.lines[-1]


async def test_a_limit_of_nothing_asks_nobody_who_has_a_price(
    provider: Provider, tmp_path: Path
) -> None:
    data, mix = open_set(asked(tmp_path)), recipe(tmp_path, provider, PRICED)
    with pytest.raises(SpendingLimitReached, match=r"the limit of \$0 is reached"):
        await batch(data, mix, tmp_path / "out.jsonl", RunOptions(max_cost_usd=0))
    assert provider.calls == []
