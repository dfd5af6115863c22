"""Whatever a provider answers, it costs the seat at most its own answer.

Replies are made from the schema of OpenAI's own types and then mutated: values of another type,
huge numbers, missing fields, other encodings, broken events. `MOA_TEST_EXAMPLES=20` tries twenty
times as many.
"""

import copy
import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_jsonschema import from_schema
from langgraph.checkpoint.memory import InMemorySaver
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionMessage, ChatCompletionMessageToolCall
from pydantic import TypeAdapter

from moagraph.api.ask import aask, ask
from moagraph.api.resume import aretry
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.models import event_loops
from moagraph.nodes.state import State
from moagraph.threads.events import SilentObserver
from moagraph.threads.result import Result
from tests.examples import examples
from tests.faults import DONE, Raw
from tests.mixtures import one_layer
from tests.provider import Provider
from tests.raw import EVENTS, body_of, events_of

PRICED = {"price": {"input": 1.0, "output": 2.0}, "attempts": 1, "timeout": 60}
Path = tuple[str | int, ...]
JUNK = [b"", b"", b": a comment", b"event: x", b"data: 5", b"data: {", b"{", b"retry: soon"]

nonsense = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-1, 0, 2**31, 2**63, 2**64, 2**70, -(2**65), 10**40]),
    st.sampled_from([-0.5, 1.5, float("nan"), float("inf"), float("-inf"), 1e308]),
    st.sampled_from(["", "12", "-3", "\x00", "half \ud83d", "\ud83d\ude00", "x" * 5_000, "null"]),
    st.sampled_from([[], {}, [[]], [None], {"": None}, {"a": {"b": [1, {"c": 2**70}]}}]),
    st.integers(1, 200).map(lambda depth: json.loads("[" * depth + "]" * depth)),
    st.text(max_size=20),
)
# Valid parts by the protocol's own types, most of them as no provider ever combines them.
schemas: list[type[Any]] = [CompletionUsage, ChatCompletionMessage, ChatCompletionMessageToolCall]
parts = st.one_of([from_schema(TypeAdapter(it).json_schema()) for it in schemas])


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in the value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key)
            yield from paths(item, (*path, key))
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield (*path, number)
            yield from paths(item, (*path, number))


@st.composite
def mutated(draw: Callable[..., Any], bodies: list[dict[str, Any]]) -> list[Any]:
    """The bodies, of which a few values are replaced, left out, or told under another name."""
    changed: list[Any] = copy.deepcopy(bodies)
    for _ in range(draw(st.integers(1, 4))):
        places = list(paths(changed))
        *parents, last = draw(st.sampled_from(places)) if places else (0,)
        holder: Any = changed
        for key in parents:
            holder = holder[key]
        act = draw(st.sampled_from(["replace", "replace", "replace", "drop", "part"]))
        if act == "drop" and len(changed) > 1:
            del holder[last]
        elif places:
            holder[last] = draw(parts if act == "part" else nonsense)
    return changed


