from pathlib import Path
from typing import Any

import pytest

from moagraph.graphs.recipe.load import load_recipe
from moagraph.graphs.recipe.schema import Recipe
from tests.mixtures import mixture, turn
from tests.provider import Provider

JAPANESE = (
    "最新のユーザークエリに対する様々なオープンソースモデルからの応答セットが提供されました。"
    "あなたの役割は、これらの応答を単一の高品質な応答に合成することです。"
    "これらの応答に含まれる情報の中には、バイアスがかかっているものや不正確なものがある可能性があること"
    "を認識し、批判的に評価することが重要です。"
    "あなたの応答は、単に与えられた回答を複製するのではなく、指示に対して洗練され、正確で包括的な返答を提供"
    "する必要があります。"
    "あなたの応答が適切に構成され、一貫性があり、正確性と信頼性の最高基準に準拠していることを確認してください。"
    "\n\nモデルからの応答:"
)
ASKED = ("user", "why?")


def told(provider: Provider) -> str:
    """The system message of the last call."""
    message = provider.calls[-1].messages[0]
    assert message["role"] == "system"
    return str(message["content"])


def run_with(provider: Provider, prompt: str) -> str:
    provider.reply("a", "from a")
    turn(mixture(["openai:a"], aggregator={"model": "openai:agg", "prompt": prompt}), ASKED)
    return told(provider)


def test_the_japanese_prompt_word_for_word(provider: Provider) -> None:
    assert run_with(provider, "synthesize.ja") == f"{JAPANESE}\n1. from a"


def test_a_prompt_may_be_a_text(provider: Provider) -> None:
    assert run_with(provider, "Say it shorter:") == "Say it shorter:\n1. from a"


def test_a_prompt_may_say_where_its_values_go(provider: Provider) -> None:
    text = "For $question read:$references\nThen answer."
    assert run_with(provider, text) == "For why? read:\n1. from a\nThen answer."


def test_a_prompt_may_lie_beside_the_recipe(provider: Provider, tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text("Mine:\n", encoding="utf-8")
    file = tmp_path / "r.toml"
    file.write_text(
        '[[layers]]\nproposers = ["openai:a"]\n'
        'aggregate = { step = "synthesize", model = "openai:agg", prompt = "mine.md" }\n'
    )
    provider.reply("a", "from a")
    turn(load_recipe(file), ASKED)
    assert told(provider) == "Mine:\n1. from a"


def test_each_layer_may_have_its_own_prompt(provider: Provider) -> None:
    layers: list[dict[str, Any]] = [
        {"proposers": ["openai:a"]},
        {"proposers": ["openai:a", {"model": "openai:b", "prompt": "Seat's own:"}]},
    ]
    layers[1] |= {"prompt": "The layer's:"}
    layers[1] |= {"aggregate": {"step": "synthesize", "model": "openai:agg"}}
    provider.reply("a", "from a")
    turn(Recipe.model_validate({"name": "r", "layers": layers}), ASKED)
    systems = {
        call.model: call.messages[0]["content"] for call in provider.calls if len(call.messages) > 1
    }
    assert systems["a"] == "The layer's:\n1. from a"
    assert systems["b"] == "Seat's own:\n1. from a"
    assert systems["agg"].startswith("You have been provided")


@pytest.mark.parametrize("secret", ["$home costs $5", "$references"])
def test_a_question_with_dollars_is_left_alone(provider: Provider, secret: str) -> None:
    provider.reply("a", secret)
    turn(mixture(["openai:a"]), ("user", secret))
    assert told(provider).endswith(f"\n1. {secret}")
    assert provider.calls[-1].messages[1]["content"] == secret
