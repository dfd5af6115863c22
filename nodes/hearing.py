"""What a node sends its model: the conversation, and what it reads in a form that fits."""

from collections.abc import Mapping
from functools import partial

from langchain_core.messages import AnyMessage

from nodes.chat.call import Call
from nodes.chat.sent import Hearing, Sent
from nodes.chat.windows import answer, count, size, window
from nodes.conversation import told
from nodes.errors import UsageError
from nodes.fence import FENCE, Reading, boundary, fenced, plain, shuffled, unnamed
from nodes.shorten import cut, fair, mark
from nodes.state import Json, Place, State, answers, calls, settings
from prompts import numbered, read

SAFE = 0.9  # of a window, as tokens are only counted approximately
LEAST = 200  # characters of a long answer, below which reading it is of no use
TRIES = 8


def hearing(state: State, place: Place) -> Hearing:
    """What the node sends, whichever model is asked."""
    return partial(_heard, state, place)


def sent(state: State, place: Place, shortened: Mapping[str, int]) -> list[AnyMessage]:
    """The very messages, with so many characters left out of these seats' answers."""
    texts = _texts(state, place)
    return _said(state, place, {seat: cut(t, shortened.get(seat, 0)) for seat, t in texts.items()})


async def _heard(state: State, place: Place, call: Call) -> Sent:
    texts = _texts(state, place)
    messages = _said(state, place, texts)
    tokens = count(call, messages)
    most = await window(call, tokens)
    reading = _reading(state, place)
    notes: Json = {"order": list(texts)} if texts and any(reading.values()) else {}
    if most is not None and count(call, state["messages"]) >= most:
        raise UsageError(f"the question does not fit {_window(call, most)}")
    if most is None or not texts or tokens + answer(call, most) <= SAFE * most:
        return Sent(messages, notes)
    shortened = _shortened(state, place, call, most)
    return Sent(sent(state, place, shortened), {**notes, "shortened": shortened})


def _shortened(state: State, place: Place, call: Call, most: int) -> dict[str, int]:
    """How many characters to leave out of which seat's answer, so that all fit together."""
    texts = _texts(state, place)
    free = SAFE * most - answer(call, most)
    room = free - count(call, _said(state, place, dict.fromkeys(texts, "")))
    for _ in range(TRIES):
        left_out = _left_out(texts, room)
        over = count(call, sent(state, place, left_out)) - free
        if over <= 0:
            return left_out
        room -= over
    raise UsageError(f"{len(texts)} answers and the question do not fit {_window(call, most)}")


def _left_out(texts: Mapping[str, str], room: float) -> dict[str, int]:
    weights = [size(text) for text in texts.values()]
    left_out = {}
    for (seat, text), weight, share in zip(
        texts.items(), weights, fair(weights, room), strict=True
    ):
        if share < weight:
            kept = int(len(text) * share / weight) - len(mark(len(text))) - 2
            left_out[seat] = len(text) - max(kept, 0)
    return left_out


def _texts(state: State, place: Place) -> dict[str, str]:
    """What the node reads by seat, in the order of its numbers, each as it may be shown."""
    texts = {seat: text.strip() for seat, text in answers(state, place).items()}
    reading, salt = _reading(state, place), state["recipe"].get("salt", "")
    if reading.get("anonymise"):
        models = _models(state["recipe"])
        texts = {seat: unnamed(text, models) for seat, text in texts.items()}
    if reading.get("fence"):
        sign = boundary(salt, place.node)
        texts = {seat: plain(text, sign) for seat, text in texts.items()}
    order = shuffled(texts, salt, place.node) if reading.get("shuffle") else list(texts)
    return {seat: texts[seat] for seat in order}


def _said(state: State, place: Place, texts: Mapping[str, str]) -> list[AnyMessage]:
    """The conversation behind what the node reads; without that, the conversation."""
    if not texts:
        return state["messages"]
    prompts, listed = state["recipe"]["prompts"], list(texts.values())
    if _reading(state, place).get("fence"):
        sign = boundary(state["recipe"]["salt"], place.node)
        references = fenced(listed, sign, prompts.get(FENCE) or read(FENCE))
    else:
        references = numbered(listed)
    return told(state["messages"], prompts[settings(state, place)["prompt"]], references)


def _reading(state: State, place: Place) -> Json:
    said = settings(state, place)
    return {key: said[key] for key in Reading.model_fields if said.get(key)}


def _models(recipe: Json) -> list[str]:
    asked = calls(recipe)
    others = [other for call in asked for other in call.get("fallbacks", [])]
    return [call["model"] for call in (*asked, *others)]


def _window(call: Call, most: int) -> str:
    return (
        f"the window of `{call.model}`, {most:,} tokens: shorten it, take another model, "
        "or say its `context_window`"
    )
