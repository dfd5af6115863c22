import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from moagraph import ChatMoA, RecipeError, Review, UsageError, ask, open_threads, resume, retry
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import load_recipe
from moagraph.threads.open import Threads
from moagraph.threads.result import Result
from tests.faults import Always, Status
from tests.provider import Provider
from tests.sandboxing import needs_sandbox
from tests.terminal import Terminal, moa, saved

RECIPE = """
[defaults]
base_url = "{url}"
attempts = 1
[[layers]]
proposers = ["vllm:a", "vllm:b"]
aggregate = {{ step = "synthesize", model = "vllm:agg" }}
[[after]]
step = "verify"
model = "vllm:writer"
{said}
"""
FOUR = "checks = [{ by = 'regex', pattern = '^4$' }]"
JUDGED = "judges = ['vllm:judge']"


def verified(folder: Path, provider: Provider, said: str, *drafts: str) -> str:
    """A recipe whose aggregator says the first draft, and whose writer says the next ones."""
    provider.reply("agg", drafts[0])
    if drafts[1:]:
        provider.reply("writer", *drafts[1:])
    return saved(folder, RECIPE.format(url=provider.base_url, said=said))


def asked(provider: Provider) -> list[str]:
    """The models behind the layer, in the order in which they were asked."""
    return [call.model for call in provider.calls[3:]]


def records(came: Result, kind: str) -> list[dict[str, Any]]:
    return [step for step in came.steps if step["node"].startswith(f"L1_{kind}")]


