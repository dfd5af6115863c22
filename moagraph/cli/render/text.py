"""Stored turns and forks as lines for a terminal."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from moagraph.cli.render.record import record_lines
from moagraph.cli.render.rows import counted
from moagraph.cli.render.trust import trust_lines
from moagraph.nodes.policies.budget_report import exceeded_line
from moagraph.nodes.state import Json
from moagraph.nodes.texts.printable import one_line
from moagraph.threads.branches import Fork
from moagraph.threads.turn_view import LayerView, TurnView

SentMessages = Mapping[str, list[Json]]


def turn_lines(view: TurnView, sent: bool, whole: bool) -> Iterator[str]:
    """A turn: the question, each layer, the answer and the cost.

    Args:
        view: The turn.
        sent: Whether to include the messages that each model was sent.
        whole: Whether to include more than the layers.
    """
    result = view.run_result
    if whole:
        position = position_text(view)
        yield f"thread {result.thread_id}, {position}, recipe `{result.recipe}`: {result.status}"
        yield from trust_lines(result.thread_id, view.trust)
        yield f"\nquestion\n{indent(view.question)}"
    for layer in view.layers:
        # The record that holds the answer is printed without its text: it follows at the end.
        yield from _layer_lines(layer, view.sent if sent else {}, view.answering if whole else None)
    if whole:
        yield from _end_lines(view)


def fork_line(fork: Fork, view: TurnView) -> str:
    """A fork: its name, its last turn and how that ended, and the start of its answer."""
    result = view.run_result
    origin = f", forked from @{fork.origin}" if fork.origin else ""
    end = f"{view.at[:16].replace('T', ' ')}  {result.status}, turn {view.turn}{origin}"
    answer = textwrap.shorten(result.answer, 60, placeholder=" …")
    return one_line(f"{result.thread_id}@{fork.number}  {end}  {answer}")


def state_word(record: Json) -> str:
    """How a call ended, in a word."""
    return "done" if record["kind"] == "ok" else str(record["kind"])


def verdict_text(step: Json) -> str:
    """What a gate or router decided, and why."""
    effects = {True: "settles the turn: ", False: "goes on: ", None: ""}
    choice = f"takes {step['chosen']}: " if "chosen" in step else ""
    return f"{choice}{effects[step.get('settled')]}{one_line(step['why'])}"


def call_text(record: Json) -> str:
    """What a call took, or why it failed."""
    if not record["ok"]:
        attempts = f" ({counted(record['attempts'], 'attempt')})" if record["attempts"] else ""
        return f"{record['error']}{attempts}"
    counts = [record["input_tokens"], record["output_tokens"]]
    tokens_in, tokens_out = ("?" if count is None else count for count in counts)
    attempts = f", {record['attempts']} attempts" if record["attempts"] > 1 else ""
    price = "" if record["cost_usd"] is None else f", ${record['cost_usd']:.4f}"
    shortened = len(record.get("shortened", ()))
    cut = f", {counted(shortened, 'answer')} shortened" if shortened else ""
    seconds, about = f"{record['seconds']:.1f} s", "about " if record.get("estimated") else ""
    tokens = f"{about}{tokens_in} + {tokens_out} tokens"
    warnings = "".join(f"; {one_line(note)}" for note in record.get("warnings", ()))
    return f"{seconds}, {tokens}{attempts}{price}{cut}{warnings}"


def cost_text(usage: Mapping[str, Any], cost_usd: float | None, seconds: float) -> str:
    """What a turn took: calls, tokens, dollars and seconds."""
    price = "price unknown" if cost_usd is None else f"${cost_usd:.4f}"
    about = "about " if usage.get("estimated") else ""
    tokens = f"{about}{usage['input_tokens']} + {usage['output_tokens']} tokens"
    return f"{counted(usage['calls'], 'call')}, {tokens}, {price}, {seconds:.1f} s"


def message_text(message: Json) -> str:
    """A message's content; what is not text is JSON."""
    content = message.get("content") or ""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    extra = {key: value for key, value in message.items() if key not in ("role", "content")}
    return f"{text}\n{json.dumps(extra, ensure_ascii=False)}".strip() if extra else text


