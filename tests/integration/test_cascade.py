import json
from pathlib import Path

import pytest

from moagraph import ask, open_threads
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import load_recipe
from moagraph.threads.gate_savings import runs
from tests.provider import Provider
from tests.runs import calls_of, recipe_file
from tests.terminal import moa

INNER = """
[defaults]
base_url = "{url}"
[[layers]]
proposers = ["vllm:x", "vllm:y"]
aggregate = {{ step = "synthesize", model = "vllm:z" }}
"""
CASCADE = """
name = "steps"
[defaults]
base_url = "{url}"
price = {{ input = 1, output = 1 }}
[[layers]]
proposers = [{{ model = "vllm:cheap", count = 3 }}]
aggregate = {{ step = "gate" }}
[[layers]]
proposers = ["vllm:middle"]
fresh = true
aggregate = {{ step = "gate", by = "judge", judges = "vllm:judge" }}
[[layers]]
proposers = ["moa:{inner}"]
fresh = true
aggregate = {{ step = "rank", model = "vllm:judge" }}
"""
CHEAP = ["cheap"] * 3


@pytest.fixture
def cascade(provider: Provider, tmp_path: Path) -> str:
    inner = recipe_file(tmp_path, provider.base_url, INNER)
    text = CASCADE.format(inner=inner, url=provider.base_url)
    (tmp_path / "steps.toml").write_text(text)
    return str(tmp_path / "steps.toml")


def test_each_stage_is_asked_only_where_the_one_before_was_not_good_enough(
    provider: Provider, cascade: str
) -> None:
    provider.reply("z", "the whole recipe's answer")
    provider.reply("cheap", "four")
    assert calls_of(provider, lambda: ask("?", cascade)) == CHEAP
    provider.reply("cheap", "four", "five", "six", "seven", "eight", "nine")
    provider.reply("judge", "Score: 9", "Score: 2")
    assert calls_of(provider, lambda: ask("?", cascade)) == [*CHEAP, "judge", "middle"]
    came = ask("?", cascade)
    assert came.answer == "the whole recipe's answer"
    assert came.usage["calls"] == 3 + 2 + 3  # the inner recipe's, once each; one is not ranked
    assert [call.model for call in provider.calls[-3:]].count("z") == 1


def test_what_the_gates_have_saved_is_told_over_the_kept_turns(
    provider: Provider, cascade: str, tmp_path: Path
) -> None:
    provider.reply("judge", "Score: 2")
    with open_threads() as threads:
        provider.reply("cheap", "four")
        for thread in "ttu":
            ask("?", cascade, thread=thread, threads=threads)
        provider.reply("cheap", "four", "five", "six")
        came = ask("?", cascade, thread="v", threads=threads)
        ask("?", str(tmp_path / "two.toml"), thread="other", threads=threads)
    assert came.usage["calls"] == 8
    told = moa("recipes", "show", cascade, "--runs").out
    assert told.splitlines() == [
        "steps: 4 kept turns",
        "  layer 1: 4 came to it, 3 ended there, 3.0 calls each",
        "  layer 2: 1 came to it, 0 ended there, 2.0 calls each",
        "  layer 3: 1 came to it, 1 ended there, 3.0 calls each",
        "  escalated beyond layer 1: 25%",
        "  took 17 calls, price unknown",
        "  through all layers every time: 32 calls, price unknown",
        "  the last layer alone every time: 12 calls, price unknown",
    ]
    found = json.loads(moa("recipes", "show", cascade, "--runs", "--json").out)
    assert (found["turns"], found["escalated"], found["every"]["calls"]) == (4, 0.25, 32)


def test_a_stage_that_was_never_reached_has_no_price(provider: Provider, cascade: str) -> None:
    assert runs("steps", []).every is None
    assert moa("recipes", "show", cascade, "--runs").out == "steps: 0 kept turns\n"
    provider.reply("cheap", "four")
    moa("ask", "--recipe", cascade, "?")
    told = moa("recipes", "show", cascade, "--runs").out
    assert "  took 3 calls, $0.0000" in told
    assert "  through all layers every time: unknown: no turn has come to the last layer" in told


def test_the_cascade_that_ships_is_bounded() -> None:
    recipe = load_recipe("cascade")
    assert [len(layer.proposers) for layer in recipe.layers] == [3, 1, 1]
    assert max_calls(recipe) == 3 + 2 + 4
