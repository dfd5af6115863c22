"""The Python API: typed results, typed events, recipes that are built in code."""

import asyncio
import tomllib
from collections import Counter

from moagraph import (
    AnswerToken,
    LayerFinished,
    Recipe,
    RunFinished,
    SeatFinished,
    SeatStarted,
    ask,
    astream,
    load_recipe,
    stream,
)
from moagraph.graphs.recipe.load import recipe_names
from tests.mixtures import mixture

TWO_LAYERS = Recipe.model_validate(
    {
        "name": "two",
        "layers": [
            {"proposers": ["scripted:red", "scripted:green"]},
            {
                "proposers": ["scripted:blue"],
                "aggregate": {"step": "synthesize", "model": "scripted:the answer"},
            },
        ],
    }
)


def test_events_come_in_the_order_of_the_run() -> None:
    events = list(stream("why?", TWO_LAYERS))
    kinds = Counter(type(event) for event in events)
    assert kinds[SeatStarted] == kinds[SeatFinished] == 3
    assert kinds[LayerFinished] == 2
    last = events[-1]
    assert isinstance(last, RunFinished)
    assert last.result.answer == "the answer"
    tokens = "".join(event.text for event in events if isinstance(event, AnswerToken))
    assert tokens == "the answer"
    places = {
        (type(event), event.layer): number
        for number, event in enumerate(events)
        if isinstance(event, SeatStarted | LayerFinished)
    }
    assert places[SeatStarted, 1] < places[LayerFinished, 1] < places[SeatStarted, 2]


def test_a_stream_that_is_left_early_ends_its_run() -> None:
    async def first() -> object:
        events = astream("why?", TWO_LAYERS)
        event = await anext(events)
        await events.aclose()
        return event

    assert isinstance(asyncio.run(first()), SeatStarted)


def test_a_result_is_one_line_and_a_table_in_a_notebook() -> None:
    result = ask("why?", mixture(["scripted:<b>red</b>"], aggregator="scripted:blue"))
    assert repr(result).startswith("<Result ")
    assert "\n" not in repr(result)
    page = result._repr_markdown_()
    assert page.startswith("blue")
    assert "<b>" not in page
    assert result.layers[0]["proposals"][0]["model"] == "scripted:<b>red</b>"


def test_every_shipped_recipe_is_the_same_after_it_was_written_and_read() -> None:
    for name in recipe_names():
        recipe = load_recipe(name)
        again = Recipe.model_validate(tomllib.loads(recipe.to_toml()))
        assert again.resolved() == recipe.resolved(), name


def test_the_callers_own_keys_are_written_whatever_their_names() -> None:
    seat = {"model": "openai:a", "extra_body": {"asks": 1}}
    recipe = mixture([seat], aggregator="openai:b")
    again = Recipe.model_validate(tomllib.loads(recipe.to_toml()))
    assert again.layers[0].proposers[0].extra_body == {"asks": 1}
    assert recipe.to_toml().count("asks = ") == 1  # computed counts are left out
