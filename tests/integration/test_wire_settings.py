from typing import Any

import pytest

from tests.mixtures import mixture, turn
from tests.provider import Provider

ASKED = ("user", "hi")
HI = [{"role": "user", "content": "hi"}]
TOKENS = {"openai": "max_completion_tokens", "together": "max_tokens", "vllm": "max_tokens"}


def bodies(provider: Provider) -> dict[str, dict[str, Any]]:
    """What was sent beside the messages, by model."""
    return {
        call.model: {key: value for key, value in call.body.items() if key != "messages"}
        for call in provider.calls
    }


@pytest.fixture(autouse=True)
def vllm(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_BASE_URL", provider.base_url)


@pytest.mark.parametrize("maker", TOKENS)
def test_what_the_recipe_leaves_open_is_not_sent(provider: Provider, maker: str) -> None:
    turn(mixture([f"{maker}:a"], aggregator=f"{maker}:b"), ASKED)
    assert provider.calls[0].body == {"model": "a", "stream": False, "messages": HI}
    assert bodies(provider)["b"] == {"model": "b", "stream": False}


@pytest.mark.parametrize(("maker", "tokens"), TOKENS.items())
def test_what_the_recipe_says_is_sent_and_no_more(
    provider: Provider, maker: str, tokens: str
) -> None:
    sampling = {"temperature": 0.7, "top_p": 0.9, "seed": 7, "stop": ["END"]}
    turn(
        mixture([{"model": f"{maker}:a", "max_tokens": 300, **sampling}], aggregator=f"{maker}:b"),
        ASKED,
    )
    assert bodies(provider)["a"] == {"model": "a", "stream": False, tokens: 300, **sampling}
    assert bodies(provider)["b"] == {"model": "b", "stream": False}


def test_each_seat_has_its_own_sampling_over_the_defaults(provider: Provider) -> None:
    seats = [
        {"model": "openai:a", "temperature": 0, "seed": 1},
        {"model": "together:b", "max_tokens": 20},
        "openai:c",
    ]
    aggregator = {"model": "together:agg", "temperature": 0.1, "max_tokens": 99}
    turn(mixture(seats, aggregator=aggregator, defaults={"temperature": 0.7, "seed": 5}), ASKED)
    assert bodies(provider) == {
        "a": {"model": "a", "stream": False, "temperature": 0.0, "seed": 1},
        "b": {"model": "b", "stream": False, "temperature": 0.7, "seed": 5, "max_tokens": 20},
        "c": {"model": "c", "stream": False, "temperature": 0.7, "seed": 5},
        "agg": {"model": "agg", "stream": False, "temperature": 0.1, "seed": 5, "max_tokens": 99},
    }


def test_an_extra_body_is_part_of_the_request(provider: Provider) -> None:
    turn(mixture([{"model": "together:a", "extra_body": {"top_k": 4}}]), ASKED)
    assert bodies(provider)["a"] == {"model": "a", "stream": False, "top_k": 4}


def test_the_aggregator_may_be_another_providers(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Provider(api_key="openai-key") as other:
        monkeypatch.setenv("OPENAI_BASE_URL", other.base_url)
        turn(mixture(["together:x", "together:y"], aggregator="openai:gpt-4o"), ASKED)
        assert sorted(call.model for call in provider.calls) == ["x", "y"]
        assert [call.model for call in other.calls] == ["gpt-4o"]
        assert {call.headers["authorization"] for call in provider.calls} == {"Bearer together-key"}


def test_a_seat_may_live_at_an_address_of_its_own(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARE_KEY", "spare")
    with Provider(api_key="spare") as other:
        monkeypatch.setenv("MOA_KEY_ADDRESSES", f"SPARE_KEY={other.base_url}")
        at = {"model": "spare:z", "base_url": other.base_url, "api_key_env": "SPARE_KEY"}
        turn(mixture([at, "openai:a"]), ASKED)
        assert [call.model for call in other.calls] == ["z"]
        assert other.calls[0].status == 200
