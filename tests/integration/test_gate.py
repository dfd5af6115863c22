import json
from pathlib import Path
from typing import Any

import pytest

from moagraph import RecipeError, ask
from moagraph.graphs.compile.build import build
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import load_recipe
from moagraph.threads.result import Result
from tests.provider import Provider
from tests.runs import heard_by
from tests.terminal import saved

RECIPE = """
[defaults]
base_url = "{url}"
[[layers]]
proposers = ["vllm:a", "vllm:b", "vllm:c"]
aggregate = {gate}
[[layers]]
proposers = ["vllm:big"]
{fresh}
aggregate = {{ step = "rank", model = "vllm:ranker" }}
"""
AGREE = '{ step = "gate" }'


def cascade(folder: Path, provider: Provider, gate: str = AGREE, **said: str) -> str:
    """Three cheap seats, a gate, and one large seat whose answer is the only one."""
    told = {"a": "It is four.", "b": "it is FOUR", "c": "No idea!", "big": "4, surely"} | said
    for model, text in told.items():
        provider.reply(model, text)
    fresh = "fresh = true"
    return saved(folder, RECIPE.format(url=provider.base_url, gate=gate, fresh=fresh))


def gate_of(came: Result) -> dict[str, Any]:
    return next(step for step in came.steps if step["node"] == "L1_gate")


def test_a_layer_that_agrees_ends_the_turn(provider: Provider, tmp_path: Path) -> None:
    came = ask("two and two?", cascade(tmp_path, provider))
    assert (came.status, came.answer) == ("done", "It is four.")
    assert sorted(call.model for call in provider.calls) == ["a", "b", "c"]
    told = {"settled": True, "score": 2 / 3, "why": "2 of 3 answers agree", "agree": ["01", "02"]}
    assert gate_of(came) == {"node": "L1_gate", **told, "seat": "01", "text": "It is four."}
    assert (came.usage["calls"], [layer["layer"] for layer in came.layers]) == (3, [1])


