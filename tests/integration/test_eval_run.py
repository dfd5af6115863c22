import json
import os
from collections import Counter
from math import log
from pathlib import Path
from typing import Any

import pytest

from moagraph.evals.dataset import digest
from moagraph.evals.flops import parse_active_parameters
from moagraph.evals.run.evaluation import Outcome, RunOptions, evaluate, judge_again
from moagraph.evals.run.spending_limit import SpendingLimitReached
from moagraph.evals.run.workspace import open_workspace
from moagraph.evals.sets.open import open_set
from moagraph.nodes.errors import UsageError
from tests.faults import Always, ContentFilter, Status
from tests.provider import Call, Provider
from tests.recorded import recorded
from tests.terminal import Terminal, moa

SYSTEM, BASELINE, JUDGE = "vllm:s", "vllm:b", "vllm:judge"
QUESTIONS = ["why?", "who?", "when?"]
STEADY = RunOptions(concurrency=2)


@pytest.fixture
def vllm(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """Two systems that say who they are, and a judge."""
    monkeypatch.setenv("VLLM_BASE_URL", provider.base_url)
    provider.reply("s", lambda call: f"system on {call.messages[-1]['content']}")
    provider.reply("b", lambda call: f"baseline on {call.messages[-1]['content']}")
    return provider


def written(folder: Path, *rows: Any, name: str = "in.jsonl") -> Path:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


def prompts(folder: Path, *questions: str) -> Path:
    rows = [{"id": n, "prompt": text} for n, text in enumerate(questions or QUESTIONS)]
    return written(folder, *rows)


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "ev" / name).read_text().splitlines()]


async def run(folder: Path, *judges: str, data: Path | None = None, **said: Any) -> Outcome:
    asked = open_set(str(data or prompts(folder)))
    told = {"systems": [SYSTEM], "baseline": BASELINE, "options": STEADY, **said}
    return await evaluate(folder / "ev", asked, judges=judges, **told)


def asked(provider: Provider, model: str = "judge") -> list[Call]:
    return [call for call in provider.calls if call.model == model]


def likes_the_system(call: Call) -> str:
    """A judge that is neither for the first nor for the second."""
    text = call.messages[0]["content"]
    return f"[[{'A' if text.index('system on') < text.index('baseline on') else 'B'}]]"


async def test_pairs_are_judged_in_both_orders(vllm: Provider, tmp_path: Path) -> None:
    vllm.reply("judge", likes_the_system)
    came = await run(tmp_path, f"pairwise:{JUDGE}")
    assert (came.done, came.wanted, came.verdicts, came.unparsed) == (6, 6, 6, 0)
    verdicts = rows(tmp_path, "verdicts.jsonl")
    assert Counter(row["order"] for row in verdicts) == {"ab": 3, "ba": 3}
    assert {row["preference"] for row in verdicts} == {2.0}
    assert {(row["system"], row["baseline"], row["method"]) for row in verdicts} == {
        (SYSTEM, BASELINE, "pairwise")
    }
    assert {call.body["temperature"] for call in asked(vllm)} == {0.0}


async def test_a_judge_that_likes_the_first_one_comes_to_a_draw(
    vllm: Provider, tmp_path: Path
) -> None:
    vllm.reply("judge", "[[A]]")
    await run(tmp_path, f"pairwise:{JUDGE}")
    liked = {(row["order"], row["preference"]) for row in rows(tmp_path, "verdicts.jsonl")}
    assert liked == {("ab", 2.0), ("ba", 1.0)}


async def test_what_stands_is_not_asked_again_and_a_changed_answer_is_judged_anew(
    vllm: Provider, tmp_path: Path
) -> None:
    vllm.reply("judge", "Rating: [[5]]")
    await run(tmp_path, f"grade:{JUDGE}")
    before = len(vllm.calls)
    await run(tmp_path, f"grade:{JUDGE}")
    assert len(vllm.calls) == before
    vllm.reply("s", "another")
    await run(tmp_path, f"grade:{JUDGE}", options=RunOptions(temperature=0.3))
    assert Counter(call.model for call in vllm.calls[before:]) == {"s": 3, "b": 3, "judge": 3}


