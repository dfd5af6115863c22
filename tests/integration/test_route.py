import json
from pathlib import Path
from typing import Any

import pytest

from moagraph import RecipeError, UsageError, ask, open_threads, replay
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import load_recipe
from moagraph.threads.result import Result
from tests.provider import Provider
from tests.runs import calls_of, recipe_file
from tests.terminal import moa, saved

INNER = """
[defaults]
base_url = "{url}"
[[layers]]
proposers = ["vllm:x", "vllm:y"]
aggregate = {{ step = "synthesize", model = "vllm:z" }}
"""
RECIPE = """
{more}
[defaults]
base_url = "{url}"
[[before]]
step = "route"
otherwise = "mixture"
{how}
[[layers]]
proposers = [
  {{ name = "single", model = "vllm:one" }},
  {{ name = "self", model = "vllm:many", count = 2 }},
  {{ name = "mixture", model = "moa:{inner}" }},
]
aggregate = {{ step = "rank", model = "vllm:ranker" }}
"""
RULES = """rules = [
  { to = "mixture", has = "code" },
  { to = "self", matches = "(?i)^prove", longer_than = 2 },
  { to = "single", shorter_than = 5 },
]"""
NEAREST = """by = "nearest"
examples = [
  { text = "What is the capital of France?", to = "single" },
  { text = "Write a poem about the sea", to = "self" },
]"""
MODEL = """by = "model"
model = "vllm:router"
choices = { single = "short facts", mixture = "all else" }"""
MIXTURE = ["x", "y", "z"]


def routed(folder: Path, provider: Provider, how: str, more: str = "") -> str:
    inner = recipe_file(folder, provider.base_url, INNER)
    provider.reply("ranker", "1 > 2")
    told = RECIPE.format(url=provider.base_url, inner=inner, how=how, more=more)
    return saved(folder, told)


def route_of(came: Result) -> dict[str, Any]:
    return next(step for step in came.steps if step["node"] == "L0_route")


CHOSEN = {
    "short": (RULES, "Who are you?", ["one"], "rule 3: shorter_than 5"),
    "code": (RULES, "Why?\n```\nx = 1\n```", MIXTURE, "rule 1: has 'code'"),
    "both": (RULES, "Prove it at once", ["many", "many"], "rule 2: longer_than 2, matches '(?i"),
    "not both": (RULES, "Prove it", ["one"], "rule 3: "),
    "no rule": (RULES, "Tell me everything that you know", MIXTURE, "no rule holds"),
    "near": (NEAREST, "what is the capital of Spain", ["one"], "like 'What is the capital of Fr"),
    "near too": (NEAREST, "A poem about lakes", ["many", "many"], "like 'Write a poem"),
    "not near": (NEAREST, "Zzyzx", MIXTURE, "no example is near (the nearest: 0.00)"),
}


@pytest.mark.parametrize("case", CHOSEN)
def test_only_the_chosen_seat_is_asked(provider: Provider, tmp_path: Path, case: str) -> None:
    how, question, asked, why = CHOSEN[case]
    recipe = routed(tmp_path, provider, how)
    came = ask(question, recipe)
    assert came.status == "done"
    models = sorted(call.model for call in provider.calls if call.model != "ranker")
    assert models == asked
    assert route_of(came)["why"].startswith(why)
    assert came.usage["calls"] == len(provider.calls) <= max_calls(load_recipe(recipe))
    skipped = [p for p in came.layers[0]["proposals"] if p["kind"] == "skipped"]
    assert all(p["attempts"] == 0 and not p["ok"] for p in skipped)
    assert all("not chosen by `L0_route`, which took `" in str(p["error"]) for p in skipped)


