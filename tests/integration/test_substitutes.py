import asyncio
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from moagraph import MissingKey, RecipeError, StepFailed, ask, retry
from moagraph.graphs.recipe.load import load_recipe
from moagraph.nodes.context import Context
from tests.faults import Always, Empty, Hang, Status, WrongModel
from tests.mixtures import graph_of, mixture
from tests.provider import Call, Provider

HI = {"messages": [("user", "hi")]}
DOWN = Always(Status(400, message="no luck"))


def seat(*fallbacks: Any, **said: Any) -> dict[str, Any]:
    return {"model": "openai:a", "fallbacks": list(fallbacks), **said}


def record(first: dict[str, Any]) -> dict[str, Any]:
    state = asyncio.run(graph_of(mixture([first, "openai:well"])).ainvoke(HI))
    found: dict[str, Any] = state["layers"]["1"]["01"]
    return found


def asked(provider: Provider) -> list[str]:
    return [call.model for call in provider.calls if call.model not in ("well", "agg")]


def call_of(provider: Provider, model: str) -> Call:
    [call] = [call for call in provider.calls if call.model == model]
    return call


def test_a_seat_whose_model_fails_is_answered_by_its_substitute(provider: Provider) -> None:
    provider.script("a", DOWN)
    found = record(seat("together:sub", "openai:never"))
    assert (found["ok"], found["kind"], found["error"]) == (True, "substituted", None)
    assert (found["model"], found["answered_by"]) == ("openai:a", "together:sub")
    assert found["attempts"] == 2
    assert asked(provider) == ["a", "sub"]
    heard = call_of(provider, "agg").messages[0]["content"]
    assert "1. sub says" in heard
    assert "no luck" not in heard


def test_the_second_substitute_is_asked_where_the_first_fails_too(provider: Provider) -> None:
    for model in ("a", "b"):
        provider.script(model, DOWN)
    found = record(seat("openai:b", "openai:c"))
    assert (found["kind"], found["answered_by"], found["attempts"]) == (
        "substituted",
        "openai:c",
        3,
    )


def test_where_all_fail_each_reason_is_told(provider: Provider) -> None:
    provider.script("a", Always(Status(429, 600, "busy")))
    provider.script("b", DOWN)
    found = record(seat("openai:b"))
    assert (found["ok"], found["kind"], found["answered_by"]) == (False, "rate_limited", None)
    assert found["error"] == "429: busy; openai:b: 400: no luck"
    assert (found["text"], found["attempts"]) == ("", 2)


def test_the_model_that_a_substitutes_server_names_is_told(provider: Provider) -> None:
    provider.script("a", DOWN)
    provider.script("sub", WrongModel("cheaper"))
    assert record(seat("openai:sub"))["answered_by"] == "cheaper"


def test_a_substitute_is_priced_as_what_ran(provider: Provider) -> None:
    provider.script("a", DOWN)
    provider.reply("sub", "four words it is")
    price = {"input": 1_000_000, "output": 10}
    found = record(seat({"model": "openai:sub", "price": price}, price={"input": 7, "output": 7}))
    assert (found["input_tokens"], found["output_tokens"]) == (1, 4)
    assert found["cost_usd"] == pytest.approx(1 + 4e-5)


def test_an_answer_that_was_paid_and_is_empty_stays_on_the_bill(provider: Provider) -> None:
    provider.script("a", Always(Empty()))
    price = {"input": 1_000_000, "output": 0}
    found = record(seat({"model": "openai:sub", "price": price}, price=price))
    assert (found["kind"], found["input_tokens"]) == ("substituted", 2)
    assert found["cost_usd"] == pytest.approx(2)


@pytest.mark.parametrize("price", [None, {"input": 1_000_000, "output": 0}])
def test_an_answer_that_was_paid_and_is_of_no_use_is_on_the_turns_bill(
    provider: Provider, price: dict[str, float] | None
) -> None:
    """A refusal, which has no price, hides none; a good answer without one does."""
    provider.script("empty", Always(Empty()))
    provider.script("down", DOWN)
    free = {"input": 0, "output": 0}
    priced = {"model": "openai:empty", "price": {"input": 1_000_000, "output": 0}}
    well = {"model": "vllm:well", "base_url": provider.base_url, "price": price}
    recipe = mixture(
        [priced, "openai:down", well], aggregator={"model": "openai:agg", "price": free}
    )
    assert ask("hi", recipe).cost_usd == (pytest.approx(2) if price else None)


def test_what_a_substitute_leaves_open_is_as_for_the_seat(provider: Provider) -> None:
    provider.script("a", DOWN)
    record(seat("openai:sub", temperature=0.3, max_tokens=7))
    sent = call_of(provider, "sub").body
    assert (sent["temperature"], sent["max_completion_tokens"]) == (0.3, 7)