def test_what_passes_at_once_is_the_answer_and_costs_no_call(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = verified(tmp_path, provider, FOUR, "4")
    came = ask("two and two?", recipe)
    assert (came.status, came.answer, asked(provider)) == ("done", "4", [])
    [record] = records(came, "verify")
    assert record["verdicts"] == [{"by": "regex", "verdict": "passed", "why": ""}]
    assert record["settled"]
    assert max_calls(load_recipe(recipe)) == 3 + 2  # at most


def test_what_fails_is_written_anew_by_a_writer_that_hears_why(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = verified(tmp_path, provider, FOUR, "5", "five", "4")
    came = ask("two and two?", recipe)
    assert (came.status, came.answer, asked(provider)) == ("done", "4", ["writer"] * 2)
    system, user = provider.calls[-1].messages
    assert user == {"role": "user", "content": "two and two?"}
    assert "The answer:\n\n1. five\n" in system["content"]
    assert system["content"].endswith("was found wrong:\n- the answer does not hold '^4$'")
    assert [step["text"] for step in records(came, "revise")] == ["five", "4"]
    assert came.usage["calls"] == len(provider.calls) == 5


OTHERWISE = {
    "abstain": (
        "otherwise = 'abstain'",
        "I have no answer that passes its checks.\n\n- the answer does not hold '^4$'",
    ),
    "keep": (
        "otherwise = 'keep'",
        "seven\n\nThis answer did not pass its checks.\n\n- the answer does not hold '^4$'",
    ),
}


@pytest.mark.parametrize(("said", "answer"), OTHERWISE.values(), ids=OTHERWISE)
def test_after_the_last_round_the_answer_says_that_it_failed(
    provider: Provider, tmp_path: Path, said: str, answer: str
) -> None:
    recipe = verified(tmp_path, provider, f"{FOUR}\nrounds = 2\n{said}", "5", "six", "seven")
    came = ask("two and two?", recipe)
    assert (came.status, came.answer) == ("done", answer)
    assert asked(provider) == ["writer"] * 2
    last = records(came, "verify")[-1]
    assert last.get("abstained", False) == ("abstain" in said)
    assert last["complaints"] == ["the answer does not hold '^4$'"]


def test_a_judge_hears_only_what_the_checks_have_passed_and_its_reason_is_told(
    provider: Provider, tmp_path: Path
) -> None:
    said = f"checks = [{{ by = 'regex', pattern = '4' }}]\n{JUDGED}"
    recipe = verified(tmp_path, provider, said, "5", "4, I think", "4")
    with open_threads() as threads:
        judged_twice(provider, recipe, threads)
    shown = json.loads(moa("show", "t", "--sent", "--json").out)["steps"]
    sent = {step["node"]: step["sent"] for step in shown if step["node"].startswith("L1_re")}
    assert sent == {"L1_revise": heard(provider, 3), "L1_revise_2": heard(provider, 5)}


def heard(provider: Provider, number: int) -> list[dict[str, Any]]:
    return provider.calls[number].messages


def judged_twice(provider: Provider, recipe: str, threads: Threads) -> None:
    provider.reply("judge", "It is not sure.\n**FAIL**: it must not doubt", "All is well.\nPASS")
    came = ask("two and two?", recipe, thread="t", threads=threads)
    assert (came.status, came.answer) == ("done", "4")
    assert asked(provider) == ["writer", "judge", "writer", "judge"]
    [told] = provider.calls[4].messages
    assert "What was asked:\ntwo and two?\n\nThe answer:\n\n1. 4, I think\n" in told["content"]
    assert provider.calls[5].messages[0]["content"].endswith("wrong:\n- it must not doubt")
    assert came.usage["calls"] == len(provider.calls) == 7
    assert max_calls(load_recipe(recipe)) == 3 + 2 + 3


def test_a_verdict_without_form_is_asked_for_once_more_and_then_counted(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = verified(tmp_path, provider, f"{JUDGED}\notherwise = 'keep'", "4")
    provider.reply("judge", "Hm.", "Well.")
    came = ask("two and two?", recipe)
    assert asked(provider) == ["judge", "judge"]
    assert came.answer == (
        "4\n\nThis answer did not pass its checks.\n\n"
        "- not checked by vllm:judge: neither PASS nor FAIL in 'Well.'"
    )
    assert sum(record.get("unparsed", 0) for record in came.steps) == 1
    assert came.usage["calls"] == len(provider.calls) == 5


def test_a_judge_that_fails_leaves_the_answer_unverified_and_writes_nothing_anew(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = verified(tmp_path, provider, JUDGED, "4")
    provider.script("judge", Always(Status(400)))
    came = ask("two and two?", recipe)
    assert came.status == "done"
    assert came.answer.startswith("I have no answer that passes its checks.\n\n- not checked by")
    assert asked(provider) == ["judge"]


def test_a_writer_that_fails_ends_the_rounds(provider: Provider, tmp_path: Path) -> None:
    recipe = verified(tmp_path, provider, f"{FOUR}\notherwise = 'keep'", "5")
    provider.script("writer", Always(Status(400)))
    came = ask("two and two?", recipe)
    assert came.answer.startswith("5\n\nThis answer did not pass its checks.")
    assert asked(provider) == ["writer"]
    assert came.usage["calls"] == len(provider.calls) == 4


def test_checks_end_the_last_layer_as_well(provider: Provider, tmp_path: Path) -> None:
    provider.reply("a", "5")
    provider.reply("writer", "4")
    text = f"""
[defaults]
base_url = "{provider.base_url}"
[[layers]]
proposers = ["vllm:a"]
[layers.aggregate]
step = "verify"
model = "vllm:writer"
checks = [{{ by = "regex", pattern = "4" }}]
"""
    came = ask("two and two?", saved(tmp_path, text))
    assert (came.status, came.answer) == ("done", "4")
    assert [call.model for call in provider.calls] == ["a", "writer"]


def test_an_answer_that_is_empty_is_shown_to_no_judge(provider: Provider, tmp_path: Path) -> None:
    step = f'step = "verify"\nmodel = "vllm:writer"\n{JUDGED}'
    text = f"[defaults]\nbase_url = '{provider.base_url}'\n[[layers]]\nproposers = ['vllm:a']\n"
    recipe = saved(tmp_path, f"{text}[layers.aggregate]\n{step}\n")
    provider.reply("writer", "4")
    provider.reply("judge", "PASS")
    with open_threads() as threads:
        ask("two and two?", recipe, thread="t", threads=threads, pause_after=[1])
        came = resume("t", threads, Review(edit={"01": " "}))
    assert (came.status, came.answer) == ("done", "4")
    assert [call.model for call in provider.calls] == ["a", "writer", "judge"]
    assert provider.calls[1].messages[0]["content"].endswith("wrong:\n- the answer is empty")


# A person decides.


def test_where_no_person_can_be_asked_such_a_recipe_is_refused(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = verified(tmp_path, provider, f"{FOUR}\notherwise = 'ask'", "5")
    assert load_recipe(recipe).may_pause
    with pytest.raises(UsageError, match="pauses for a person, which a chat model cannot"):
        ChatMoA(recipe=recipe).invoke("?")
    outer = '{ step = "synthesize", model = "scripted:x" }'
    text = f'[[layers]]\nproposers = ["moa:{recipe}"]\naggregate = {outer}\n'
    with pytest.raises(UsageError, match="pauses for a person, which a seat cannot"):
        ask("?", saved(tmp_path, text, "outer.toml"))
    assert provider.calls == []


def paused(folder: Path, provider: Provider, **more: Any) -> Result:
    recipe = verified(folder, provider, f"{FOUR}\nrounds = 1\notherwise = 'ask'", "5", "six")
    came = ask("two and two?", recipe, thread="t", **more)
    assert (came.status, came.answer, came.next) == ("paused", "", ["L1_decide"])
    return came


DECISIONS = {
    "accept": (None, "six"),
    "edit": (Review(edit={"answer": "4, of course"}), "4, of course"),
}


@pytest.mark.parametrize(("review", "answer"), DECISIONS.values(), ids=DECISIONS)
def test_a_person_accepts_or_edits_what_failed(
    provider: Provider, tmp_path: Path, review: Review | None, answer: str
) -> None:
    with open_threads() as threads:
        paused(tmp_path, provider, threads=threads)
        came = resume("t", threads, review)
        assert (came.status, came.answer) == ("done", answer)
    assert asked(provider) == ["writer"]


def test_a_person_stops_the_run_and_thinks_again(provider: Provider, tmp_path: Path) -> None:
    with open_threads() as threads:
        paused(tmp_path, provider, threads=threads)
        came = resume("t", threads, Review(abort=True))
        assert (came.status, came.error) == ("failed", "a person stopped the run at `L1_decide`")
        with pytest.raises(UsageError, match="was stopped: `moa resume t`"):
            retry("t", threads)
        assert resume("t", threads, Review(edit={"answer": "4"})).answer == "4"
    assert asked(provider) == ["writer"]


def test_only_the_answer_can_be_edited(provider: Provider, tmp_path: Path) -> None:
    with open_threads() as threads:
        paused(tmp_path, provider, threads=threads)
        for wrong in (Review(edit={"01": "4"}), Review(drop=["01"]), Review(add=["4"])):
            with pytest.raises(UsageError, match="the pause stays"):
                resume("t", threads, wrong)
        assert resume("t", threads).answer == "six"


def test_the_command_line_takes_the_decision(provider: Provider, tmp_path: Path) -> None:
    recipe = verified(tmp_path, provider, f"{FOUR}\nrounds = 0\notherwise = 'ask'", "5")
    done = moa("ask", "--recipe", recipe, "--thread", "t", "two and two?")
    assert (done.code, done.out) == (0, "")
    wrong = moa("resume", "t", "--edit", "1.1=4")
    assert wrong.code == 2
    assert "paused at `L1_decide`, where the answer is accepted as it is" in wrong.lines[-1]
    assert "L1_verify regex failed: the answer does not hold" in moa("show", "t", "--sent").out
    with Terminal("resume", "t") as shown:
        shown.read("review>")
        assert "── the answer does not hold '^4$'" in shown.text
        shown.type("x\n")
        shown.read("review>")
        shown.type("e 4, said a person\n")
        assert shown.end() == 0
    assert "4, said a person" in shown.text


def test_the_command_line_edits_by_an_option(provider: Provider, tmp_path: Path) -> None:
    recipe = verified(tmp_path, provider, f"{FOUR}\nrounds = 0\notherwise = 'ask'", "5")
    moa("ask", "--recipe", recipe, "--thread", "t", "two and two?")
    done = moa("resume", "t", "--edit", "answer=4!")
    assert (done.code, done.out) == (0, "4!\n")


# Each verifier.


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize("where", ["paused", "done"])
def test_a_thread_from_elsewhere_calls_a_function_only_if_it_is_trusted(
    provider: Provider, tmp_path: Path, where: str
) -> None:
    check = "checks = [{ by = 'python', function = 'mine:complains', timeout = 60 }]\nrounds = 0"
    otherwise = "ask" if where == "paused" else "keep"
    said = f"{check}\notherwise = '{otherwise}'"
    with open_threads() as threads:
        ask("?", verified(tmp_path, provider, said, "4"), thread="t", threads=threads)
    moa("threads", "export", "t", "-o", str(tmp_path / "t.json"))
    taken = moa("threads", "import", str(tmp_path / "t.json"), "--as", "u")
    assert (taken.code, taken.out) == (0, "u\n")
    assert "code mine:complains" in taken.err
    refused = moa("replay", "u", "--from-layer", "1")
    assert (refused.code, len(refused.lines)) == (2, 1)
    assert "was imported and is not trusted" in refused.err
    done = moa("replay", "u", "--from-layer", "1", "--trust")
    assert done.code == 0, done.err


def database(folder: Path) -> str:
    file = folder / "t.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("create table t (a)")
        connection.execute("insert into t values (1)")
    connection.close()
    return str(file)


JSON = "{ by = 'json', schema = { type = 'object', required = ['sum'] } }"
TESTS = "{{ by = 'tests', tests = 'assert add(1, 2) == 3', timeout = {seconds} }}"
ADD = "```python\ndef add(a, b):\n    return a + b\n```"
VERDICTS = {
    "json in a fence": (JSON, 'Here:\n```json\n{"sum": 4}\n```\nDone.', "passed", ""),
    "json without a key": (JSON, '{"total": 4}', "failed", "$: 'sum' is a required property"),
    "no json": (JSON, "four", "failed", "the answer is not JSON: Expecting value"),
    "not a number": (JSON, '{"sum": NaN}', "failed", "NaN is no JSON number"),
    "absent": ("{ by = 'regex', pattern = 'x', absent = true }", "x", "failed", "must not hold"),
    "a pattern that never ends": (
        "{ by = 'regex', pattern = '(a+)+$', timeout = 0.5 }",
        "a" * 40 + "b",
        "broken",
        "it did not end within 0.5 s",
    ),
    "a function says yes": (
        "{ by = 'python', function = 'mine:yes' }",
        "4",
        "passed",
        "",
    ),
    "a function complains": (
        "{ by = 'python', function = 'mine:complains' }",
        "4",
        "failed",
        "two and two? is not 4",
    ),
    "a function raises": (
        "{ by = 'python', function = 'mine:raises' }",
        "4",
        "failed",
        "ValueError: no 4 here",
    ),
    "a function says nonsense": (
        "{ by = 'python', function = 'mine:nonsense' }",
        "4",
        "broken",
        "`mine:nonsense` returned 42 (int), not True or a complaint",
    ),
    "a function hangs": (
        "{ by = 'python', function = 'mine:hangs', timeout = 1 }",
        "4",
        "broken",
        "it did not end within 1 s",
    ),
    "a function prints much": (
        "{ by = 'python', function = 'mine:prints' }",
        "4",
        "passed",
        "",
    ),
    "a function ends its process": (
        "{ by = 'python', function = 'mine:exits' }",
        "4",
        "broken",
        "it ended before its verdict (exit code 3)",
    ),
    "equal": (
        "{ by = 'sympy', expected = '2*x + 2' }",
        "So it is 2(x+1).",
        "failed",
        "end in",
    ),
    "equal in a box": (
        "{ by = 'sympy', expected = '2*x+2' }",
        r"\boxed{2(x+1)}",
        "passed",
        "",
    ),
    "equal number": (
        "{ by = 'sympy', expected = '1/2' }",
        "sin(pi/6) = 0.5",
        "passed",
        "",
    ),
    "not equal": (
        "{ by = 'sympy', expected = '4' }",
        "2+2 = 5",
        "failed",
        "5 is not what was",
    ),
    "not to be evaluated": (
        "{ by = 'sympy', expected = '4' }",
        "__import__('os').getpid()",
        "failed",
        "the answer does not end in an expression",
    ),
}


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user's."""
    (tmp_path / "mine.py").write_text(
        "import os, sys, time\n"
        "def yes(answer): return True\n"
        "def complains(answer, question): return f'{question} is not {answer}'\n"
        "def raises(answer): raise ValueError(f'no {answer} here')\n"
        "def nonsense(answer): return 42\n"
        "def hangs(answer): time.sleep(600)\n"
        "def prints(answer):\n    for _ in range(300): print('x' * 100_000)\n    return True\n"
        "def exits(answer): os._exit(3)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = filter(None, (str(tmp_path), os.environ.get("PYTHONPATH")))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))  # for `moa` in its own process


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(("check", "answer", "verdict", "why"), VERDICTS.values(), ids=VERDICTS)
def test_each_verifier_says_clearly_what_it_found(
    provider: Provider, tmp_path: Path, check: str, answer: str, verdict: str, why: str
) -> None:
    patient = check if "timeout" in check else f"{check[:-2]}, timeout = 60 }}"
    recipe = verified(tmp_path, provider, f"checks = [{patient}]\nrounds = 0", answer)
    came = ask("two and two?", recipe)
    assert came.status == "done"
    [record] = records(came, "verify")
    [found] = record["verdicts"]
    assert (found["verdict"], why in found["why"]) == (verdict, True), found
    assert asked(provider) == []


SQL = {
    "it finds": ("select a from t", "passed", ""),
    "nothing found": ("select a from t where a > 1", "failed", "the SQL finds nothing"),
    "it writes": ("delete from t", "failed", "not authorized"),
    "it attaches": ("attach 'other' as o", "failed", "not authorized"),
    "two statements": ("select 1; delete from t", "failed", "one statement"),
    "it never ends": (
        "with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r",
        "failed",
        "it did not end within 1 s",
    ),
}


@pytest.mark.parametrize(("statement", "verdict", "why"), SQL.values(), ids=SQL)
def test_sql_runs_on_a_database_that_it_can_only_read(
    provider: Provider, tmp_path: Path, statement: str, verdict: str, why: str
) -> None:
    file = database(tmp_path)
    check = "{ by = 'sql', source = 't.sqlite', rows = true, timeout = 1 }"
    said = f"checks = [{check}]\nrounds = 0"
    came = ask("?", verified(tmp_path, provider, said, f"```sql\n{statement}\n```"))
    [found] = records(came, "verify")[0]["verdicts"]
    assert (found["verdict"], why in found["why"]) == (verdict, True), found
    with sqlite3.connect(file) as connection:
        assert connection.execute("select count(*) from t").fetchall() == [(1,)]
    connection.close()
    assert not (tmp_path / "other").exists()


UNUSABLE = {
    "no such module": ("by = 'python', function = 'not_yet:f'", "`not_yet:f` cannot be imported"),
    "no such function": ("by = 'python', function = 'json:f'", "`json:f` cannot be imported"),
    "no function": ("by = 'python', function = 'json:codecs'", "`json:codecs` is no function"),
    "no database": ("by = 'sql', source = 'nowhere.sqlite'", "there is no database"),
    "no expression": ("by = 'sympy', expected = 'import os'", "is no expression"),
}


@pytest.mark.parametrize(("check", "why"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_verifier_that_is_not_there_fails_the_step_and_nothing_else(
    provider: Provider, tmp_path: Path, check: str, why: str
) -> None:
    said = f"checks = [{{ {check}, timeout = 60 }}]"
    came = ask("?", verified(tmp_path, provider, said, "select 1"))
    assert came.status == "failed"
    assert str(came.error).startswith("`L1_verify` cannot verify: ")
    assert why in str(came.error)
    assert asked(provider) == []


def test_once_the_verifier_is_there_it_alone_runs_again(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = "checks = [{ by = 'python', function = 'not_yet:yes', timeout = 60 }]"
    with open_threads() as threads:
        came = ask("?", verified(tmp_path, provider, said, "4"), thread="t", threads=threads)
        assert came.status == "failed"
        (tmp_path / "not_yet.py").write_text("def yes(answer): return True\n")
        assert retry("t", threads).answer == "4"
    assert len(provider.calls) == 3


# Code that a model wrote.


@pytest.fixture
def sandbox() -> None:
    needs_sandbox()


CODE = {
    "it passes": (ADD, "passed", ""),
    "in two blocks": (f"{ADD}\nSo:\n```python\nprint(add(1, 2))\n```", "passed", ""),
    "without a fence": ("def add(a, b): return a + b", "passed", ""),
    "prose": ("I would add them.", "failed", "SyntaxError"),
    "it is wrong": (
        ADD.replace("+", "-"),
        "failed",
        "AssertionError (tests.py line 1: assert add(1, 2) == 3)",
    ),
    "it never ends": ("while True: pass", "failed", "it did not end within 1 s"),
    "it sleeps": ("import time\ntime.sleep(600)", "failed", "it did not end within 1 s"),
    "it ends the process": ("import os\nos._exit(0)", "failed", "ended before its verdict"),
    "it exits": ("import sys\nsys.exit(0)", "failed", "SystemExit"),
    "it forks": ("import os\nos.fork()", "failed", "Operation not permitted"),
    "it starts a process": (
        "import subprocess\nsubprocess.run(['true'])",
        "failed",
        "Operation not permitted",
    ),
    "it reads files": ("open('/etc/passwd').read()", "failed", "No such file"),
    "it reads the recipe": ("open({recipe!r}).read()", "failed", "No such file"),
    "it writes files": ("open({recipe!r}, 'a').write('x')", "failed", "No such file"),
    "it removes files": ("import os\nos.remove({recipe!r})", "failed", "No such file"),
    "it writes in its own folder": (
        f"open('mine', 'w').write('x')\nassert open('mine').read() == 'x'\n{ADD[10:-4]}",
        "passed",
        "",
    ),
    "it talks to the network": (
        "import socket\nsocket.create_connection(('127.0.0.1', {port}))",
        "failed",
        "Operation not permitted",
    ),
    "it takes all memory": ("x = 'x' * 2**33", "failed", "MemoryError"),
    "it calls the kernel": (
        "import ctypes\nassert ctypes.CDLL(None).fork() >= 0",
        "failed",
        "AssertionError",
    ),
    "it prints much": (f"print('x' * 50_000_000)\n{ADD[10:-4]}", "passed", ""),
    "it looks for keys": (
        "import os\nassert not [name for name in os.environ if 'KEY' in name]\n" + ADD[10:-4],
        "passed",
        "",
    ),
    "it crashes": ("import os\nos.abort()", "failed", "it was stopped by SIG"),
    "it recurses": ("def f(): f()\nf()", "failed", "RecursionError"),
}


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize(("code", "verdict", "why"), CODE.values(), ids=CODE)
def test_code_is_run_apart_with_limits(
    provider: Provider, tmp_path: Path, code: str, verdict: str, why: str
) -> None:
    recipe = str(tmp_path / "mix.toml")
    code = code.replace("{recipe!r}", repr(recipe)).replace("{port}", str(provider.port))
    check = TESTS.format(seconds=1 if why.startswith("it did") else 60)
    assert verified(tmp_path, provider, f"checks = [{check}]\nrounds = 0", code) == recipe
    before = Path(recipe).read_text()
    came = ask("add?", recipe)
    [found] = records(came, "verify")[0]["verdicts"]
    assert (found["verdict"], why in found["why"]) == (verdict, True), found
    assert Path(recipe).read_text() == before
    assert len(provider.calls) == 3


def test_an_empty_answer_fails_every_check() -> None:
    import asyncio

    from moagraph.nodes.checks.run import run_check
    from moagraph.nodes.checks.settings import ByPython, ByRegex

    for check in (ByRegex(pattern=""), ByPython(function="mine:yes")):
        found = asyncio.run(run_check(check, "why?", " \n"))
        assert found == {"by": check.by, "verdict": "failed", "why": "the answer is empty"}


def test_the_reason_can_be_said_in_the_recipe(provider: Provider, tmp_path: Path) -> None:
    said = "checks = [{ by = 'regex', pattern = '^4$', why = 'only a number' }]"
    ask("two and two?", verified(tmp_path, provider, said, "5", "4"))
    told = provider.calls[-1].messages[0]["content"]
    assert told.endswith("- only a number (the answer does not hold '^4$')")


REFUSED = {
    "nothing to verify by": ("", "`verify` has nothing to verify by: say `checks` or `judges`"),
    "no such check": ("checks = [{ by = 'jso' }]", "there is no check 'jso'; did you mean `json`?"),
    "a key": ("checks = [{ by = 'regex', patern = 'x' }]", "`patern`: did you mean `pattern`?"),
    "no by": ("checks = [{ pattern = 'x' }]", "a check says what it goes by, such as by = "),
    "a pattern": ("checks = [{ by = 'regex', pattern = '(' }]", "'(' is no regular expression"),
    "a function": ("checks = [{ by = 'python', function = 'f' }]", "not `package.module:function`"),
    "a schema": ("checks = [{ by = 'json', schema = '{' }]", "`schema` is not JSON"),
    "a kind": ("checks = [{ by = 'json', schema = { type = 'objekt' } }]", "is no JSON schema"),
    "tests": ("checks = [{ by = 'tests', tests = 'assert' }]", "`tests` are not Python"),
    "a bound": (f"{FOUR}\nrounds = 11", "`rounds` 11: "),
    "a prompt": (f"{FOUR}\nprompt = 'Do $this now'", "needs `$this`, which was not given"),
    "a judge's prompt": (
        "judges = [{ model = 'vllm:j', prompt = 'Do $this now' }]",
        "needs `$this`, which was not given",
    ),
}


@pytest.mark.parametrize(("said", "message"), REFUSED.values(), ids=REFUSED)
def test_a_verifier_without_sense_is_refused_when_the_recipe_is_read(
    tmp_path: Path, said: str, message: str
) -> None:
    file = saved(tmp_path, RECIPE.format(url="http://127.0.0.1:1/v1", said=said))
    with pytest.raises(RecipeError) as caught:
        load_recipe(file)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


MISPLACED = {
    "in the middle": ("[{}, { step = 'synthesize', model = 'vllm:x' }]", "stands at the end of"),
    "several answers": ("[{}]", "`verify` looks at one answer: put a step that makes one"),
}


@pytest.mark.parametrize(("steps", "message"), MISPLACED.values(), ids=MISPLACED)
def test_it_stands_behind_one_answer_at_the_end(tmp_path: Path, steps: str, message: str) -> None:
    own = "{ step = 'verify', model = 'vllm:w', judges = ['vllm:j'] }"
    seats = "['vllm:a', 'vllm:b']" if steps == "[{}]" else "['vllm:a']"
    aggregate = steps.replace("{}", own, 1)
    file = saved(tmp_path, f"[[layers]]\nproposers = {seats}\naggregate = {aggregate}\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(file)
    assert message in str(caught.value)
