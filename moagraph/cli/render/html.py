"""A turn as one HTML page that needs nothing else: layers below, seats beside each other."""

from html import escape
from pathlib import Path

from moagraph.cli.render.record import facts
from moagraph.cli.render.rows import counted
from moagraph.cli.render.text import bill, content_of, ended, took, verdict
from moagraph.nodes.state import Json
from moagraph.nodes.texts.printable import clean
from moagraph.threads.turn_view import Layer, Shown

STYLE = Path(__file__).with_name("page.css")
# Nothing that a model says can be fetched or run, even if it were no longer only text.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(found: Shown) -> str:
    """The whole page."""
    title = " ".join(found.question.split())[:80] or found.came.thread_id
    widest = max((len(layer.proposals) for layer in found.layers), default=1)
    rows = "".join(_row(layer, found) for layer in found.layers)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_safe(title)}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n"
        f"</head>\n<body>\n{_head(found)}"
        f'<main class="board" tabindex="0" style="--seats: {widest}">\n{rows}</main>\n'
        f"{_foot(found)}</body>\n</html>\n"
    )


def _head(found: Shown) -> str:
    came = found.came
    fork = f" · fork @{found.fork} of {found.forks}" if found.forks > 1 else ""
    where = f"{came.recipe} · thread {came.thread_id} · turn {found.turn} of {found.turns}{fork}"
    when = found.at[:16].replace("T", " ")
    return (
        f'<header>\n<p class="where">{_safe(where)} · <time>{_safe(when)}</time></p>\n'
        f'<h1 class="said" dir="auto">{_safe(found.question)}</h1>\n'
        f'<p class="bill">{_mark(came.status, came.status)} '
        f"{_safe(bill(came.usage, came.cost_usd, came.seconds))}</p>\n</header>\n"
    )


def _row(layer: Layer, found: Shown) -> str:
    seats = "".join(
        _card(f"{layer.number}.{one['seat']}", one, found.sent.get(one["node"], []))
        for one in layer.proposals
    )
    behind = [step for step in layer.steps if step is not found.answering]
    steps = "".join(_step(step, found) for step in behind)
    title = layer.title.capitalize()
    return (
        f'<section aria-label="{title}">\n<h2>{title}</h2>\n'
        f'<div class="seats">\n{seats}</div>\n{steps}</section>\n'
    )


def _step(step: Json, found: Shown) -> str:
    node = step["node"]
    told = [f"hands on {', '.join(step['kept'])}"] if step.get("kept") else []
    told += [f"{node} {verdict(step)}"] if "why" in step else []
    told += facts(step)
    own = {node: step} if "model" in step else {}
    calls = own | {f"{node}.{label}": call for label, call in step.get("calls", {}).items()}
    cards = "".join(_card(name, call, found.sent.get(name, [])) for name, call in calls.items())
    return cards + "".join(f'<p class="kept">{_safe(line)}</p>\n' for line in told)


def _card(name: str, record: Json, sent: list[Json]) -> str:
    """One answer: who gave it, how it went, what it says, and folded what was sent."""
    kind = "ok" if record["ok"] else "failed"
    marks = _mark(kind, ended(record)) + (_mark("edited", "edited") if record["edited"] else "")
    text = f'<div class="said" dir="auto">{_safe(record["text"])}</div>\n' if record["text"] else ""
    return (
        f'<article class="card {kind}">\n<h3><span class="seat">{_safe(name)}</span> '
        f"<bdi>{_safe(record['model'])}</bdi></h3>\n"
        f'<p class="took">{marks}{_safe(took(record))}</p>\n'
        f"{text}{_folded(sent)}</article>\n"
    )


def _folded(sent: list[Json]) -> str:
    messages = [
        f"<dt>{_safe(message['role'])}</dt>"
        f'<dd class="said" dir="auto">{_safe(content_of(message))}</dd>'
        for message in sent
    ]
    if not messages:
        return ""
    summary = f"sent {counted(len(messages), 'message')}"
    return f"<details><summary>{summary}</summary><dl>{''.join(messages)}</dl></details>\n"


def _foot(found: Shown) -> str:
    """The answer with the step that wrote it, or why there is none."""
    came = found.came
    waits = f"{came.status} before {', '.join(came.next)}"
    body = f'<p class="why">{_safe((came.status == "failed" and came.error) or waits)}</p>\n'
    if found.answering:
        body = _card("answer", found.answering, found.sent.get(found.last, []))
    elif came.status == "done":
        body = f'<div class="said" dir="auto">{_safe(came.answer)}</div>\n'
    title = "Answer" if came.status == "done" else "No answer yet"
    return f'<footer class="{came.status}">\n<h2>{title}</h2>\n{body}</footer>\n'


def _mark(kind: str, word: str) -> str:
    return f'<span class="mark {_safe(kind)}">{_safe(word)}</span> '


def _safe(text: str) -> str:
    return escape(clean(text))
