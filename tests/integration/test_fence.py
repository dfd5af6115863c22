import asyncio
import re
import unicodedata
from typing import Any

import pytest
from langchain_core.messages import convert_to_openai_messages
from langgraph.checkpoint.memory import InMemorySaver

from moagraph import ask, replay
from moagraph.graphs.compile.layout import calling_nodes
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.messages.build import MessageBuilder
from moagraph.nodes.node_spec import NodeView
from moagraph.prompts import read
from tests.mixtures import graph_of, mixture, turn
from tests.provider import Provider
from tests.redteam import HOSTILE, KNOWING, ORDERS, selectors, tags

ASKED = ("user", "why is the sky blue?")
SKY = {"role": "user", "content": "why is the sky blue?"}
FENCED = {"model": "openai:agg", "fence": True}


def heard(provider: Provider, model: str) -> list[dict[str, Any]]:
    """What the last call of the model sent."""
    return [call.messages for call in provider.calls if call.model == model][-1]


def boundary(content: str) -> str:
    found = re.search(r"a line `\[begin ([0-9a-f]{32})\]`", content)
    assert found
    return found[1]


def bodies(messages: list[dict[str, Any]], count: int, prompt: str = "synthesize") -> list[str]:
    """What stands in each fence, once everything around the fences is found as it must be."""
    assert [message["role"] for message in messages] == ["system", "user"]
    assert messages[1] == SKY
    content = messages[0]["content"]
    assert content.splitlines() == content.split("\n")
    sign = boundary(content)
    assert content.lower().count(sign) == 2 * count + 2
    lines = content.split("\n")
    begins = [at for at, line in enumerate(lines) if line == f"[begin {sign}]"]
    ends = [at for at, line in enumerate(lines) if line == f"[end {sign}]"]
    assert len(begins) == len(ends) == count
    assert [lines[at - 1] for at in begins] == [f"{number}." for number in range(1, count + 1)]
    inside = ["\n".join(lines[begin + 1 : end]) for begin, end in zip(begins, ends, strict=True)]
    assert all(begin < end for begin, end in zip(begins, ends, strict=True))
    references = "".join(
        f"\n{number}.\n[begin {sign}]\n{body}\n[end {sign}]"
        for number, body in enumerate(inside, 1)
    )
    fence = read("fence").replace("$boundary", sign)
    before, _, behind = fence.partition("$references")
    assert content == f"{read(prompt)}\n\n{before}{references}{behind}"
    return inside


def test_there_are_sixty_ways_to_break_out_and_more() -> None:
    assert len(set(HOSTILE.values())) >= 60


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_answer_stays_between_its_two_lines(provider: Provider, text: str) -> None:
    provider.reply("a", text)
    provider.reply("b", "from b")
    turn(mixture(["openai:a", "openai:b"], aggregator=FENCED), ASKED)
    hostile, benign = bodies(heard(provider, "agg"), 2)
    assert benign == "from b"
    assert hostile
    seen = set(hostile) - {"\n", "\t"}
    assert not {sign for sign in seen if unicodedata.category(sign) in ("Cc", "Cf")}
    assert ORDERS in hostile or ORDERS not in text


def test_all_hostile_answers_together_stay_between_their_lines(provider: Provider) -> None:
    for number, text in enumerate(HOSTILE.values()):
        provider.reply(f"m{number}", text)
    seats = [f"openai:m{number}" for number in range(len(HOSTILE))]
    turn(mixture(seats, aggregator=FENCED), ASKED)
    assert all(bodies(heard(provider, "agg"), len(HOSTILE)))


@pytest.mark.parametrize("hostile", KNOWING.values(), ids=KNOWING)
def test_even_an_answer_that_knows_the_boundary_stays_inside(
    provider: Provider, hostile: Any
) -> None:
    threads = InMemorySaver()
    recipe = mixture(["openai:a"], aggregator=FENCED)
    ask(ASKED[1], recipe, thread="t", threads=threads)
    sign = boundary(heard(provider, "agg")[0]["content"])
    replay("t", threads, edit={"1.01": hostile(sign)})
    [body] = bodies(heard(provider, "agg"), 1)
    assert boundary(heard(provider, "agg")[0]["content"]) == sign
    assert "[boundary]" in body or "�" in body


def test_every_reader_and_every_turn_has_a_boundary_of_its_own(provider: Provider) -> None:
    recipe = mixture(["openai:a"], ["openai:b", "openai:c"], defaults={"fence": True})
    for _ in range(2):
        turn(recipe, ASKED)
    systems = [call.messages[0]["content"] for call in provider.calls if len(call.messages) == 2]
    assert len({boundary(text) for text in systems}) == len(systems) == 6


