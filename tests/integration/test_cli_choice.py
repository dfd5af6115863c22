import os

import pytest

from moagraph.graphs.recipe.load import load_recipe
from tests.provider import Provider
from tests.terminal import moa

PULLED = ["llama3.2:3b", "gemma3:4b", "phi4-mini:latest"]


@pytest.mark.parametrize(
    ("recipe", "silent"), [("together", ()), ("openai", ("TOGETHER_API_KEY",))]
)
def test_a_key_chooses_the_recipe_that_uses_it(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, recipe: str, silent: tuple[str, ...]
) -> None:
    for name in silent:
        monkeypatch.delenv(name)
    done = moa("ask", "hi")
    assert done.code == 0, done.err
    assert done.lines[0] == f"moa: recipe `{recipe}`: {recipe.upper()}_API_KEY is set"
    models = {f"{recipe}:{call.model}" for call in provider.calls}
    assert models == set(load_recipe(recipe).models)
    assert {call.headers["authorization"] for call in provider.calls} == {f"Bearer {recipe}-key"}
    *_, answer = provider.calls
    assert done.out == f"{answer.model} says: this is answer number {answer.number}.\n"


def test_ollama_is_chosen_where_it_has_the_models(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TOGETHER_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{provider.port}")
    none = "no TOGETHER_API_KEY or OPENAI_API_KEY is set"
    provider.ollama_models = PULLED[:1]
    lacking = moa("doctor")
    assert f"recipe `local`: {none}; Ollama answers, but has no gemma3:4b, phi4-mini" in lacking.out
    provider.ollama_models = PULLED
    done = moa("ask", "hi")
    assert done.lines[0] == f"moa: recipe `ollama`: {none}, and Ollama answers"
    assert (done.code, done.out) == (0, "gemma3:4b says: this is answer number 2.\n")


def test_nothing_at_all_chooses_the_embedded_model() -> None:
    assert not [name for name in os.environ if name.endswith("_API_KEY")]
    chosen = moa("graph", OLLAMA_HOST="127.0.0.1:9")
    assert (chosen.code, "L1_03_smollm2-135m" in chosen.out) == (0, True)
    why = moa("doctor", OLLAMA_HOST="127.0.0.1:9").out.splitlines()[0]
    assert why.endswith("is set, and no Ollama answers")
    assert why.startswith("recipe `local`: ")
