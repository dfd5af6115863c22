"""What a node sends its model: the conversation, and what it reads in a form that fits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from langchain_core.messages import AnyMessage

from moagraph.nodes.models.call import Call
from moagraph.nodes.models.outgoing import Hearing, Sent
from moagraph.nodes.messages.window import answer, count, size, window
from moagraph.nodes.messages.compose import alone, answered, told
from moagraph.nodes.errors import UsageError
from moagraph.nodes.messages.fence import FENCE, Reading, boundary, fenced, plain, shuffled, unnamed
from moagraph.nodes.messages.context import given, informed
from moagraph.nodes.state import Json, Place, State, answers, calls, settings
from moagraph.nodes.messages.shorten import cut, fair, mark
from moagraph.prompts import numbered, read

SAFE = 0.9  # of a window, as tokens are only counted approximately
LEAST = 200  # characters of a long answer, below which reading it is of no use
TRIES = 8


@dataclass(frozen=True)
class Telling:
    """What is told beside the conversation: the node's prompt, filled.

    `texts` stand in for the answers that the node reads; `alone` puts all of it, the question
    too, into one message, for models that are to judge the question and not to answer it;
    `ordered` texts are never shuffled.
    """

    texts: Mapping[str, str] | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    prompt: str | None = None
    alone: bool = False
    ordered: bool = False


PLAIN = Telling()


def as_kept(telling: Telling, state: State, place: Place) -> Json:
    """The telling as a record keeps it: texts that the state holds already by their seats."""
    said: Json = {"alone": telling.alone}
    known = answers(state, place)
    if telling.texts is not None:
        new = {seat: text for seat, text in telling.texts.items() if known.get(seat) != text}
        said |= {"seats": list(telling.texts), **({"texts": new} if new else {})}
    if telling.values:
        said["values"] = dict(telling.values)
    if telling.prompt:
        said["prompt"] = telling.prompt
    if telling.ordered:
        said["ordered"] = True
    return said


def from_kept(said: Json, state: State, place: Place) -> Telling:
    """The telling again, while the state still stands as it did."""
    known = {**answers(state, place), **said.get("texts", {})}
    texts = {seat: known[seat] for seat in said["seats"]} if "seats" in said else None
    ordered = said.get("ordered", False)
    return Telling(texts, said.get("values", {}), said.get("prompt"), said["alone"], ordered)


def hearing(state: State, place: Place, telling: Telling = PLAIN) -> Hearing:
    """What the node sends, whichever model is asked."""
    return partial(_heard, state, place, telling)


async def fits(state: State, place: Place, call: Call, telling: Telling) -> bool:
    """Whether the model can be sent all of it, and nothing has to be left out."""
    try:
        return "shortened" not in (await _heard(state, place, telling, call)).notes
    except UsageError:
        return False


def graded(state: State, place: Place, texts: Mapping[str, str]) -> dict[str, str]:
    """How the steps before have judged the answers, by their numbers, for a prompt that asks."""
    prompt = state["recipe"]["prompts"].get(settings(state, place)["prompt"], "")
    if "grades" not in prompt or not texts or place.reads is None:
        return {}
    grades: dict[str, str] = {}
    for node in place.reads[1]:
        grades |= state["steps"].get(node, {}).get("grades", {})
    order = enumerate(shown(state, place, texts), 1)
    return {"grades": "".join(f"\n{n}. {grades.get(seat, '-')}" for n, seat in order)}


def sent(
    state: State, place: Place, shortened: Mapping[str, int], telling: Telling = PLAIN
) -> list[AnyMessage]:
    """The very messages, with so many characters left out of these seats' answers."""
    texts = shown(state, place, telling.texts, telling.ordered)
    left = {seat: cut(text, shortened.get(seat, 0)) for seat, text in texts.items()}
    return _said(state, place, telling, left)