def test_a_layer_may_fence_what_its_proposers_read_and_a_seat_may_not(provider: Provider) -> None:
    layers: list[dict[str, Any]] = [
        {"proposers": ["openai:a"]},
        {
            "fence": True,
            "proposers": ["openai:b", {"model": "openai:c", "fence": False}],
            "aggregate": {"step": "synthesize", "model": "openai:agg"},
        },
    ]
    provider.reply("a", "from a")
    turn(Recipe.model_validate({"name": "r", "layers": layers}), ASKED)
    assert bodies(heard(provider, "b"), 1) == ["from a"]
    assert heard(provider, "c")[0]["content"] == f"{read('synthesize')}\n1. from a"
    assert "[begin" not in heard(provider, "agg")[0]["content"]


def test_a_callers_system_message_and_prompt_stay_around_the_fence(provider: Provider) -> None:
    prompt = "For $question read:$references\nThen answer."
    recipe = mixture(["openai:a"], aggregator={**FENCED, "prompt": prompt})
    turn(recipe, ("system", "Answer in Dutch."), ASKED)
    [system, user] = heard(provider, "agg")
    assert user == SKY
    assert system["content"].startswith(
        "Answer in Dutch.\n\nFor why is the sky blue? read:\n\nEach"
    )
    assert system["content"].endswith("by the user alone.\nThen answer.")


KEPT = {
    "an astronaut": "👩🏽‍🚀",
    "a heart on fire": "❤️‍🔥",
    "a key with a digit": "1️⃣ first",
    "Persian": "می‌خواهم",
    "accents and tabs": "naïve\tcafé\n日本語",
    "Hebrew": "שלום",
}


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_what_people_write_is_not_changed(provider: Provider, text: str) -> None:
    provider.reply("a", text)
    turn(mixture(["openai:a"], aggregator=FENCED), ASKED)
    assert bodies(heard(provider, "agg"), 1) == [text]


@pytest.mark.parametrize(
    "hidden", [tags("say no"), selectors("say no"), "\u202e", "\x1b", "\u200b"]
)
def test_what_is_hidden_becomes_visible_and_says_nothing(provider: Provider, hidden: str) -> None:
    provider.reply("a", f"x{hidden}x")
    turn(mixture(["openai:a"], aggregator=FENCED), ASKED)
    [body] = bodies(heard(provider, "agg"), 1)
    assert re.fullmatch("x😊?�x", body)


def test_shuffled_answers_are_recorded_with_who_is_who(provider: Provider) -> None:
    seats = [f"openai:m{number}" for number in range(1, 9)]
    for number in range(1, 9):
        provider.reply(f"m{number}", f"from {number:02d}")
    recipe = mixture(seats, aggregator={**FENCED, "shuffle": True})
    orders = []
    for _ in range(3):
        [record] = [s for s in ask(ASKED[1], recipe).steps if "order" in s]
        texts = bodies(heard(provider, "agg"), 8)
        assert texts == [f"from {seat}" for seat in record["order"]]
        assert sorted(record["order"]) == [f"{number:02d}" for number in range(1, 9)]
        orders.append(tuple(record["order"]))
    assert len(set(orders)) > 1


def test_without_a_fence_nothing_is_recorded_of_the_order(provider: Provider) -> None:
    state = turn(mixture(["openai:a"], ["openai:b"]), ASKED)
    assert "order" not in state["layers"]["2"]["01"]


def test_the_names_of_the_recipes_models_are_taken_out(provider: Provider) -> None:
    seats = ["together:meta/Llama-3-70b", {"model": "openai:gpt-4o", "fallbacks": ["openai:o3-x"]}]
    provider.reply("meta/Llama-3-70b", "I am LLAMA-3-70B (meta/Llama-3-70b); not o3-x, nor a llama")
    provider.reply("gpt-4o", "gpt-4o-mini? No: GPT-4o. I agg.")
    turn(mixture(seats, aggregator={**FENCED, "anonymise": True}), ASKED)
    assert bodies(heard(provider, "agg"), 2) == [
        "I am [a model] ([a model]); not [a model], nor a llama",
        "[a model]-mini? No: [a model]. I agg.",
    ]


def test_what_was_sent_can_be_shown_again_to_the_byte(provider: Provider) -> None:
    said = {"fence": True, "shuffle": True, "anonymise": True, "context_window": 2000}
    trio = ["openai:a1bc", "openai:b", "openai:c"]
    provider.reply("a1bc", "I am a1bc\u202e " * 900)
    provider.reply("b", "short")
    provider.reply("c", "c " * 3000)
    recipe = mixture(trio, trio, defaults=said)
    graph = graph_of(recipe, checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    asyncio.run(graph.ainvoke({"messages": [ASKED]}, config))
    values = graph.get_state(config).values
    state: Any = {**values, "messages": values["messages"][:-1]}
    kept = {call.model: call.messages for call in provider.calls}
    for spec in list(calling_nodes(recipe))[3:]:
        record = state["layers"]["2"].get(spec.seat) or state["steps"][spec.name]
        shown = convert_to_openai_messages(
            MessageBuilder(NodeView(state, spec)).shortened_messages(record["shortened"])
        )
        assert shown == kept[record["model"].partition(":")[2]]
        assert set(record["shortened"]) == {"01", "03"}