def position_text(view: TurnView) -> str:
    """The turn's number, and its fork if there are several."""
    fork = f"fork @{view.fork} of {view.forks}, " if view.forks > 1 else ""
    return f"{fork}turn {view.turn} of {view.turns}"


def indent(text: str, width: int = 2) -> str:
    """Every line of the text, that many spaces to the right."""
    return textwrap.indent(text, " " * width)


def _layer_lines(layer: LayerView, sent: SentMessages, answering: Json | None) -> Iterator[str]:
    yield f"\n{layer.title}"
    for proposal in layer.proposals:
        label = f"{layer.number}.{proposal['seat']}"
        yield f"  {label} {proposal['model']} {_outcome_text(proposal)}"
        yield from _exchange_lines(proposal, sent)
    for step in layer.steps:
        yield from _verdict_lines(step)
        if "model" in step:
            yield f"  {step['node']} {step['model']} {_outcome_text(step)}"
            yield from _exchange_lines({**step, "text": ""} if step is answering else step, sent)
        yield from _detail_lines(step, sent)


def _verdict_lines(step: Json) -> Iterator[str]:
    """What the step decided about the answers that it read."""
    if "kept" in step:
        yield f"  {step['node']} hands on {', '.join(step['kept'])}"
    if "why" in step:
        yield f"  {step['node']} {verdict_text(step)}"
    if step.get("report"):
        yield f"  {step['node']} reports"
        yield indent(step["report"], 4)
    if "unsupported" in step:
        total = len(step["sentences"])
        yield f"  {step['node']} finds {step['unsupported']} of {total} sentences unsupported"
    for verdict in step.get("verdicts", ()):
        reason = f": {verdict['why']}" if verdict["why"] else ""
        yield f"  {step['node']} {verdict['by']} {verdict['verdict']}{reason}"


def _detail_lines(step: Json, sent: SentMessages) -> Iterator[str]:
    """The rest of the step's record, and each of the calls that it made."""
    details = list(record_lines(step))
    if details and "kept" not in step and "model" not in step:
        yield f"  {step['node']}"
    yield from (indent(detail, 4) for detail in details)
    for label, call in step.get("calls", {}).items():
        yield f"    {step['node']} {label} {call['model']} {_outcome_text(call)}"
        yield from _exchange_lines({**call, "node": f"{step['node']}.{label}"}, sent, 6)


def _exchange_lines(record: Json, sent: SentMessages, depth: int = 4) -> Iterator[str]:
    """The messages that a model was sent, and its text."""
    for message in sent.get(record["node"], []):
        yield indent(f"sent, as {message['role']}:", depth)
        yield indent(message_text(message), depth + 2)
    if record["text"]:
        yield indent(record["text"], depth)


def _end_lines(view: TurnView) -> Iterator[str]:
    result = view.run_result
    thread, following = result.thread_id, ", ".join(result.next)
    endings = {
        "done": f"\nanswer\n{result.answer}",
        "failed": f"\nfailed: {result.error}; `moa retry {thread}` asks again only what failed",
        "paused": f"\npaused before {following}; `moa resume {thread}` goes on",
        "stopped": f"\nstopped before {following}; `moa resume {thread}` goes on",
        "running": f"\nrunning: {following}",
    }
    yield endings[result.status]
    yield f"\n{cost_text(result.usage, result.cost_usd, result.seconds)}"
    yield from map(exceeded_line, result.over_budget)
    if view.forks > 1:
        yield f"this is fork @{view.fork} of {view.forks}: `moa show {thread} --forks` lists them"


def _outcome_text(record: Json) -> str:
    edited = ", edited" if record["edited"] else ""
    return f"{state_word(record)}{edited}: {call_text(record)}"
