"""A turn that a gate has ended early, in every way in which a turn is run, kept and looked at."""

import json
from pathlib import Path

import pytest

from moagraph import ChatMoA, Review, UsageError, ask, replay, resume, retry
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import load_recipe
from moagraph.nodes.storage.data_dir import data_folder
from moagraph.threads.open import Threads
from tests.faults import Status
from tests.provider import Provider
from tests.runs import calls_of, cut, heard_by, latest, said
from tests.serving import serving
from tests.terminal import Terminal, moa, saved

RECIPE = """
{more}
[defaults]
base_url = "{url}"
max_tokens = 100
[[layers]]
proposers = ["vllm:a", "vllm:b"]
aggregate = {{ step = "gate" }}
[[layers]]
proposers = ["vllm:c", "vllm:d"]
fresh = true
aggregate = {{ step = "gate", by = "judge", judges = "vllm:judge" }}
[[layers]]
proposers = ["vllm:e"]
aggregate = {{ step = "synthesize", model = "vllm:agg" }}
"""
ALIKE, UNLIKE = ("four", "Four."), ("four", "five")
END = ["agg", "e"]


def stages(folder: Path, provider: Provider, first: tuple[str, str], more: str = "") -> str:
    for model, text in zip("ab", first, strict=True):
        provider.reply(model, text)
    provider.reply("judge", "Score: 3")
    return saved(folder, RECIPE.format(url=provider.base_url, more=more))


def test_an_early_end_is_replayed_from_the_layer_that_ended_it(
    provider: Provider, threads: Threads, tmp_path: Path
) -> None:
    assert ask("?", stages(tmp_path, provider, ALIKE), thread="t", threads=threads).answer == "four"
    assert calls_of(provider, lambda: replay("t", threads)) == []
    edit = {"1.2": "five"}
    rest = sorted(["c", "d", "judge", "judge", *END])
    assert calls_of(provider, lambda: replay("t", threads, edit=edit)) == rest
    assert calls_of(provider, lambda: replay("t", threads, from_layer=2)) == sorted(
        ["judge", "judge", *END]
    )
    assert calls_of(provider, lambda: replay("t", threads, again=["1.01"])) == ["a", *rest]
    assert said(latest(threads, "t"))[-1].startswith("agg says")


def test_a_late_end_is_cut_short_by_a_replay_that_settles(
    provider: Provider, threads: Threads, tmp_path: Path
) -> None:
    ask("?", stages(tmp_path, provider, UNLIKE), thread="t", threads=threads)
    came = replay("t", threads, edit={"1.2": "four"})
    assert (came.status, came.answer, len(came.layers)) == ("done", "four", 1)
    assert said(latest(threads, "t")) == ["?", "four"]
    provider.reply("judge", "Score: 9")
    came = replay("t", threads, put={"layers.1.aggregate.at_least": "0.9"}, edit={"1.2": "five"})
    assert (came.answer, len(came.layers)) == ("c says: this is answer number 2.", 2)


def test_a_layer_that_was_not_needed_cannot_be_replayed_from(
    provider: Provider, threads: Threads, tmp_path: Path
) -> None:
    ask("?", stages(tmp_path, provider, ALIKE), thread="t", threads=threads)
    with pytest.raises(UsageError, match=r"layer 2 .*`L1_gate` settled the turn; replay from lay"):
        replay("t", threads, from_layer=2)
    with pytest.raises(UsageError, match="was not needed"):
        replay("t", threads, edit={"3.1": "x"})


def test_a_pause_ahead_of_a_gate_lets_a_person_settle(
    provider: Provider, threads: Threads, tmp_path: Path
) -> None:
    recipe = stages(tmp_path, provider, UNLIKE)
    came = ask("?", recipe, thread="t", threads=threads, pause_after=[1])
    assert (came.status, came.next) == ("paused", ["L1_join"])
    came = resume("t", threads, Review(edit={"02": "FOUR"}))
    assert (came.status, came.answer) == ("done", "four")


GATE = 4  # the step behind which the first gate runs
REST = sorted(["c", "d", "judge", "judge", *END])


