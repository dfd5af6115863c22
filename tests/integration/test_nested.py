"""The recipes that ship with recipes in their seats: each call is made and billed once."""

import json
from pathlib import Path

import pytest

from moagraph import ask
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import SHIPPED, load_recipe
from tests.provider import Provider
from tests.terminal import moa

HIGH = "Score: 10\n1 > 2 > 3 > 4"
SMALL = "local:smollm2-135m"


@pytest.fixture
def folder(provider: Provider, tmp_path: Path) -> Path:
    """The recipes as they ship, with one model of the provider for the one inside the process."""
    for name in ("cascade", "local", "nested", "ranker", "route"):
        text = (SHIPPED / f"{name}.toml").read_text().replace(SMALL, "vllm:small")
        for inner in ("local", "ranker"):
            text = text.replace(f"moa:{inner}", f"moa:{tmp_path / inner}.toml")
        said = f'[defaults]\nbase_url = "{provider.base_url}"'
        (tmp_path / f"{name}.toml").write_text(text.replace("[defaults]", said))
    return tmp_path


def test_recipes_in_seats_are_asked_and_billed_once(provider: Provider, folder: Path) -> None:
    recipe = str(folder / "nested.toml")
    provider.reply("small", HIGH)
    came = ask("What is four?", recipe)
    assert came.status == "done"
    assert came.usage["calls"] == len(provider.calls) == max_calls(load_recipe(recipe)) == 4 + 1 + 1
    seats = [p["attempts"] for p in came.layers[0]["proposals"]]
    assert seats == [4, 1]
    sent = sum(len(str(m["content"]).split()) for c in provider.calls for m in c.messages)
    assert came.usage["input_tokens"] == sent


CASCADE = {
    "all alike": (["the very same answer"], 3),
    "a good second": (["one", "other words", "of a kind", "second", "Score: 10"], 5),
    "to the end": (["one", "other words", "of a kind", "second", "Score: 2", "third"], 5 + 4),
}


@pytest.mark.parametrize("case", CASCADE)
def test_the_cascade_that_ships_asks_no_more_than_it_needs(
    provider: Provider, folder: Path, case: str
) -> None:
    answers, calls = CASCADE[case]
    provider.reply("small", *answers)
    came = ask("What is four?", str(folder / "cascade.toml"))
    assert (came.status, came.usage["calls"]) == ("done", calls)
    assert len(provider.calls) == calls


ROUTES = {
    "What is four?": 1,
    "What is the name of the river that runs through Rome?": 5,
    "Tell me a long story about the river that runs through Rome": 4,
    "```\nx\n```": 4,
}


@pytest.mark.parametrize("question", ROUTES)
def test_the_route_that_ships_asks_as_little_as_the_question_needs(
    provider: Provider, folder: Path, question: str
) -> None:
    provider.reply("small", HIGH)
    came = ask(question, str(folder / "route.toml"))
    assert (came.status, came.usage["calls"]) == ("done", ROUTES[question])
    assert len(provider.calls) == ROUTES[question]


def test_an_estimate_looks_into_the_recipes_inside(provider: Provider, folder: Path) -> None:
    recipe = str(folder / "nested.toml")
    came = json.loads(moa("ask", "--estimate", "--json", "--recipe", recipe, "Hi").out)
    assert (came["calls"], came["unpriced"]) == (6, ["vllm:small"])
    priced = "price = { input = 1, output = 1 }\nbase_url"
    for name in ("local", "nested", "ranker"):
        file = folder / f"{name}.toml"
        file.write_text(file.read_text().replace("base_url", priced))
    came = json.loads(moa("ask", "--estimate", "--json", "--recipe", recipe, "Hi").out)
    real = ask("Hi", recipe)
    assert came["cost_usd"] >= (real.cost_usd or 0) > 0
    assert came["tokens"] >= real.usage["input_tokens"] + real.usage["output_tokens"]


def test_a_recipe_is_shown_with_its_gates_and_routes() -> None:
    told = moa("recipes", "show", "cascade").out.splitlines()
    assert "  gate (by agree)" in told
    assert "    asks local:smollm2-135m (temperature 0.0, max_tokens 48)" in told
    told = moa("recipes", "show", "route").out.splitlines()
    assert told[1:3] == ["ahead of the layers", "  route (by rules, otherwise mixture)"]
    assert "  1.03 moa:local (temperature 0.7, max_tokens 192, name mixture)" in told