def test_a_model_chooses_among_the_names(provider: Provider, tmp_path: Path) -> None:
    recipe = routed(tmp_path, provider, MODEL)
    provider.reply("router", "The mixture is too much.\nSingle.")
    came = ask("two and two?", recipe)
    assert [call.model for call in provider.calls] == ["router", "one"]
    [told] = provider.calls[0].messages
    assert "- single: short facts\n- self\n- mixture: all else\n" in told["content"]
    assert "What was asked:\ntwo and two?\n" in told["content"]
    assert (route_of(came)["chosen"], route_of(came)["unparsed"]) == ("single", 0)
    assert came.usage["calls"] == 2
    assert max_calls(load_recipe(recipe)) == 1 + 3 + 1  # the dearest of the three, and a ranker


UNREADABLE = {
    "no name": ("I cannot decide.", 2, "has not chosen: no seat is named in 'I cannot decide.'"),
    "two names": ("single or self", 2, "has not chosen: no seat is named in 'single or self'"),
    "nothing": ("", 1, "has not chosen: the answer is empty"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_choice_that_cannot_be_read_falls_to_the_other_seat_and_says_so(
    provider: Provider, tmp_path: Path, case: str
) -> None:
    said, times, why = UNREADABLE[case]
    recipe = routed(tmp_path, provider, MODEL)
    provider.reply("router", said)
    came = ask("two and two?", recipe)
    assert [call.model for call in provider.calls].count("router") == times
    assert (came.status, route_of(came)["chosen"], route_of(came)["unparsed"]) == (
        "done",
        "mixture",
        1,
    )
    assert why in route_of(came)["why"]
    assert came.usage["calls"] == len(provider.calls)


def test_explain_says_why(provider: Provider, tmp_path: Path) -> None:
    recipe = routed(tmp_path, provider, RULES)
    ran = moa("ask", "--explain", "--recipe", recipe, "--thread", "t", "Who?")
    assert ran.out == "one says: this is answer number 1.\n"
    assert "moa: L0_route takes single: rule 3: shorter_than 5" in ran.lines
    assert "  route: single: rule 3: shorter_than 5" in ran.lines
    assert sum("not asked: not chosen by `L0_route`" in line for line in ran.lines) == 3
    told = moa("show", "t").out
    assert "ahead of the layers\n  L0_route takes single: rule 3: shorter_than 5\n" in told
    came = json.loads(moa("ask", "--json", "--explain", "--recipe", recipe, "Who?").out)
    assert next(s["chosen"] for s in came["steps"] if s["node"] == "L0_route") == "single"


def test_a_choice_stands_in_a_replay(provider: Provider, tmp_path: Path) -> None:
    recipe = routed(tmp_path, provider, RULES)
    with open_threads() as threads:
        ask("Who?", recipe, thread="t", threads=threads)
        assert calls_of(provider, lambda: replay("t", threads, again=["1.01"])) == ["one"]
        assert calls_of(provider, lambda: replay("t", threads, edit={"1.1": "I"})) == []
        with pytest.raises(UsageError, match=r"1.04 was not chosen by `L0_route`.*nor would it"):
            replay("t", threads, again=["1.04"])
        put = {"before.1.rules": "[{ to = 'self', longer_than = 0 }]"}
        assert calls_of(provider, lambda: replay("t", threads, from_layer=0)) == ["one"]
        with pytest.raises(UsageError, match="what is ahead of the layers is not run again"):
            replay("t", threads, from_layer=0, put=put)


def test_a_budget_counts_only_the_chosen_seats(provider: Provider, tmp_path: Path) -> None:
    recipe = routed(tmp_path, provider, RULES, "budget = { max_calls = 3 }")
    came = ask("Prove it at once", recipe)
    assert [p["kind"] for p in came.layers[0]["proposals"]] == ["skipped", "ok", "ok", "skipped"]


def test_stragglers_are_counted_among_the_chosen_seats(provider: Provider, tmp_path: Path) -> None:
    recipe = routed(tmp_path, provider, RULES)
    text = Path(recipe).read_text().replace("aggregate =", "grace = 5\nquorum = 2\naggregate =")
    Path(recipe).write_text(text)
    came = ask("Prove it at once", recipe)
    assert (came.status, came.usage["calls"]) == ("done", 3)


REFUSED = {
    "a rule's seat": (
        '{ to = "singel", shorter_than = 5 }',
        "`route` names a seat 'singel', and layer 1 has single, self, mixture",
    ),
    "a rule's key": ('{ to = "self", shorter = 5 }', "`shorter`: did you mean `shorter_than`?"),
    "a rule of nothing": ('{ to = "self" }', "a rule says when it holds: `longer_than`"),
    "an expression": ('{ to = "self", matches = "(" }', "`matches` is no regular expression"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_rule_that_cannot_be_is_refused_with_its_line(
    provider: Provider, tmp_path: Path, case: str
) -> None:
    rule, message = REFUSED[case]
    with pytest.raises(RecipeError) as refused:
        load_recipe(routed(tmp_path, provider, f"rules = [{rule}]"))
    assert message in str(refused.value)
    line = 5 if case == "a rule's seat" else 8
    assert f"mix.toml:{line}: " in str(refused.value)


WRONG = {
    "no rules": ("", '`by = "rules"` and `rules` go together'),
    "no model": ('by = "model"', '`by = "model"` and `model` go together'),
    "too much": (f'{RULES}\nmodel = "a:b"', '`by = "model"` and `model` go together'),
    "no examples": ('by = "nearest"', '`by = "nearest"` and `examples` go together'),
    "a choice": (f"{MODEL.replace('single =', 'solo =')}", "`route` names a seat 'solo'"),
    "a prompt": (f'{MODEL}\nprompt = "of $references"', "needs `$references`"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_route_that_cannot_be_is_refused(provider: Provider, tmp_path: Path, case: str) -> None:
    how, message = WRONG[case]
    with pytest.raises(RecipeError) as refused:
        load_recipe(routed(tmp_path, provider, how))
    assert message in str(refused.value)


def test_a_layer_without_names_cannot_be_routed(tmp_path: Path) -> None:
    text = '[[before]]\nstep = "route"\notherwise = "a"\nrules = [{ to = "a", shorter_than = 5 }]\n'
    text += '[[layers]]\nproposers = ["a:b", { model = "a:c", name = "a" }]\n'
    text += 'aggregate = { step = "rank", model = "a:b" }\n'
    with pytest.raises(RecipeError, match="1: a `route` chooses among seats of layer 1 that have"):
        load_recipe(saved(tmp_path, text))


def test_the_route_that_ships_sends_what_is_trivial_to_one_model() -> None:
    recipe = load_recipe("route")
    names = [seat.name for seat in recipe.layers[0].proposers]
    assert names == ["single", "self", "mixture"]
    assert max_calls(recipe) == 5  # samples and their ranker


LEARNED = 'by = "learned"'
EASY = ["who wrote {}?", "what is the capital of {}?", "when was {} born?"]
HARD = ["prove that {} is irrational", "write a long story about {}", "compare {} with others"]
THINGS = ["Rome", "Ada", "two", "Mars", "salt", "Bach", "iron", "Oslo", "pi", "Kant"]


def results(folder: Path, rows: int = 60) -> str:
    """What an evaluation would leave: easy questions need one model, hard ones a mixture."""
    told = []
    for number in range(rows // 3):
        hard = number % 2
        question = (HARD if hard else EASY)[number % 3].format(THINGS[number % len(THINGS)])
        for name, score in (("single", 0.2 if hard else 0.9), ("self", 0.5), ("mixture", 0.9)):
            told.append({"question": f"{question} ({number})", "route": name, "score": score})
    (folder / "results.jsonl").write_text("\n".join(map(json.dumps, told)))
    return str(folder / "results.jsonl")


def test_a_route_is_learned_from_scored_results_and_says_what_it_is_worth(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = routed(tmp_path, provider, LEARNED)
    ran = moa("route", "fit", recipe, "--from", results(tmp_path, 180))
    assert ran.code == 0
    assert "mix: 180 rows (0 from kept cascades), single, self, mixture" in ran.out
    assert "  always mixture   0.900" in ran.out
    assert "no better than chance" not in ran.out
    came = ask("who wrote Hamlet?", recipe)
    assert (route_of(came)["chosen"], came.usage["calls"]) == ("single", 1)
    assert route_of(came)["why"].startswith("expected: single ")
    assert route_of(ask("prove that pi is irrational", recipe))["chosen"] == "mixture"
    again = json.loads(moa("route", "fit", recipe, "--json", "--from", results(tmp_path)).out)
    assert (again["rows"], again["questions"]) == (60, 20)


def test_a_route_that_was_not_fitted_is_refused_before_any_call(
    provider: Provider, tmp_path: Path
) -> None:
    ran = moa("ask", "--recipe", routed(tmp_path, provider, LEARNED), "?")
    assert (ran.code, provider.calls) == (2, [])
    assert ran.lines[-1] == (
        "moa: the route of `mix` is not fitted yet: run `moa route fit mix` first"
    )


UNFIT = {
    "no rows": ([], "there are rows for 0 questions; fitting a route needs 20"),
    "too few": (
        ['{"question": "a", "route": "single", "score": 1}'],
        "rows for 1 questions",
    ),
    "a route": (['{"question": "a", "route": "big", "score": 1}'], ":1: the route 'big' is none"),
    "no score": (['{"question": "a", "route": "self"}'], ":1: a row is {"),
    "no JSON": (["", "what?"], ":2: a row is {"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_cannot_be_fitted_is_refused(provider: Provider, tmp_path: Path, case: str) -> None:
    lines, message = UNFIT[case]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    recipe = routed(tmp_path, provider, LEARNED)
    ran = moa("route", "fit", recipe, "--from", str(tmp_path / "rows.jsonl"))
    assert (ran.code, len(ran.lines)) == (2, 1)
    assert message in ran.lines[0]


def test_only_a_recipe_that_learns_is_fitted(provider: Provider, tmp_path: Path) -> None:
    ran = moa("route", "fit", routed(tmp_path, provider, RULES))
    assert (ran.code, "has no learned route" in ran.lines[0]) == (2, True)
    ran = moa("route", "fit", routed(tmp_path, provider, LEARNED), "--from", "nowhere.jsonl")
    assert (ran.code, ran.lines[0].startswith("moa: cannot read 'nowhere.jsonl': ")) == (2, True)


CASCADE = """
[defaults]
base_url = "{url}"
[[layers]]
proposers = [{{ model = "vllm:cheap", count = 2 }}]
aggregate = {{ step = "gate" }}
[[layers]]
proposers = ["vllm:big"]
fresh = true
aggregate = {{ step = "rank", model = "vllm:big" }}
"""


def test_a_route_is_learned_from_this_installations_own_cascades(
    provider: Provider, tmp_path: Path
) -> None:
    cascade = tmp_path / "cascade.toml"
    cascade.write_text(CASCADE.format(url=provider.base_url))
    provider.reply(
        "cheap",
        lambda call: f"{call.number}" if "prove" in str(call.messages[-1]["content"]) else "same",
    )
    with open_threads() as threads:
        for number, thing in enumerate(THINGS * 2):
            asked = f"prove that {thing} {number}" if number % 2 else f"who is {thing} {number}?"
            ask(asked, str(cascade), thread=f"t{number % 4}", threads=threads)
    recipe = routed(tmp_path, provider, LEARNED)
    text = (
        Path(recipe).read_text().replace('{ name = "self", model = "vllm:many", count = 2 },', "")
    )
    Path(recipe).write_text(text)
    told = json.loads(moa("route", "fit", recipe, "--json").out)
    assert (told["rows"], told["questions"], told["routes"]) == (40, 20, ["single", "mixture"])
    assert (told["dearest"], told["cheapest"]) == (1.0, 0.5)
    assert route_of(ask("who is Bob?", recipe))["chosen"] == "single"
    assert route_of(ask("prove that it holds", recipe))["chosen"] == "mixture"
