"""Every recipe that needs nothing from outside, run with the real small model on this machine."""

from pathlib import Path
from typing import Any

import pytest

from moagraph import ask
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import load_recipe
from moagraph.graphs.recipe.schema import Recipe
from moagraph.graphs.studio_form import SHIPPED

pytestmark = pytest.mark.weights

SHORT = 12  # tokens of an answer
OUTSIDE = ("together:", "openai:", "ollama:")
QUESTIONS = {
    "sql": "How many rows are there?",
}


@pytest.fixture(autouse=True)
def weights_at_hand(gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "models").symlink_to(gguf.parent)


def inside(name: str) -> bool:
    return not any(model.startswith(OUTSIDE) for model in load_recipe(name).models)


def short(said: Any) -> Any:
    """The same recipe with short answers."""
    if isinstance(said, list):
        return [short(one) for one in said]
    if not isinstance(said, dict):
        return said
    told = {key: short(value) for key, value in said.items()}
    return told | {"max_tokens": SHORT} if "model" in told else told


@pytest.mark.parametrize("name", [*filter(inside, SHIPPED)])
def test_it_answers(name: str) -> None:
    recipe = Recipe.model_validate(short(load_recipe(name).resolved()))
    came = ask(QUESTIONS.get(name, "What is two and two?"), recipe)
    assert (came.status, came.error) == ("done", None)
    assert came.answer
    records = [*(p for layer in came.layers for p in layer["proposals"]), *came.steps]
    failed = [record["error"] for record in records if not record.get("ok", True)]
    assert [error for error in failed if "not chosen" not in error] == []
    assert 0 < came.usage["calls"] <= 2 * max_calls(recipe)
