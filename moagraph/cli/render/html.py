"""A turn as one self-contained HTML page: a row for each layer, its seats side by side."""

from collections.abc import Iterator
from html import escape
from pathlib import Path

from moagraph.cli.render.record import record_lines
from moagraph.cli.render.rows import counted
from moagraph.cli.render.text import call_text, cost_text, message_text, state_word, verdict_text
from moagraph.nodes.state import Json
from moagraph.nodes.texts.printable import clean
from moagraph.threads.turn_view import LayerView, TurnView

STYLE = Path(__file__).with_name("page.css")
# Nothing in a model's text can be fetched or run, even if it were not escaped.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render_page(view: TurnView) -> str:
    """The whole page."""
    title = " ".join(view.question.split())[:80] or view.run_result.thread_id
    most_seats = max((len(layer.proposals) for layer in view.layers), default=1)
    rows = "".join(_layer_html(layer, view) for layer in view.layers)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_safe(title)}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n"
        f"</head>\n<body>\n{_header_html(view)}"
        f'<main class="board" tabindex="0" style="--seats: {most_seats}">\n{rows}</main>\n'
        f"{_footer_html(view)}</body>\n</html>\n"
    )


def _header_html(view: TurnView) -> str:
    """Where the turn is stored, the question, and what the turn took."""
    result = view.run_result
    fork = f" · fork @{view.fork} of {view.forks}" if view.forks > 1 else ""
    turn = f"turn {view.turn} of {view.turns}{fork}"
    position = f"{result.recipe} · thread {result.thread_id} · {turn}"
    time = view.at[:16].replace("T", " ")
    return (
        f'<header>\n<p class="where">{_safe(position)} · <time>{_safe(time)}</time></p>\n'
        f'<h1 class="said" dir="auto">{_safe(view.question)}</h1>\n'
        f'<p class="bill">{_mark_html(result.status, result.status)} '
        f"{_safe(cost_text(result.usage, result.cost_usd, result.seconds))}</p>\n</header>\n"
    )


def _layer_html(layer: LayerView, view: TurnView) -> str:
    seats = "".join(
        _card_html(f"{layer.number}.{record['seat']}", record, view.sent.get(record["node"], []))
        for record in layer.proposals
    )
    steps = "".join(_step_html(step, view) for step in layer.steps if step is not view.answering)
    title = layer.title.capitalize()
    return (
        f'<section aria-label="{title}">\n<h2>{title}</h2>\n'
        f'<div class="seats">\n{seats}</div>\n{steps}</section>\n'
    )


def _step_html(step: Json, view: TurnView) -> str:
    """The step's own call and those that it made, then what it decided and recorded."""
    node = step["node"]
    calls = {node: step} if "model" in step else {}
    calls |= {f"{node}.{label}": call for label, call in step.get("calls", {}).items()}
    cards = (_card_html(name, call, view.sent.get(name, [])) for name, call in calls.items())
    lines = (f'<p class="kept">{_safe(line)}</p>\n' for line in _step_lines(step))
    return "".join([*cards, *lines])


def _step_lines(step: Json) -> Iterator[str]:
    if step.get("kept"):
        yield f"hands on {', '.join(step['kept'])}"
    if "why" in step:
        yield f"{step['node']} {verdict_text(step)}"
    yield from record_lines(step)


def _card_html(name: str, record: Json, sent: list[Json]) -> str:
    """One answer: its model, how the call ended, the text, and folded what was sent."""
    kind = "ok" if record["ok"] else "failed"
    marks = _mark_html(kind, state_word(record))
    marks += _mark_html("edited", "edited") if record["edited"] else ""
    return (
        f'<article class="card {kind}">\n<h3><span class="seat">{_safe(name)}</span> '
        f"<bdi>{_safe(record['model'])}</bdi></h3>\n"
        f'<p class="took">{marks}{_safe(call_text(record))}</p>\n'
        f"{_text_html(record['text']) if record['text'] else ''}{_sent_html(sent)}</article>\n"
    )


def _sent_html(sent: list[Json]) -> str:
    messages = [
        f"<dt>{_safe(message['role'])}</dt>"
        f'<dd class="said" dir="auto">{_safe(message_text(message))}</dd>'
        for message in sent
    ]
    if not messages:
        return ""
    summary = f"sent {counted(len(messages), 'message')}"
    return f"<details><summary>{summary}</summary><dl>{''.join(messages)}</dl></details>\n"


def _footer_html(view: TurnView) -> str:
    """The answer with the step that wrote it, or why there is none."""
    result = view.run_result
    if view.answering:
        body = _card_html("answer", view.answering, view.sent.get(view.last, []))
    elif result.status == "done":
        body = _text_html(result.answer)
    else:
        reason = f"{result.status} before {', '.join(result.next)}"
        if result.status == "failed" and result.error:
            reason = result.error
        body = f'<p class="why">{_safe(reason)}</p>\n'
    title = "Answer" if result.status == "done" else "No answer yet"
    return f'<footer class="{result.status}">\n<h2>{title}</h2>\n{body}</footer>\n'


def _text_html(text: str) -> str:
    return f'<div class="said" dir="auto">{_safe(text)}</div>\n'


def _mark_html(kind: str, word: str) -> str:
    return f'<span class="mark {_safe(kind)}">{_safe(word)}</span> '


def _safe(text: str) -> str:
    return escape(clean(text))