def encoded(draw: Callable[..., Any], data: bytes) -> Raw:
    """The bytes as they are, or in a way that the headers do not tell."""
    ways: dict[str, Callable[[bytes], Raw]] = {
        "plain": Raw,
        "UTF-16": lambda data: Raw(data.decode("utf-8", "replace").encode("utf-16")),
        "byte order mark": lambda data: Raw(b"\xef\xbb\xbf" + data),
        "no UTF-8": lambda data: Raw(data.replace(b"answer", b"\xff\xfe\x80")),
        "cut": lambda data: Raw(data[: len(data) // 2]),
        "other type": lambda data: Raw(data, "text/html"),
        "gzip": lambda data: Raw(gzip.compress(data), encoding="gzip"),
        "false gzip": lambda data: Raw(data, encoding="gzip"),
        "empty": lambda data: Raw(b""),
    }
    # Most bytes are left alone, so that it is the mutation that is tried.
    way = draw(st.sampled_from([*["plain"] * len(ways), *ways]))
    return ways[way](data)


@st.composite
def whole_replies(draw: Callable[..., Any]) -> Raw:
    tools = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    odds = {"content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}]}
    body = body_of(message={"tool_calls": tools}, choice={"logprobs": odds})
    [changed] = draw(mutated([body]))
    return encoded(draw, json.dumps(changed).encode())


@st.composite
def streamed_replies(draw: Callable[..., Any]) -> Raw:
    events = draw(mutated(events_of(["an ", "ans", "wer"])))
    order = draw(st.sampled_from(["as it is", "as it is", "reversed", "twice"]))
    told = {"reversed": events[::-1], "twice": events * 2}.get(order, events)
    lines = [b"data: " + json.dumps(one).encode() for one in told]
    junk = draw(
        st.sampled_from([b"", b"", b": a comment", b"event: x", b"data: 5", b"data: {", b"{"])
    )
    if junk:
        lines.insert(draw(st.integers(0, len(lines))), junk)
    end = draw(st.sampled_from([b"\n\n", b"\n\n", b"\r\n\r\n", b"\n"]))
    done = draw(st.sampled_from([DONE, DONE, b"", b"data:[DONE]", b"data: [DONE"]))
    found = encoded(draw, end.join(lines) + end + done)
    is_stream = found.content_type == "application/json"
    return Raw(found.body, EVENTS if is_stream else found.content_type, found.encoding)


def recipe() -> Recipe:
    seats = [{"model": f"openai:{name}", **PRICED} for name in ("a", "evil", "c")]
    budget = {"max_tokens": 10**7, "thread": {"max_tokens": 10**8}}
    return one_layer(*seats, aggregator={"model": "openai:agg", **PRICED}, budget=budget)


def check_bill(came: Result) -> None:
    """Every count is one, and nothing is paid back."""
    steps = [step for step in came.steps if "model" in step]
    for record in (*came.layers[0]["proposals"], *steps):
        for key in ("input_tokens", "output_tokens"):
            assert record[key] is None or (type(record[key]) is int and record[key] >= 0)
        assert record["cost_usd"] is None or 0 <= record["cost_usd"] < 1
        assert 0 <= record["attempts"] <= 1
    assert came.cost_usd is None or came.cost_usd >= 0
    json.dumps(came.as_json(), ensure_ascii=False, allow_nan=False).encode()


def try_reply(provider: Provider, model: str, reply: Raw, streamed: bool) -> None:
    """A run in which the model answers so ends, keeps the other answers and can go on."""
    provider.reset()
    provider.script(model, reply)
    saver, watch = InMemorySaver(), SilentObserver() if streamed else None
    came = ask("What is it?", recipe(), thread="t", threads=saver, watch=watch)
    check_bill(came)
    proposals = {one["model"].removeprefix("openai:"): one for one in came.layers[0]["proposals"]}
    for other in {"a", "evil", "c"} - {model}:
        assert proposals[other]["text"] == f"{other} says: this is answer number 1."
    if model == "evil":
        assert came.status == "done", came.error
    if came.status == "failed":
        assert came.error
        assert "please report it" not in came.error
        came = event_loops.run(aretry("t", saver))
    assert came.status == "done", came.error
    assert came.answer.strip()
    assert sorted(call.model for call in provider.calls) in (
        ["a", "agg", "c", "evil"],
        ["a", "agg", "agg", "c", "evil"],
    )
    spent = event_loops.run(spent_by_then(saver))
    assert spent >= 0
    again = event_loops.run(aask("And now?", recipe(), thread="t", threads=saver))
    assert again.status == "done", again.error
    assert event_loops.run(spent_by_then(saver)) > spent


async def spent_by_then(saver: InMemorySaver) -> int:
    """The tokens that the thread's budget counts, without the turn that stands there."""
    from moagraph.nodes.policies.spending import spent_in_thread
    from moagraph.threads.history import compile_recipe, config_of

    state = await compile_recipe(recipe(), saver).aget_state(config_of("t"))
    return spent_in_thread(cast(State, state.values)).tokens


@pytest.mark.parametrize("model", ["evil", "agg"])
@given(reply=whole_replies())
@examples(12)
def test_no_mutated_answer_ends_the_run(provider: Provider, model: str, reply: Raw) -> None:
    try_reply(provider, model, reply, streamed=False)


@pytest.mark.parametrize("model", ["evil", "agg"])
@given(reply=streamed_replies())
@examples(12)
def test_no_mutated_stream_ends_the_run(provider: Provider, model: str, reply: Raw) -> None:
    try_reply(provider, model, reply, streamed=True)