def shown(
    state: State, place: Place, texts: Mapping[str, str] | None = None, ordered: bool = False
) -> dict[str, str]:
    """What the node reads by seat, in the order of its numbers, each as it may be shown."""
    read_ = answers(state, place) if texts is None else texts
    stripped = {seat: text.strip() for seat, text in read_.items()}
    reading, salt = _reading(state, place), state["recipe"].get("salt", "")
    if reading.get("anonymise"):
        models = _models(state["recipe"])
        stripped = {seat: unnamed(text, models) for seat, text in stripped.items()}
    if reading.get("fence"):
        sign = boundary(salt, place.node)
        stripped = {seat: plain(text, sign) for seat, text in stripped.items()}
    mixed = reading.get("shuffle") and not ordered
    order = shuffled(stripped, salt, place.node) if mixed else list(stripped)
    return {seat: stripped[seat] for seat in order}


async def _heard(state: State, place: Place, telling: Telling, call: Call) -> Sent:
    texts = shown(state, place, telling.texts, telling.ordered)
    messages = _said(state, place, telling, texts)
    tokens = count(call, messages)
    most = await window(call, tokens)
    reading = _reading(state, place)
    own = _own(state, place, texts)
    order = [seat for seat in texts if seat != own]
    notes: Json = {"order": order} if order and any(reading.values()) else {}
    asked = _conversation(state, place, telling)
    if most is not None and count(call, asked) >= most:
        plainly = asked == given(state, place)
        what = "the question does" if plainly else "the question and its passages do"
        raise UsageError(f"{what} not fit {_window(call, most)}")
    if most is None or not texts or tokens + answer(call, most) <= SAFE * most:
        return Sent(messages, notes)
    shortened = _shortened(state, place, telling, call, most)
    return Sent(sent(state, place, shortened, telling), {**notes, "shortened": shortened})


def _shortened(
    state: State, place: Place, telling: Telling, call: Call, most: int
) -> dict[str, int]:
    """How many characters to leave out of which seat's answer, so that all fit together."""
    texts = shown(state, place, telling.texts, telling.ordered)
    free = SAFE * most - answer(call, most)
    room = free - count(call, _said(state, place, telling, dict.fromkeys(texts, "")))
    for _ in range(TRIES):
        left_out = _left_out(texts, room)
        over = count(call, sent(state, place, left_out, telling)) - free
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


def _said(
    state: State, place: Place, telling: Telling, texts: Mapping[str, str]
) -> list[AnyMessage]:
    """The conversation behind what the node reads; without that, the conversation."""
    messages = _conversation(state, place, telling)
    if not texts and telling == PLAIN:
        return messages
    name = telling.prompt or settings(state, place)["prompt"]
    prompt = state["recipe"]["prompts"].get(name) or read(name)
    own = _own(state, place, texts)
    others = [text for seat, text in texts.items() if seat != own]
    references = _references(state, place, others) if others else ""
    if own is not None:
        values = telling.values
        return answered(messages, texts[own], prompt, references, **values) if others else messages
    one_message = telling.alone or _reading(state, place).get("alone")
    return (alone if one_message else told)(messages, prompt, references, **telling.values)


def _conversation(state: State, place: Place, telling: Telling) -> list[AnyMessage]:
    """What was asked; who is to answer it also hears what was found for it."""
    return (given if telling.alone else informed)(state, place)


def _own(state: State, place: Place, texts: Mapping[str, str]) -> str | None:
    """The seat's own answer among those that it reads, where it is to debate with the others."""
    debates = place.seat and settings(state, place).get("debate")
    return place.seat if debates and place.seat in texts else None


def _references(state: State, place: Place, texts: list[str]) -> str:
    if not _reading(state, place).get("fence"):
        return numbered(texts)
    sign = boundary(state["recipe"]["salt"], place.node)
    return fenced(texts, sign, state["recipe"]["prompts"].get(FENCE) or read(FENCE))


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
