"""What a node sends its model: the conversation, and what it reads in a form that fits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from langchain_core.messages import AnyMessage

from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.outgoing import Hearing, Sent
from moagraph.nodes.messages.window import answer, count, size, window
from moagraph.nodes.messages.compose import alone, answered, told
from moagraph.nodes.errors import UsageError
from moagraph.nodes.messages.fence import FENCE, Reading, boundary, fenced, plain, shuffled, unnamed
from moagraph.nodes.messages.context import given, informed
from moagraph.nodes.state import Json, model_calls
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


def as_kept(telling: Telling, view: NodeView) -> Json:
    """The telling as a record keeps it: texts that the state holds already by their seats."""
    said: Json = {"alone": telling.alone}
    known = view.answers
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


def from_kept(said: Json, view: NodeView) -> Telling:
    """The telling again, while the state still stands as it did."""
    known = {**view.answers, **said.get("texts", {})}
    texts = {seat: known[seat] for seat in said["seats"]} if "seats" in said else None
    ordered = said.get("ordered", False)
    return Telling(texts, said.get("values", {}), said.get("prompt"), said["alone"], ordered)


def hearing(view: NodeView, telling: Telling = PLAIN) -> Hearing:
    """What the node sends, whichever model is asked."""
    return partial(_heard, view, telling)


async def fits(view: NodeView, call: Call, telling: Telling) -> bool:
    """Whether the model can be sent all of it, and nothing has to be left out."""
    try:
        return "shortened" not in (await _heard(view, telling, call)).notes
    except UsageError:
        return False


def graded(view: NodeView, texts: Mapping[str, str]) -> dict[str, str]:
    """How the steps before have judged the answers, by their numbers, for a prompt that asks."""
    prompt = view.recipe["prompts"].get(view.settings["prompt"], "")
    if "grades" not in prompt or not texts or view.spec.reads is None:
        return {}
    grades: dict[str, str] = {}
    for node in view.spec.reads[1]:
        grades |= view.records.get(node, {}).get("grades", {})
    order = enumerate(shown(view, texts), 1)
    return {"grades": "".join(f"\n{n}. {grades.get(seat, '-')}" for n, seat in order)}


def sent(
    view: NodeView, shortened: Mapping[str, int], telling: Telling = PLAIN
) -> list[AnyMessage]:
    """The very messages, with so many characters left out of these seats' answers."""
    texts = shown(view, telling.texts, telling.ordered)
    left = {seat: cut(text, shortened.get(seat, 0)) for seat, text in texts.items()}
    return _said(view, telling, left)


def shown(
    view: NodeView, texts: Mapping[str, str] | None = None, ordered: bool = False
) -> dict[str, str]:
    """What the node reads by seat, in the order of its numbers, each as it may be shown."""
    read_ = view.answers if texts is None else texts
    stripped = {seat: text.strip() for seat, text in read_.items()}
    reading, salt = _reading(view), view.recipe.get("salt", "")
    if reading.get("anonymise"):
        models = _models(view.recipe)
        stripped = {seat: unnamed(text, models) for seat, text in stripped.items()}
    if reading.get("fence"):
        sign = boundary(salt, view.spec.name)
        stripped = {seat: plain(text, sign) for seat, text in stripped.items()}
    mixed = reading.get("shuffle") and not ordered
    order = shuffled(stripped, salt, view.spec.name) if mixed else list(stripped)
    return {seat: stripped[seat] for seat in order}


async def _heard(view: NodeView, telling: Telling, call: Call) -> Sent:
    texts = shown(view, telling.texts, telling.ordered)
    messages = _said(view, telling, texts)
    tokens = count(call, messages)
    most = await window(call, tokens)
    reading = _reading(view)
    own = _own(view, texts)
    order = [seat for seat in texts if seat != own]
    notes: Json = {"order": order} if order and any(reading.values()) else {}
    asked = _conversation(view, telling)
    if most is not None and count(call, asked) >= most:
        plainly = asked == given(view)
        what = "the question does" if plainly else "the question and its passages do"
        raise UsageError(f"{what} not fit {_window(call, most)}")
    if most is None or not texts or tokens + answer(call, most) <= SAFE * most:
        return Sent(messages, notes)
    shortened = _shortened(view, telling, call, most)
    return Sent(sent(view, shortened, telling), {**notes, "shortened": shortened})


def _shortened(
    view: NodeView, telling: Telling, call: Call, most: int
) -> dict[str, int]:
    """How many characters to leave out of which seat's answer, so that all fit together."""
    texts = shown(view, telling.texts, telling.ordered)
    free = SAFE * most - answer(call, most)
    room = free - count(call, _said(view, telling, dict.fromkeys(texts, "")))
    for _ in range(TRIES):
        left_out = _left_out(texts, room)
        over = count(call, sent(view, left_out, telling)) - free
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
    view: NodeView, telling: Telling, texts: Mapping[str, str]
) -> list[AnyMessage]:
    """The conversation behind what the node reads; without that, the conversation."""
    messages = _conversation(view, telling)
    if not texts and telling == PLAIN:
        return messages
    name = telling.prompt or view.settings["prompt"]
    prompt = view.recipe["prompts"].get(name) or read(name)
    own = _own(view, texts)
    others = [text for seat, text in texts.items() if seat != own]
    references = _references(view, others) if others else ""
    if own is not None:
        values = telling.values
        return answered(messages, texts[own], prompt, references, **values) if others else messages
    one_message = telling.alone or _reading(view).get("alone")
    return (alone if one_message else told)(messages, prompt, references, **telling.values)


def _conversation(view: NodeView, telling: Telling) -> list[AnyMessage]:
    """What was asked; who is to answer it also hears what was found for it."""
    return (given if telling.alone else informed)(view)


def _own(view: NodeView, texts: Mapping[str, str]) -> str | None:
    """The seat's own answer among those that it reads, where it is to debate with the others."""
    debates = view.spec.seat and view.settings.get("debate")
    return view.spec.seat if debates and view.spec.seat in texts else None


def _references(view: NodeView, texts: list[str]) -> str:
    if not _reading(view).get("fence"):
        return numbered(texts)
    sign = boundary(view.recipe["salt"], view.spec.name)
    return fenced(texts, sign, view.recipe["prompts"].get(FENCE) or read(FENCE))


def _reading(view: NodeView) -> Json:
    said = view.settings
    return {key: said[key] for key in Reading.model_fields if said.get(key)}


def _models(recipe: Json) -> list[str]:
    asked = model_calls(recipe)
    others = [other for call in asked for other in call.get("fallbacks", [])]
    return [call["model"] for call in (*asked, *others)]


def _window(call: Call, most: int) -> str:
    return (
        f"the window of `{call.model}`, {most:,} tokens: shorten it, take another model, "
        "or say its `context_window`"
    )