async def test_an_unread_verdict_is_asked_for_once_more_and_then_kept_as_unread(
    vllm: Provider, tmp_path: Path
) -> None:
    data = prompts(tmp_path, "why?")
    vllm.reply("judge", "it is fine", "Rating: [[8]]", "who knows")
    came = await run(tmp_path, f"grade:{JUDGE}", data=data, options=RunOptions(concurrency=1))
    read, unread = rows(tmp_path, "verdicts.jsonl")
    assert (read["score"], read["parsed"], read["usage"]["calls"]) == (8.0, True, 2)
    assert (unread["score"], unread["parsed"], unread["text"]) == (None, False, "who knows")
    assert came.unparsed == 1
    again = asked(vllm)[1].messages
    assert [message["role"] for message in again] == ["user", "assistant", "user"]
    assert again[1]["content"] == "it is fine"
    assert "[[rating]]" in again[2]["content"]
    before = len(vllm.calls)
    assert (await run(tmp_path, f"grade:{JUDGE}", data=data)).unparsed == 1
    assert len(vllm.calls) == before


async def test_a_judge_that_fails_is_told_and_asked_again_the_next_time(
    vllm: Provider, tmp_path: Path
) -> None:
    vllm.reply("judge", "[[5]]")
    vllm.script("judge", Status(400, message="no more money"))
    came = await run(tmp_path, f"grade:{JUDGE}")
    assert (came.verdicts, came.verdicts_failed, came.whole) == (5, 1, False)
    came = await run(tmp_path, f"grade:{JUDGE}")
    assert (came.verdicts, came.verdicts_failed, came.whole) == (6, 0, True)
    assert len(asked(vllm)) == 7


async def test_a_reply_that_was_paid_is_kept_as_unread_where_the_second_try_fails(
    vllm: Provider, tmp_path: Path
) -> None:
    data, options = prompts(tmp_path, "why?"), RunOptions(concurrency=1)
    vllm.reply("judge", "it is fine")
    vllm.script("judge", None, Always(Status(400)))
    said: Any = {"data": data, "systems": ["scripted:a"], "baseline": None, "options": options}
    came = await run(tmp_path, f"grade:{JUDGE}", **said)
    assert (came.verdicts_failed, came.unparsed) == (0, 1)
    [verdict] = rows(tmp_path, "verdicts.jsonl")
    assert (verdict["text"], verdict["usage"]["output_tokens"]) == ("it is fine", 3)
    assert verdict["usage"]["calls"] == 2
    assert (await run(tmp_path, f"grade:{JUDGE}", **said)).verdicts == 1
    assert len(asked(vllm)) == 2


async def test_a_verdict_that_was_paid_and_withheld_is_kept_as_unread(
    vllm: Provider, tmp_path: Path
) -> None:
    vllm.script("judge", Always(ContentFilter()))
    said: Any = {"data": prompts(tmp_path, "why?"), "systems": ["scripted:a"], "baseline": None}
    came = await run(tmp_path, f"grade:{JUDGE}", **said)
    assert (came.verdicts_failed, came.unparsed) == (0, 1)
    [verdict] = rows(tmp_path, "verdicts.jsonl")
    assert verdict["usage"]["calls"] == 2
    assert verdict["usage"]["input_tokens"] > 0


ODDS = {"A": log(0.6), "B": log(0.2), "The": log(0.2)}


async def test_a_letters_log_probability_weighs_a_pair(vllm: Provider, tmp_path: Path) -> None:
    vllm.reply("judge", {"content": "A", "logprobs": [ODDS]})
    await run(tmp_path, f"pairwise-logprobs:{JUDGE}")
    verdicts = rows(tmp_path, "verdicts.jsonl")
    assert {row["order"]: row["preference"] for row in verdicts} == pytest.approx(
        {"ab": 1.75, "ba": 1.25}
    )
    orders = {row["id"]: row["order"] for row in verdicts}
    drawn = {n: "ab" if int(digest([text]), 16) % 2 else "ba" for n, text in enumerate(QUESTIONS)}
    assert orders == drawn
    for call in asked(vllm):
        said = {key: call.body[key] for key in ("logprobs", "top_logprobs", "max_tokens")}
        assert said == {"logprobs": True, "top_logprobs": 5, "max_tokens": 1}
        assert call.body["temperature"] == 1.0