@pytest.mark.parametrize("wrote", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize(("first", "asked"), [(ALIKE, []), (UNLIKE, REST)], ids=["end", "on"])
def test_a_run_that_was_killed_at_its_gate_goes_on_as_the_gate_says(
    provider: Provider,
    threads: Threads,
    tmp_path: Path,
    wrote: bool,
    first: tuple[str, str],
    asked: list[str],
) -> None:
    came = ask("?", stages(tmp_path, provider, first), thread="t", threads=threads)
    cut(threads, "t", GATE, wrote)
    assert calls_of(provider, lambda: resume("t", threads)) == asked
    assert (len(said(latest(threads, "t"))), came.status) == (2, "done")


def test_an_answer_picked_just_before_a_kill_is_kept_when_the_next_question_comes(
    provider: Provider, threads: Threads, tmp_path: Path
) -> None:
    recipe = stages(tmp_path, provider, ALIKE)
    ask("?", recipe, thread="t", threads=threads)
    cut(threads, "t", GATE, wrote=True)
    asked = calls_of(provider, lambda: ask("and?", recipe, thread="t", threads=threads))
    assert asked == ["a", "b"]
    assert said(latest(threads, "t")) == ["?", "four", "and?", "four"]


def test_a_stage_that_failed_is_retried_behind_its_gate(
    provider: Provider, threads: Threads, tmp_path: Path
) -> None:
    recipe = stages(tmp_path, provider, UNLIKE)
    for model in "cd":
        provider.script(model, Status(400))
    assert ask("?", recipe, thread="t", threads=threads).status == "failed"
    assert calls_of(provider, lambda: retry("t", threads)) == REST


def test_the_next_turn_of_a_thread_starts_anew(
    provider: Provider, threads: Threads, tmp_path: Path
) -> None:
    recipe = stages(tmp_path, provider, ALIKE)
    ask("?", recipe, thread="t", threads=threads)
    provider.reply("b", "five")
    provider.reply("judge", "Score: 10")
    came = ask("and now?", recipe, thread="t", threads=threads)
    assert (came.status, came.answer) == ("done", "c says: this is answer number 1.")
    assert said(latest(threads, "t")) == ["?", "four", "and now?", came.answer]


def test_a_thread_that_ended_early_says_so(provider: Provider, tmp_path: Path) -> None:
    recipe = stages(tmp_path, provider, ALIKE)
    ran = moa("ask", "--recipe", recipe, "--thread", "t", "?")
    assert ran.out == "four\n"
    assert "moa: mix, 3 layers, at most 8 calls, thread t" in ran.lines
    assert "  1 gate: settled: 2 of 2 answers agree" in ran.lines
    assert [line for line in ran.lines if "needed" in line] == [
        "  layer 2: not needed",
        "  layer 3: not needed",
    ]
    told = moa("show", "t").out
    assert "L1_gate settles the turn: 2 of 2 answers agree" in told
    assert "layer 2: not needed\n\nlayer 3: not needed\n\nanswer\nfour\n" in told
    assert moa("show", "t", "--layer", "2").out.strip() == "layer 2: not needed"
    page = tmp_path / "page.html"
    moa("show", "t", "--html", str(page))
    assert "L1_gate settles the turn: 2 of 2 answers agree" in page.read_text()
    assert page.read_text().count("not needed</h2>") == 2


def test_a_gates_judge_is_shown_with_what_it_was_sent(provider: Provider, tmp_path: Path) -> None:
    recipe = stages(tmp_path, provider, UNLIKE)
    moa("ask", "--recipe", recipe, "--thread", "t", "?")
    told = moa("show", "t", "--sent").out
    assert "L2_gate 1.01 vllm:judge done" in told
    assert "Score: 3" in told
    assert "L2_gate goes on: 3 of 10" in told
    assert "What was asked:\n" in told


@pytest.mark.parametrize("first", [ALIKE, UNLIKE], ids=["end", "on"])
def test_rows_of_a_table_say_what_was_not_needed(
    provider: Provider, tmp_path: Path, first: tuple[str, str]
) -> None:
    recipe = stages(tmp_path, provider, first)
    with Terminal("ask", "--recipe", recipe, "--thread", "t", "?") as shown:
        assert shown.end() == 0
    ending = shown.text[shown.text.rindex(" 1.01 ") :].splitlines()
    if first == ALIKE:
        assert ending[2].endswith(" settled: 2 of 2 answers agree")
        assert all(line.endswith(" not needed") for line in ending[3:8])
    else:
        assert ending[2].endswith(" goes on: no two of 2 answers agree")
        assert "not needed" not in shown.text


def test_the_result_tells_only_of_layers_that_ran(provider: Provider, tmp_path: Path) -> None:
    ran = moa("ask", "--json", "--recipe", stages(tmp_path, provider, ALIKE), "?")
    came = json.loads(ran.out)
    assert [layer["layer"] for layer in came["layers"]] == [1]
    assert [step["node"] for step in came["steps"]] == ["L1_gate", "L1_join"]
    assert (came["status"], came["answer"], came["usage"]["calls"]) == ("done", "four", 2)


def test_an_answer_that_a_gate_picked_is_streamed_once(provider: Provider, tmp_path: Path) -> None:
    model = ChatMoA(recipe=stages(tmp_path, provider, ALIKE))
    assert "".join(chunk.text for chunk in model.stream("?")) == "four"
    whole = model.invoke("?")
    assert (whole.text, whole.response_metadata["moa"]["calls"]) == ("four", 2)
    assert whole.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize("first", [ALIKE, UNLIKE], ids=["end", "on"])
def test_a_server_answers_with_what_the_gate_picked(
    provider: Provider, tmp_path: Path, first: tuple[str, str]
) -> None:
    text = Path(stages(tmp_path, provider, first)).read_text()
    provider.reply("agg", "blended")
    folder = data_folder() / "recipes"
    folder.mkdir(parents=True)
    (folder / "mix.toml").write_text(text)
    answer, calls = ("four", 2) if first == ALIKE else ("blended", 8)
    with serving() as served:
        came = served.ask()
        assert (came.choices[0].message.content, len(provider.calls)) == (answer, calls)
        pieces = [c.choices[0].delta.content or "" for c in served.stream() if c.choices]
        assert "".join(pieces) == answer


def test_the_estimate_is_of_going_to_the_end(provider: Provider, tmp_path: Path) -> None:
    recipe = stages(tmp_path, provider, ALIKE)
    ran = moa("ask", "--estimate", "--json", "--recipe", recipe, "?")
    assert (json.loads(ran.out)["calls"], max_calls(load_recipe(recipe))) == (8, 8)
    assert provider.calls == []


def test_a_budget_that_cannot_pay_the_next_stage_leaves_it_out(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = stages(tmp_path, provider, UNLIKE, "budget = { max_calls = 3 }")
    came = ask("?", recipe)
    assert came.status == "done"
    assert sorted(call.model for call in provider.calls) == ["a", "agg", "b"]
    assert heard_by(provider, "agg").count("\n1. four\n2. five") == 1


def test_what_a_caller_chooses_is_for_each_stage_that_may_answer(
    provider: Provider, tmp_path: Path
) -> None:
    model = ChatMoA(recipe=stages(tmp_path, provider, UNLIKE))
    model.invoke("?", response_format={"type": "json_object"})
    asked = {call.model: "response_format" in call.body for call in provider.calls}
    yes = dict.fromkeys(["a", "b", "c", "d", "agg"], True)
    assert asked == {**yes, "e": False, "judge": False}
    with pytest.raises(UsageError, match="no step of it can call tools"):
        model.bind_tools([{"name": "f", "description": "", "parameters": {}}]).invoke("?")


def test_two_ways_of_a_thread_are_told_apart(provider: Provider, tmp_path: Path) -> None:
    recipe = stages(tmp_path, provider, ALIKE)
    moa("ask", "--recipe", recipe, "--thread", "t", "?")
    moa("replay", "t", "--edit", "1.2=five")
    told = moa("show", "t", "--diff", "1", "2").out.splitlines()
    assert "L1_gate, only in -" in told
    assert "difference: +6 calls" in "\n".join(told)
