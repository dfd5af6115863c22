"""Kept turns and their differences as a terminal shows them."""

import json
import textwrap
from collections.abc import Iterator, Mapping

from moagraph.cli.render.record import facts
from moagraph.cli.render.rows import counted
from moagraph.cli.trust import trust_lines
from moagraph.nodes.policies.budget_report import exceeded_line
from moagraph.nodes.state import Json
from moagraph.nodes.texts.printable import one_line
from moagraph.threads.branches import Fork
from moagraph.threads.diff import Changed, Difference
from moagraph.threads.turn_view import Layer, Shown

Sent = Mapping[str, list[Json]]


def turn_told(found: Shown, sent: bool, whole: bool) -> Iterator[str]:
    """A turn: the question, each layer, the answer, the bill; the layers only if not whole."""
    came = found.came
    if whole:
        yield f"thread {came.thread_id}, {_where(found)}, recipe `{came.recipe}`: {came.status}"
        yield from trust_lines(came.thread_id, found.trust)
        yield f"\nquestion\n{_indented(found.question)}"
    for layer in found.layers:
        yield from _layer(layer, found.sent if sent else {}, found.answering if whole else None)
    if whole:
        yield from _end(found)


def _layer(layer: Layer, sent: Sent, answering: Json | None) -> Iterator[str]:
    """The answer itself is told once, below everything."""
    yield f"\n{layer.title}"
    for proposal in layer.proposals:
        yield f"  {layer.number}.{proposal['seat']} {proposal['model']} {_outcome(proposal)}"
        yield from _said(proposal, sent)
    for step in layer.steps:
        if "kept" in step:
            yield f"  {step['node']} hands on {', '.join(step['kept'])}"
        if "why" in step:
            yield f"  {step['node']} {verdict(step)}"
        if step.get("report"):
            yield f"  {step['node']} reports"
            yield _indented(step["report"], 4)
        if "unsupported" in step:
            of = len(step["sentences"])
            yield f"  {step['node']} finds {step['unsupported']} of {of} sentences unsupported"
        for one in step.get("verdicts", ()):
            why = f": {one['why']}" if one["why"] else ""
            yield f"  {step['node']} {one['by']} {one['verdict']}{why}"
        if "model" in step:
            yield f"  {step['node']} {step['model']} {_outcome(step)}"
            yield from _said({**step, "text": ""} if step is answering else step, sent)
        yield from _noted(step, sent)


def _noted(step: Json, sent: Sent) -> Iterator[str]:
    """What the step says of itself, and each of the calls that it made."""
    noted = list(facts(step))
    if noted and "kept" not in step and "model" not in step:
        yield f"  {step['node']}"
    yield from (_indented(fact, 4) for fact in noted)
    for label, call in step.get("calls", {}).items():
        yield f"    {step['node']} {label} {call['model']} {_outcome(call)}"
        yield from _said({**call, "node": f"{step['node']}.{label}"}, sent, 6)


def _said(record: Json, sent: Sent, by: int = 4) -> Iterator[str]:
    for message in sent.get(record["node"], []):
        yield _indented(f"sent, as {message['role']}:", by)
        yield _indented(content_of(message), by + 2)
    if record["text"]:
        yield _indented(record["text"], by)


def _end(found: Shown) -> Iterator[str]:
    came, id_ = found.came, found.came.thread_id
    endings = {
        "done": f"\nanswer\n{came.answer}",
        "failed": f"\nfailed: {came.error}; `moa retry {id_}` asks again only what failed",
        "paused": f"\npaused before {', '.join(came.next)}; `moa resume {id_}` goes on",
        "stopped": f"\nstopped before {', '.join(came.next)}; `moa resume {id_}` goes on",
        "running": f"\nrunning: {', '.join(came.next)}",
    }
    yield endings[came.status]
    yield f"\n{bill(came.usage, came.cost_usd, came.seconds)}"
    yield from map(exceeded_line, came.over_budget)
    if found.forks > 1:
        yield f"this is fork @{found.fork} of {found.forks}: `moa show {id_} --forks` lists them"


def difference_told(found: Difference) -> Iterator[str]:
    """Both runs, what is the same, what changed and how."""
    for side, sign in zip(found.sides, "-+", strict=True):
        came = side.came
        took = bill(came.usage, came.cost_usd, came.seconds)
        yield f"{sign} {came.thread_id}, {_where(side)}: {came.status}, {took}"
        yield f"    {textwrap.shorten(side.question, 90, placeholder=' …')}"
    yield _dearer(found)
    same = [answer.name for answer in found.answers if answer.same]
    yield f"\nthe same: {', '.join(same) or 'nothing'}"
    for answer in found.answers:
        if not answer.same:
            yield from _changed(answer)