def test_a_layer_that_does_not_agree_leaves_all_as_it_was(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = cascade(tmp_path, provider, b="five")
    Path(recipe).write_text(Path(recipe).read_text().replace("fresh = true", ""))
    came = ask("two and two?", recipe)
    assert (came.status, came.answer) == ("done", "4, surely")
    told = {"settled": False, "score": 0.0, "why": "no two of 3 answers agree", "agree": []}
    assert gate_of(came) == {"node": "L1_gate", **told}
    assert "1. It is four.\n2. five\n3. No idea!" in heard_by(provider, "big")
    assert came.usage["calls"] == len(provider.calls) == 4  # one candidate is not ranked


def test_a_fresh_stage_behind_a_gate_hears_only_the_question(
    provider: Provider, tmp_path: Path
) -> None:
    ask("two and two?", cascade(tmp_path, provider, b="five"))
    assert heard_by(provider, "big") == "two and two?"


def test_a_seat_that_failed_does_not_agree(provider: Provider, tmp_path: Path) -> None:
    came = ask("two and two?", cascade(tmp_path, provider, b="", c=""))
    assert (came.answer, gate_of(came)["why"]) == ("4, surely", "no two of 3 answers agree")


LIKE = {
    "numeric": (["About 1,200 of them", "1200.0", "12"], "2 of 3 answers agree"),
    "choice": (["(B) is right", "The answer is B.", "A dog, I think"], "2 of 3 answers agree"),
    "similar": (
        ["The cat sat on the mat.", "A cat sat on the mat", "Blue whales sing."],
        "2 of 3 answers agree",
    ),
}


@pytest.mark.parametrize("like", LIKE)
def test_what_agreeing_means_is_told(provider: Provider, tmp_path: Path, like: str) -> None:
    texts, why = LIKE[like]
    gate = f'{{ step = "gate", like = "{like}" }}'
    came = ask("?", cascade(tmp_path, provider, gate, **dict(zip("abc", texts, strict=True))))
    assert (gate_of(came)["why"], gate_of(came)["agree"]) == (why, ["01", "02"])


JUDGE = '{ step = "gate", by = "judge", judges = "vllm:judge", at_least = 7 }'


def test_a_judge_scores_each_answer_and_the_best_must_be_good_enough(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = cascade(tmp_path, provider, JUDGE)
    scores = {"It is four.": "Fine.\nScore: 6", "it is FOUR": "9/10", "No idea!": "no"}
    provider.reply(
        "judge",
        lambda call: next(s for text, s in scores.items() if text in call.messages[0]["content"]),
    )
    came = ask("two and two?", recipe)
    assert came.answer == "it is FOUR"
    step = gate_of(came)
    assert (step["scores"], step["why"]) == ({"01": 6, "02": 9, "03": 1}, "9 of 10")
    assert came.usage["calls"] == len(provider.calls) == 6
    assert max_calls(load_recipe(recipe)) == 8  # with the later stage and its ranker
    [told] = provider.calls[-1].messages
    assert "What was asked:\ntwo and two?\n" in told["content"]


def test_a_verdict_that_cannot_be_read_is_asked_for_once_more_counted_and_goes_on(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = cascade(tmp_path, provider, JUDGE)
    provider.reply("judge", "Splendid!")
    came = ask("two and two?", recipe)
    step = gate_of(came)
    assert (came.answer, step["settled"], step["score"]) == ("4, surely", False, None)
    assert step["why"] == "no verdict; 3 of 3 verdicts could not be read"
    assert (step["unparsed"], came.usage["calls"]) == (3, 3 + 6 + 1)
    assert came.usage["calls"] == len(provider.calls)


def test_a_judge_that_fails_lets_the_run_go_on(provider: Provider, tmp_path: Path) -> None:
    recipe = cascade(tmp_path, provider, JUDGE)
    provider.reply("judge", "")
    came = ask("two and two?", recipe)
    assert (came.status, came.answer, gate_of(came)["unparsed"]) == ("done", "4, surely", 3)


def verified(folder: Path, provider: Provider, check: str, **said: str) -> Result:
    gate = f'{{ step = "gate", by = "verify", checks = [{{ {check} }}] }}'
    return ask("?", cascade(folder, provider, gate, **said))


def test_a_check_settles_with_the_first_answer_that_passes(
    provider: Provider, tmp_path: Path
) -> None:
    came = verified(tmp_path, provider, "by = 'regex', pattern = 'FOUR$'")
    assert (came.answer, gate_of(came)["score"]) == ("it is FOUR", 1 / 3)
    assert sorted(gate_of(came)["failed"]) == ["01", "03"]
    assert gate_of(came)["why"].startswith("1 of 3 hold; 01: regex: ")


def test_an_answer_must_pass_all_checks(provider: Provider, tmp_path: Path) -> None:
    two = "by = 'regex', pattern = 'four' }, { by = 'regex', pattern = 'five'"
    came = verified(tmp_path, provider, two, b="four or five")
    assert came.answer == "four or five"


CHECKS = """
import subprocess, sys, time

def four(answer, question):
    print("not a verdict")
    return "FOUR" in answer
def raises(answer, question): return 1 / 0
def hangs(answer, question):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    time.sleep(600)
def leaves(answer, question): import os; os._exit(3)
"""
FUNCTIONS = {
    "four": ("it is FOUR", "python: "),
    "raises": ("4, surely", "python: "),
    "hangs": ("4, surely", "python: it did not end within 1 s"),
    "leaves": ("4, surely", "python: it ended before its verdict (exit code 3)"),
    "missing": ("4, surely", "python: "),
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_check_that_hangs_or_raises_does_not_pass_and_the_run_goes_on(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "checks_of_mine.py").write_text(CHECKS)
    seconds = 1 if function == "hangs" else 60
    came = verified(
        tmp_path,
        provider,
        f'by = "python", function = "checks_of_mine:{function}", timeout = {seconds}',
    )
    answer, why = FUNCTIONS[function]
    assert (came.status, came.answer) == ("done", answer)
    assert gate_of(came)["failed"]["01"].startswith(why)


TWO = '["a:b", "a:c"]'
LAST = '{ step = "rank", model = "a:b" }'


def likely(*logprobs: float) -> dict[str, Any]:
    words = [f"word{n}" for n in range(len(logprobs))]
    return {
        "content": " ".join(words),
        "logprobs": [{w: p} for w, p in zip(words, logprobs, strict=True)],
    }


def test_an_answer_that_its_model_was_sure_of_ends_the_turn(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = cascade(tmp_path, provider, '{ step = "gate", by = "logprob" }')
    for model, sure in (("a", -0.6), ("b", -0.3), ("c", -2.0)):
        provider.reply(model, likely(sure, -0.5))
    came = ask("?", recipe)
    assert came.answer == "word0 word1"
    assert (gate_of(came)["score"], gate_of(came)["why"]) == (-0.4, "-0.4 a token, on average")
    assert all(call.body["logprobs"] is True for call in provider.calls)
    assert came.layers[0]["proposals"][1]["logprob"] == -0.4


def test_only_seats_before_such_a_gate_are_asked_for_log_probabilities(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = cascade(tmp_path, provider, '{ step = "gate", by = "logprob" }')
    for model in "abc":
        provider.reply(model, likely(-2.0))
    came = ask("?", recipe)
    assert (came.answer, gate_of(came)["settled"]) == ("4, surely", False)
    assert ["logprobs" in call.body for call in provider.calls] == [True, True, True, False]


REFUSED = {
    "scripted": (
        '["scripted:b", "a:c"]',
        '{ step = "gate", by = "logprob" }',
        LAST,
        '3: `by = "logprob"` needs log-probabilities, and `scripted:b` gives none',
    ),
    "another provider": (
        '["openai:b", "anthropic:c"]',
        '{ step = "gate", by = "logprob" }',
        LAST,
        "`anthropic:c` gives none",
    ),
    "a substitute": (
        '[{ model = "openai:b", fallbacks = ["moa:local"] }]',
        '{ step = "gate", by = "logprob" }',
        LAST,
        "`moa:local` gives none",
    ),
    "last": (
        TWO,
        '"rank"',
        '"gate"',
        "6: a `gate` saves the layers behind it, and this is the last",
    ),
    "alone": ('["a:b"]', '"gate"', LAST, '3: `by = "agree"` needs two seats or more'),
    "judges": (TWO, '{ step = "gate", by = "judge" }', LAST, '3: `by = "judge"` and `judges = '),
    "no judge": (TWO, '{ step = "gate", judges = "a:b" }', LAST, "go together"),
    "no rule": (TWO, '{ step = "gate", by = "verify" }', LAST, "3: `by = "),
    "share": (
        TWO,
        '{ step = "gate", at_least = 7 }',
        LAST,
        "3: `at_least` 7: by 'agree' it goes from 0 up to 1",
    ),
    "pattern": (
        TWO,
        '{ step = "gate", by = "verify", checks = [{ by = "regex", pattern = "(" }] }',
        LAST,
        "3: `pattern` '(' is no regular expression: missing )",
    ),
    "prompt": (
        TWO,
        '{ step = "gate", by = "judge", judges = "a:b", prompt = "say $what" }',
        LAST,
        "needs `$what`",
    ),
    "key": (TWO, '{ step = "gate", judge = "a:b" }', LAST, "3: `judge`: did you mean `judges`?"),
    "judge's key": (
        TWO,
        '{ step = "gate", by = "judge", judges = { model = "a:b", temprature = 1 } }',
        LAST,
        "3: `temprature`: did you mean `temperature`?",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_gate_that_cannot_be_is_refused_with_its_line(case: str, tmp_path: Path) -> None:
    seats, first, last, message = REFUSED[case]
    first = first.replace('"rank"', LAST)
    layers = [f"[[layers]]\nproposers = {seats}\naggregate = {step}\n" for step in (first, last)]
    with pytest.raises(RecipeError) as refused:
        load_recipe(saved(tmp_path, "".join(layers)))
    assert message in str(refused.value)


def test_the_way_past_the_rest_is_drawn(provider: Provider, tmp_path: Path) -> None:
    drawn = build(load_recipe(cascade(tmp_path, provider))).compile().get_graph()
    ways = {(edge.source, edge.target): edge.data for edge in drawn.edges if edge.conditional}
    assert ways == {("L1_gate", "__end__"): "settled", ("L1_gate", "L2_01_big"): None}


def test_a_recipe_with_a_gate_is_read_again_from_its_state(
    provider: Provider, tmp_path: Path
) -> None:
    schema = '{ by = "json", schema = { type = "object" } }'
    gate = f'{{ step = "gate", by = "verify", checks = [{schema}] }}'
    recipe = load_recipe(cascade(tmp_path, provider, gate))
    again = type(recipe).model_validate(json.loads(json.dumps(recipe.resolved())))
    assert again.resolved() == recipe.resolved()


def test_an_early_answer_is_still_checked_behind_the_layers(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = cascade(tmp_path, provider)
    after = "[[after]]\nstep = 'verify'\nmodel = 'vllm:writer'\nrounds = 1\n"
    after += "checks = [{ by = 'regex', pattern = 'indeed' }]\n"
    Path(recipe).write_text(Path(recipe).read_text() + after)
    provider.reply("writer", "It is four, indeed.")
    came = ask("two and two?", recipe)
    assert (came.status, came.answer) == ("done", "It is four, indeed.")
    assert [call.model for call in provider.calls][3:] == ["writer"]
    assert "It is four." in heard_by(provider, "writer")
    drawn = build(load_recipe(recipe)).compile().get_graph()
    assert ("L1_gate", "L2_verify") in {(e.source, e.target) for e in drawn.edges}


@pytest.mark.weights
def test_the_local_engine_tells_how_likely_its_words_were(gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "models").symlink_to(gguf.parent)
    seat = '{ model = "local:smollm2-135m", max_tokens = 6, temperature = 0.0 }'
    layers = [
        f"[[layers]]\nproposers = [{seat}]\naggregate = {step}\n"
        for step in ('{ step = "gate", by = "logprob", at_least = -9 }', '"vote"')
    ]
    came = ask("Say hello.", saved(tmp_path, "".join(layers)))
    assert (came.status, came.usage["calls"]) == ("done", 1)
    assert -9 < came.layers[0]["proposals"][0]["logprob"] < 0