def test_a_substitute_has_the_seats_timeout_and_attempts(provider: Provider) -> None:
    provider.script("a", DOWN)
    provider.script("b", Always(Hang()))
    provider.script("c", Always(Status(500, message="down")))
    found = record(seat("openai:b", "openai:c", timeout=0.5, attempts=1))
    assert found["error"].endswith("openai:b: no answer within 0.5 s; openai:c: 500: down")
    assert asked(provider) == ["a", "b", "c"]


def test_a_substitutes_own_settings_hold(provider: Provider) -> None:
    provider.script("a", DOWN)
    record(seat({"model": "openai:sub", "temperature": 0.9}, temperature=0.3))
    assert call_of(provider, "sub").body["temperature"] == 0.9


def test_no_key_goes_to_a_substitutes_address(provider: Provider) -> None:
    provider.script("a", DOWN)
    record(seat({"model": "vllm:sub", "base_url": provider.base_url}))
    assert "key" not in call_of(provider, "sub").headers["authorization"].replace("not-needed", "")


def test_the_callers_choices_reach_the_last_steps_substitute(provider: Provider) -> None:
    provider.script("agg", DOWN)
    aggregator = {"model": "openai:agg", "fallbacks": ["openai:sub"]}
    graph = graph_of(mixture(["openai:a"], aggregator=aggregator))
    asyncio.run(graph.ainvoke(HI, context=Context(max_tokens=3)))
    assert call_of(provider, "sub").body["max_completion_tokens"] == 3


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_an_aggregator_that_fails_is_replaced_and_the_run_says_so(
    provider: Provider, way: str
) -> None:
    provider.script("agg", DOWN)
    aggregator = {"model": "openai:agg", "fallbacks": ["together:sub"]}
    graph = graph_of(mixture(["openai:a"], aggregator=aggregator))
    state = graph.invoke(HI) if way == "invoke" else asyncio.run(graph.ainvoke(HI))
    assert state["messages"][-1].text.startswith("sub says")
    result = ask("hi", mixture(["openai:a"], aggregator=aggregator))
    step = next(step for step in result.steps if "model" in step)
    assert (step["kind"], step["model"], step["answered_by"]) == (
        "substituted",
        "openai:agg",
        "together:sub",
    )


def test_an_aggregator_whose_substitutes_fail_fails_the_run_and_is_retried_alone(
    provider: Provider,
) -> None:
    for model in ("agg", "sub"):
        provider.script(model, Status(400, message="no luck"))
    aggregator = {"model": "openai:agg", "fallbacks": ["together:sub"]}
    recipe, saver = mixture(["openai:a", "openai:b"], aggregator=aggregator), InMemorySaver()
    result = ask("hi", recipe, thread="t", threads=saver)
    assert (result.status, result.answer) == ("failed", "")
    assert result.error == (
        "`L1_synthesize` got no answer from `openai:agg`: 400: no luck; together:sub: 400: no luck"
    )
    before = len(provider.calls)
    again = retry("t", saver)
    assert (again.status, again.answer.startswith("agg says")) == ("done", True)
    assert [call.model for call in provider.calls[before:]] == ["agg"]


def test_a_failed_step_raises_what_can_be_caught(provider: Provider) -> None:
    for model in ("agg", "sub"):
        provider.script(model, DOWN)
    aggregator = {"model": "openai:agg", "fallbacks": ["together:sub"]}
    with pytest.raises(StepFailed, match="together:sub: 400: no luck"):
        graph_of(mixture(["openai:a"], aggregator=aggregator)).invoke(HI)


CIRCLES = {
    "the seat itself": '{ model = "openai:a", fallbacks = ["openai:a"] }',
    "one substitute twice": '{ model = "openai:a", fallbacks = ["openai:b", "openai:b"] }',
}


@pytest.mark.parametrize("told", CIRCLES.values(), ids=CIRCLES)
def test_fallbacks_that_form_a_circle_are_refused_at_reading(tmp_path: Path, told: str) -> None:
    file = tmp_path / "circle.toml"
    step = f'{{ step = "synthesize", {told[1:]}'
    file.write_text(f"[[layers]]\nproposers = [{told}]\naggregate = {step}\n")
    with pytest.raises(RecipeError, match=r"`fallbacks` form a circle: 'openai:[ab]' is asked"):
        load_recipe(file)


def test_the_same_name_at_another_address_is_no_circle(provider: Provider) -> None:
    provider.script("a", Status(400))
    found = record(seat({"model": "openai:a", "base_url": provider.base_url}))
    assert found["kind"] == "substituted"


def test_a_missing_key_of_a_substitute_is_told_before_any_call(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOGETHER_API_KEY")
    with pytest.raises(MissingKey, match="TOGETHER_API_KEY is not set"):
        record(seat("together:sub"))
    assert provider.calls == []