def fork_told(fork: Fork, end: Shown) -> str:
    """A fork: its name, when and how it ended, what it left, and the start of its answer."""
    left = f", forked from @{fork.origin}" if fork.origin else ""
    where = f"{end.at[:16].replace('T', ' ')}  {end.came.status}, turn {end.turn}{left}"
    said = textwrap.shorten(end.came.answer, 60, placeholder=" …")
    return one_line(f"{end.came.thread_id}@{fork.number}  {where}  {said}")


def ended(record: Json) -> str:
    """How a call ended, in a word."""
    return "done" if record["kind"] == "ok" else str(record["kind"])


def verdict(step: Json) -> str:
    """What a step has decided, and why."""
    settled = {True: "settles the turn: ", False: "goes on: ", None: ""}
    chosen = f"takes {step['chosen']}: " if "chosen" in step else ""
    return f"{chosen}{settled[step.get('settled')]}{one_line(step['why'])}"


def took(record: Json) -> str:
    """What a call took, or why it failed."""
    if not record["ok"]:
        tries = f" ({counted(record['attempts'], 'attempt')})" if record["attempts"] else ""
        return f"{record['error']}{tries}"
    tokens = [record["input_tokens"], record["output_tokens"]]
    heard, said = ("?" if number is None else number for number in tokens)
    tries = f", {record['attempts']} attempts" if record["attempts"] > 1 else ""
    price = "" if record["cost_usd"] is None else f", ${record['cost_usd']:.4f}"
    short = len(record.get("shortened", ()))
    cut = f", {counted(short, 'answer')} shortened" if short else ""
    about = "about " if record.get("estimated") else ""
    notes = "".join(f"; {one_line(note)}" for note in record.get("warnings", ()))
    tokens_told = f"{about}{heard} + {said} tokens"
    return f"{record['seconds']:.1f} s, {tokens_told}{tries}{price}{cut}{notes}"


def bill(usage: dict[str, int], cost_usd: float | None, seconds: float) -> str:
    """What a turn took, in words."""
    price = "price unknown" if cost_usd is None else f"${cost_usd:.4f}"
    about = "about " if usage.get("estimated") else ""
    tokens = f"{about}{usage['input_tokens']} + {usage['output_tokens']} tokens"
    return f"{counted(usage['calls'], 'call')}, {tokens}, {price}, {seconds:.1f} s"


def _outcome(record: Json) -> str:
    edited = ", edited" if record["edited"] else ""
    return f"{ended(record)}{edited}: {took(record)}"


def _changed(answer: Changed) -> Iterator[str]:
    one, other = answer.models
    models = (
        str(one or other or "") if one == other or None in answer.models else f"{one} -> {other}"
    )
    if None in answer.texts:
        models += f", only in {'+' if answer.texts[0] is None else '-'}"
    elif answer.kinds[0] != answer.kinds[1]:
        models += f", {answer.kinds[0]} -> {answer.kinds[1]}"
    yield f"\n{answer.name} {models}".replace(" , only", ", only").rstrip()
    yield _indented(answer.changes, 4)


def _dearer(found: Difference) -> str:
    """What the second run took more or less than the first."""
    one, other = (side.came for side in found.sides)
    calls, heard, said = (
        other.usage[what] - one.usage[what] for what in ("calls", "input_tokens", "output_tokens")
    )
    known = None not in (one.cost_usd, other.cost_usd)
    price = f"${(other.cost_usd or 0) - (one.cost_usd or 0):+.4f}" if known else "price unknown"
    seconds = other.seconds - one.seconds
    return f"difference: {calls:+} calls, {heard:+} {said:+} tokens, {price}, {seconds:+.1f} s"


def _where(found: Shown) -> str:
    fork = f"fork @{found.fork} of {found.forks}, " if found.forks > 1 else ""
    return f"{fork}turn {found.turn} of {found.turns}"


def content_of(message: Json) -> str:
    """A message's text; what is no text, as JSON."""
    content = message.get("content") or ""
    said = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    more = {key: value for key, value in message.items() if key not in ("role", "content")}
    return f"{said}\n{json.dumps(more, ensure_ascii=False)}".strip() if more else said


def _indented(text: str, by: int = 2) -> str:
    return textwrap.indent(text, " " * by)