async def test_a_judge_that_says_nothing_has_no_odds_and_is_counted_as_unread(
    vllm: Provider, tmp_path: Path
) -> None:
    vllm.reply("judge", {"content": "", "logprobs": []})
    came = await run(tmp_path, f"pairwise-logprobs:{JUDGE}")
    assert came.whole
    assert [row["parsed"] for row in rows(tmp_path, "verdicts.jsonl")] == [False] * came.verdicts
    assert len(asked(vllm)) == 2 * came.verdicts > 0


async def test_a_server_without_log_probabilities_is_refused_with_the_reason(
    vllm: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.faults.logprobs", lambda *_: None)
    with pytest.raises(UsageError, match="returns no log-probabilities"):
        await run(tmp_path, f"pairwise-logprobs:{JUDGE}", options=RunOptions(concurrency=1))
    assert len(asked(vllm)) == 1
    assert len(rows(tmp_path, "answers.jsonl")) == 6


def mt_bench(folder: Path) -> Path:
    place = folder / "mt"
    place.mkdir()
    questions = [
        {"question_id": 81, "category": "writing", "turns": ["Write.", "Shorter."]},
        {"question_id": 111, "category": "math", "turns": ["1+1?", "Plus 2?"]},
    ]
    written(place, *questions, name="question.jsonl")
    reference = {"question_id": 111, "choices": [{"turns": ["ref 2", "ref 4"]}]}
    written(place, reference, name="reference_answer_gpt-4.jsonl")
    forms = {
        "single-v1": "{question}|{answer}",
        "single-math-v1": "{question}|{ref_answer_1}|{answer}",
        "single-v1-multi-turn": "{question_1}|{answer_1}|{question_2}|{answer_2}",
        "single-math-v1-multi-turn": "{ref_answer_1}|{ref_answer_2}|{question_2}|{answer_2}",
    }
    judges = [
        {"name": name, "system_prompt": f"sys {name}", "prompt_template": form}
        for name, form in forms.items()
    ]
    written(place, *judges, name="judge_prompts.jsonl")
    return place


async def test_mt_bench_holds_two_turns_at_its_temperatures_and_judges_by_its_own_prompts(
    vllm: Provider, tmp_path: Path
) -> None:
    vllm.reply("judge", "Rating: [[7]]")
    came = await run(tmp_path, f"grade:{JUDGE}", data=mt_bench(tmp_path), baseline=None)
    assert (came.done, came.verdicts) == (4, 4)
    said = {call.messages[-1]["content"]: call for call in asked(vllm, "s")}
    assert {text: call.body["temperature"] for text, call in said.items()} == {
        "Write.": 0.7,
        "Shorter.": 0.7,
        "1+1?": 0.0,
        "Plus 2?": 0.0,
    }
    assert {call.body["max_tokens"] for call in said.values()} == {1024}
    assert [message["content"] for message in said["Plus 2?"].messages] == [
        "1+1?",
        "system on 1+1?",
        "Plus 2?",
    ]
    heard = {tuple(message["content"] for message in call.messages) for call in asked(vllm)}
    assert heard == {
        ("sys single-v1", "Write.|system on Write."),
        ("sys single-math-v1", "1+1?|ref 2|system on 1+1?"),
        (
            "sys single-v1-multi-turn",
            "Write.|system on Write.|Shorter.|system on Shorter.",
        ),
        ("sys single-math-v1-multi-turn", "ref 2|ref 4|Plus 2?|system on Plus 2?"),
    }
    verdicts = rows(tmp_path, "verdicts.jsonl")
    assert Counter((row["turn"], row["prompt"]) for row in verdicts) == {
        (turn, name): 1
        for turn, name in [
            (1, "single-v1"),
            (1, "single-math-v1"),
            (2, "single-v1-multi-turn"),
            (2, "single-math-v1-multi-turn"),
        ]
    }


@pytest.mark.parametrize(
    ("judge", "told"),
    [
        ("exact", "row 81 has none: give the row a `reference`"),
        (f"grade:{JUDGE}", "row 111 needs a reference answer, and has none"),
        (f"pairwise:{JUDGE}", "the data set's judge prompts lack 'pair-v2'"),
    ],
)
async def test_a_judge_that_lacks_something_is_refused_before_anybody_is_asked(
    vllm: Provider, tmp_path: Path, judge: str, told: str
) -> None:
    place = mt_bench(tmp_path)
    (place / "reference_answer_gpt-4.jsonl").unlink()
    with pytest.raises(UsageError, match=told):
        await run(tmp_path, judge, data=place)
    assert vllm.calls == []


async def test_a_recipe_is_asked_at_a_data_sets_temperature_in_every_seat(
    vllm: Provider, tmp_path: Path
) -> None:
    mix = tmp_path / "mix.toml"
    mix.write_text(
        '[[layers]]\nproposers = ["vllm:s", { model = "vllm:b", temperature = 0.9 }]\n'
        'aggregate = { step = "synthesize", model = "vllm:agg" }\n'
    )
    data = written(tmp_path, {"prompt": "why?", "temperature": 0.1})
    await run(tmp_path, data=data, systems=[str(mix)], baseline=None)
    assert [call.body["temperature"] for call in vllm.calls] == [0.1] * 3
    [row] = rows(tmp_path, "answers.jsonl")
    assert (row["kind"], row["usage"]["calls"], row["temperature"]) == ("recipe", 3, 0.1)
    assert [len(layer["proposals"]) for layer in row["layers"]] == [2]
    assert [step["node"] for step in row["steps"]] == ["L1_join", "L1_synthesize"]


async def test_a_judges_price_is_part_of_the_limit(vllm: Provider, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the price of `vllm:judge` is not known"):
        await run(
            tmp_path,
            f"grade:{JUDGE}",
            systems=["scripted:a"],
            baseline=None,
            options=RunOptions(max_cost_usd=1),
        )
    assert vllm.calls == []


PRICED = """
[defaults]
price = { input = 0, output = 1000 }
[[layers]]
proposers = ["vllm:judge"]
aggregate = { step = "synthesize", model = "vllm:judge" }
"""


async def test_a_recipe_that_judges_is_priced_by_its_seats(vllm: Provider, tmp_path: Path) -> None:
    (tmp_path / "priced.toml").write_text(PRICED)
    vllm.reply("judge", "[[7]]")
    names = [f"grade:moa:{tmp_path / 'priced.toml'}"]
    said: dict[str, Any] = {"systems": ["scripted:a"], "baseline": None}
    with pytest.raises(SpendingLimitReached, match=r"the next answer may cost \$6.1440"):
        await run(tmp_path, *names, **said, options=RunOptions(max_cost_usd=6))
    came = await run(tmp_path, *names, **said, options=RunOptions(max_cost_usd=7))
    assert (came.verdicts, came.unparsed) == (3, 0)
    costs = [row["cost_usd"] for row in rows(tmp_path, "verdicts.jsonl")]
    assert costs == pytest.approx([0.002] * 3)


RECORDED = [
    {
        "instruction": "why?",
        "outputs": {"one": "because", "two": "so"},
        "preference": {"one": 0.25},
    },
    {"instruction": "who?", "outputs": {"one": "me"}},
]


async def test_recorded_models_answer_by_the_exact_text_and_are_judged_from_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = written(tmp_path, *RECORDED)
    monkeypatch.setenv("MOA_RECORDED", str(data))
    came = await run(
        tmp_path,
        f"recorded:{data}",
        data=data,
        systems=["recorded:one"],
        baseline=f"recorded:two@{data}",
    )
    answers = {(row["system"], row["question"]): row for row in rows(tmp_path, "answers.jsonl")}
    assert answers["recorded:one", "why?"]["answer"] == "because"
    assert {row["kind"] for row in answers.values()} == {"recorded"}
    lacking = answers[f"recorded:two@{data}", "who?"]
    assert lacking["status"] == "failed"
    assert "'two' has no recorded answer to this" in lacking["error"]
    [verdict] = rows(tmp_path, "verdicts.jsonl")
    assert (verdict["method"], verdict["system"], verdict["preference"]) == (
        "recorded",
        "recorded:one",
        1.25,
    )
    assert (came.done, came.wanted, came.cost_usd) == (3, 4, 0.0)


async def test_a_recorded_model_in_a_later_layer_says_why_it_cannot_answer(
    tmp_path: Path,
) -> None:
    data = written(tmp_path, *RECORDED)
    one = f"recorded:one@{data}"
    mix = tmp_path / "mix.toml"
    mix.write_text(
        f'[[layers]]\nproposers = ["{one}"]\n[[layers]]\nproposers = ["{one}"]\n'
        'aggregate = { step = "synthesize", model = "scripted:x" }\n'
    )
    await run(tmp_path, data=data, systems=[str(mix)], baseline=None)
    errors = {row["error"] for row in rows(tmp_path, "answers.jsonl")}
    assert all("answers a question alone" in error for error in errors)


async def test_the_folder_says_what_was_run_in_it(tmp_path: Path) -> None:
    data = prompts(tmp_path)
    system = ("--system", "scripted:echo")
    words = ("eval", "run", "--data", str(data), "--out", str(tmp_path / "ev"), *system)
    done = moa(*words, "--limit", "2", "--judge", "python:operator:not_", "--json")
    assert done.code == 0
    assert json.loads(done.out)["done"] == 2
    assert done.lines[0] == "moa: a smoke run, 2 of 3 rows: its numbers mean nothing"
    said = json.loads((tmp_path / "ev" / "run.json").read_text())
    assert (said["smoke"], said["limit"], said["dataset"]) == (True, 2, "in")
    assert moa(*words, "--judge", "grade:scripted:Rating: [[3]]").code == 0
    said = json.loads((tmp_path / "ev" / "run.json").read_text())
    assert (said["smoke"], said["systems"]) == (False, ["scripted:echo"])
    assert said["judges"] == ["python:operator:not_", "grade:scripted:Rating: [[3]]"]
    assert sorted(file.name for file in (tmp_path / "ev").iterdir()) == [
        "answers.jsonl",
        "run.json",
        "verdicts.jsonl",
    ]


def test_a_data_sets_name_may_be_any_bytes(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff.jsonl"
    os.rename(prompts(tmp_path), name)
    out = "--out", str(tmp_path / "ev")
    assert moa("eval", "run", "--data", name, "--system", "scripted:a", *out).code == 0
    judged = moa("eval", "judge", str(tmp_path / "ev"), "--judge", "grade:scripted:[[4]]")
    assert (judged.code, len(rows(tmp_path, "verdicts.jsonl"))) == (0, 3)


def test_a_folder_that_does_not_say_its_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"dataset": "in"}')
    done = moa("eval", "judge", str(tmp_path), "--judge", "exact")
    assert (done.code, len(done.lines)) == (2, 1)
    assert "does not say its `data`: `moa eval run` with the same data" in done.err


async def test_answers_that_are_there_can_be_judged_again(vllm: Provider, tmp_path: Path) -> None:
    vllm.reply("judge", "[[C]]")
    data = prompts(tmp_path)
    await run(tmp_path, data=data)
    before = len(vllm.calls)
    came = await judge_again(
        tmp_path / "ev", open_set(str(data)), [f"pairwise:{JUDGE}"], BASELINE, STEADY
    )
    assert (came.verdicts, len(vllm.calls) - before) == (6, 6)
    done = moa("eval", "judge", str(tmp_path / "ev"), "--judge", f"pairwise:{JUDGE}")
    assert (done.code, len(vllm.calls) - before) == (0, 6)
    assert "moa: 6 verdicts wanted, 6 are there already" in done.lines


def test_what_a_function_that_judges_raises_is_told_until_it_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["run", "--data", str(prompts(tmp_path)), "--system", "scripted:a", "--out", "ev"]
    told = []
    for body in ('raise ValueError("no\\nway")', "return 1"):
        (tmp_path / "raising_judges_of_tests.py").write_text(f"def f(said):\n    {body}\n")
        done = moa("eval", *words, "--judge", "python:raising_judges_of_tests:f")
        assert done.code == 0
        told.append(done.lines[-1])
    unread = "moa: 3 verdicts could not be read, kept as such"
    assert told == [f"{unread}; the first: ValueError: no way", unread]


async def test_a_baseline_alone_is_compared_with_nobody(tmp_path: Path) -> None:
    await run(tmp_path, systems=["scripted:a"], baseline=None)
    data, judges = open_set(str(prompts(tmp_path))), ["pairwise:scripted:x"]
    with pytest.raises(UsageError, match="there is no other system"):
        await judge_again(tmp_path / "ev", data, judges, "scripted:a", STEADY)


async def test_results_of_another_set_or_in_use_are_refused(tmp_path: Path) -> None:
    await run(tmp_path, systems=["scripted:a"], baseline=None)
    other = written(tmp_path, {"prompt": "x"}, name="other.jsonl")
    with pytest.raises(UsageError, match="holds answers to 'in', not to 'other'"):
        await run(tmp_path, data=other, systems=["scripted:a"], baseline=None)
    with (
        open_workspace(tmp_path / "ev" / "partial", tmp_path),
        pytest.raises(UsageError, match="in use by another process"),
    ):
        await run(tmp_path, systems=["scripted:a"], baseline=None)


REFUSED = {
    "no folder": (["judge", "nowhere", "--judge", "exact"], "holds no evaluation"),
    "no baseline": (["--judge", "pairwise:scripted:x"], "name it with --baseline"),
    "only the baseline": (
        ["--judge", "pairwise:scripted:x", "--baseline", "scripted:a"],
        "compares with the baseline 'scripted:a', and there is no other system",
    ),
    "no reference": (["--judge", "exact"], "row 0 has none: give the row a `reference`"),
    "no record": (["--system", "recorded:x"], "holds no recorded answer"),
    "odd parameters": (["--active-parameters", "x"], "it takes MODEL=BILLIONS"),
    "unknown set": (["--data", "nowhere"], "there is no data set 'nowhere'"),
    "unknown judge": (["--judge", "grad:x"], "did you mean `grade`?"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_run_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    prompts(tmp_path)
    words, told = REFUSED[name]
    run = ["run", "--data", "in.jsonl", "--system", "scripted:a", "--out", "ev"]
    done = moa("eval", *(words if words[0] == "judge" else [*run, *words]))
    assert done.code == 2
    assert told in done.lines[-1]


async def test_a_real_judges_preferences_are_those_of_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = recorded("alpaca_replay_40.jsonl.gz")
    monkeypatch.setenv("MOA_RECORDED", str(data))
    came = await run(
        tmp_path,
        f"recorded:{data}",
        data=data,
        systems=["recorded:FuseChat-Gemma-2-9B-Instruct", "recorded:Together-MoA"],
        baseline="recorded:gpt4_1106_preview",
    )
    assert (came.done, came.verdicts) == (120, 40)
    assert came.unjudged == {f"recorded:{data}: no verdict is recorded": 80}
    liked = [row["preference"] for row in rows(tmp_path, "verdicts.jsonl")]
    assert all(1 <= one <= 2 for one in liked)


async def test_an_answers_tflops_are_counted_from_what_was_used(
    vllm: Provider, tmp_path: Path
) -> None:
    options = RunOptions(parameters=parse_active_parameters([f"{SYSTEM}=50"]))
    await run(tmp_path, data=prompts(tmp_path, "why?"), options=options)
    answers = {row["system"]: row for row in rows(tmp_path, "answers.jsonl")}
    used, took = answers[SYSTEM]["usage"], answers[SYSTEM]["tflops"]
    both = used["input_tokens"] + used["output_tokens"]
    assert used["input_tokens"] > 0
    assert took == pytest.approx(
        {"decode": 0.1 * used["output_tokens"], "total": 0.1 * both, "latency": 0.1 * both}
    )
    assert answers[BASELINE]["tflops"] is None


def test_a_terminal_shows_one_line_in_place(vllm: Provider, tmp_path: Path) -> None:
    vllm.latency = 0.15
    words = ("--data", str(prompts(tmp_path)), "--out", str(tmp_path / "ev"), "--concurrency", "1")
    with Terminal("eval", "run", *words, "--system", SYSTEM, size=(60, 20)) as shown:
        assert shown.end() == 0
    pictures = shown.shown.decode().split("\r")
    moving = [picture for picture in pictures if "━" in picture]
    assert moving
    assert max(len(picture.partition("\x1b")[0]) for picture in moving) < 60
    assert shown.text.splitlines()[-1] == f"moa: 3 of 3 answers and 0 verdicts in {tmp_path / 'ev'}"
