import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from moagraph.graphs.compile.build import build
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import load_recipe, recipe_from_state, recipe_names
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.storage.data_dir import data_folder
from tests.mixtures import mixture, turn

SHIPPED = [
    "local", "moa", "moa-gpt-4o", "moa-lite", "ollama", "openai", "single-proposer", "together",
]  # fmt: skip


def test_the_promised_recipes_ship() -> None:
    assert set(SHIPPED) <= set(recipe_names())


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_can_be_built_and_says_what_it_is(name: str) -> None:
    recipe = load_recipe(name)
    assert (recipe.name, bool(recipe.about)) == (name, True)
    assert len(build(recipe).nodes) == max_calls(recipe) + 1 + len(recipe.layers)


@pytest.mark.parametrize(
    ("name", "seats", "aggregator"),
    [
        ("moa", [6, 6], "together:Qwen/Qwen1.5-110B-Chat"),
        ("moa-lite", [6], "together:Qwen/Qwen1.5-72B-Chat"),
        ("moa-gpt-4o", [6, 6], "openai:gpt-4o-2024-05-13"),
        ("single-proposer", [6], "together:Qwen/Qwen1.5-110B-Chat"),
    ],
)
def test_a_reproduction_has_the_papers_settings(
    name: str, seats: list[int], aggregator: str
) -> None:
    recipe = load_recipe(name)
    assert recipe.about.startswith("Reproduction")
    assert [len(layer.proposers) for layer in recipe.layers] == seats
    assert recipe.resolved()["layers"][-1]["aggregate"][-1]["model"] == aggregator
    assert {seat.temperature for layer in recipe.layers for seat in layer.proposers} == {0.7}
    assert {seat.max_tokens for layer in recipe.layers for seat in layer.proposers} == {2048}


def test_a_count_of_six_is_six_seats() -> None:
    recipe = mixture([{"model": "openai:a", "count": 6}])
    seats = recipe.layers[0].proposers
    assert [seat.model for seat in seats] == ["openai:a"] * 6
    assert {seat.count for seat in seats} == {1}
    assert len([name for name in build(recipe).nodes if name.endswith("_a")]) == 6


def test_defaults_fill_only_what_is_left_open() -> None:
    recipe = mixture(
        ["openai:a", {"model": "openai:b", "temperature": 0.0, "timeout": 5}],
        defaults={"temperature": 0.7, "timeout": 60, "attempts": 1, "max_tokens": 9},
    )
    a, b = recipe.layers[0].proposers
    assert (a.temperature, a.timeout, a.attempts, a.max_tokens) == (0.7, 60, 1, 9)
    assert (b.temperature, b.timeout, b.attempts, b.max_tokens) == (0.0, 5, 1, 9)
    step = recipe.resolved()["layers"][0]["aggregate"][0]
    assert (step["temperature"], step["timeout"]) == (0.7, 60)


def test_a_layer_hands_on_its_answers_as_they_are_unless_it_says_more() -> None:
    recipe = mixture(["openai:a"], ["openai:b"])
    assert [step.step for layer in recipe.layers for step in layer.aggregate] == [
        "concat",
        "synthesize",
    ]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_resolved_recipe_read_again_is_the_same(name: str) -> None:
    recipe = load_recipe(name)
    resolved = recipe.resolved()
    assert json.loads(json.dumps(resolved)) == resolved
    again = Recipe.model_validate(resolved)
    assert (again, again.resolved()) == (recipe, resolved)


def test_what_a_state_keeps_is_the_recipe_that_ran(tmp_path: Path) -> None:
    prompt = tmp_path / "mine.md"
    prompt.write_text("Mine:")
    told = {"model": "scripted:yes", "prompt": str(prompt)}
    kept = turn(mixture(["scripted:a"], aggregator=told), ("user", "hi"))["recipe"]
    prompt.unlink()
    recipe = recipe_from_state(kept)
    of_the_turn = {key: kept[key] for key in ("prompts", "salt")}
    assert recipe.resolved() | of_the_turn == kept
    assert kept["prompts"][str(prompt)] == "Mine:"
    with pytest.raises(ValidationError, match="No such file"):
        Recipe.model_validate(recipe.resolved())


def test_a_recipe_of_ones_own_lies_in_the_data_folder(tmp_path: Path) -> None:
    folder = data_folder() / "recipes"
    folder.mkdir(exist_ok=True)
    (folder / "mine.toml").write_text(
        '[[layers]]\nproposers = ["scripted:a"]\n'
        'aggregate = { step = "synthesize", model = "scripted:b" }\n'
    )
    assert "mine" in recipe_names()
    assert load_recipe("mine").name == "mine"
    assert load_recipe(folder / "mine.toml") == load_recipe("mine")


def test_the_models_are_named_once_in_the_order_of_the_layers() -> None:
    recipe = mixture(["openai:a", "together:b", "openai:a"], ["openai:c"])
    assert recipe.models == ["openai:a", "together:b", "openai:c", "openai:agg"]
    assert max_calls(recipe) == 5


@pytest.mark.parametrize(
    "said", [{"temperature": 3}, {"top_p": 0}, {"attempts": 11}, {"seed": "x"}]
)
def test_an_impossible_setting_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        mixture([{"model": "openai:a", **said}])


def test_how_answers_are_shown_is_the_seats_before_the_layers_before_the_defaults() -> None:
    seats = ["openai:a", {"model": "openai:b", "fence": False}]
    said = {"name": "r", "defaults": {"fence": True, "shuffle": True}}
    step = {"step": "synthesize", "model": "openai:agg", "anonymise": True}
    layers = [{"proposers": seats}, {"proposers": seats, "shuffle": False, "aggregate": step}]
    first, last = Recipe.model_validate({**said, "layers": layers}).layers
    assert [(seat.fence, seat.shuffle) for seat in first.proposers] == [(True, True), (False, True)]
    assert [(seat.fence, seat.shuffle) for seat in last.proposers] == [
        (True, False), (False, False),
    ]  # fmt: skip
    shown = last.aggregate[-1].model_dump(include={"fence", "shuffle", "anonymise"})
    assert shown == {"fence": True, "shuffle": True, "anonymise": True}


def test_a_recipe_that_says_nothing_of_fences_keeps_nothing_of_them() -> None:
    kept = mixture(["openai:a"]).resolved()
    assert not {"fence", "shuffle", "anonymise", "context_window"} & set(
        json.dumps(kept).replace('"', " ").split()
    )


def test_a_seats_window_is_its_own_and_the_defaults_is_for_its_substitutes_too() -> None:
    told = {"model": "openai:a", "context_window": 9000, "fallbacks": ["openai:b"]}
    [seat] = mixture([told]).layers[0].proposers
    assert [call.context_window for call in (seat, *seat.substitutes)] == [9000, None]
    [seat] = mixture([told], defaults={"context_window": 500}).layers[0].proposers
    assert [call.context_window for call in (seat, *seat.substitutes)] == [9000, 500]


@pytest.mark.parametrize(
    "said", [{"context_window": 0}, {"context_window": -5}, {"context_window": 1.5}, {"fence": 7}]
)
def test_a_window_that_is_none_and_a_fence_that_is_no_truth_are_refused(said: Any) -> None:
    with pytest.raises(ValidationError):
        mixture([{"model": "openai:a", **said}])
