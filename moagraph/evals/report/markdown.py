"""The report as Markdown: the same tables, and the plots as tables."""

from collections.abc import Iterator, Sequence

from moagraph.evals.report.blocks import (
    Bars,
    Case,
    Pareto,
    Report,
    Said,
    Table,
    between,
    number,
)
from moagraph.evals.report.safe import safe
from moagraph.nodes.texts.printable import clean, one_line

FENCE = "`"


def markdown(report: Report) -> str:
    """The whole text."""
    lines = [f"# {_cell(report.title)}", "", _cell(report.about), ""]
    lines += [f"- {_cell(note)}" for note in report.notes]
    for section in report.sections:
        lines += ["", f"## {_cell(section.title)}", ""]
        lines += [f"- {_cell(note)}" for note in section.notes]
        for block in section.blocks:
            lines += ["", *_block(block)]
    return "\n".join(lines) + "\n"


def _block(block: Bars | Pareto | Table | Case) -> Iterator[str]:
    match block:
        case Bars():
            bars = [(one.label, number(one.value), between(one.interval)) for one in block.bars]
            yield from _table(block.title, ("", block.unit, "range"), bars, block.note)
        case Pareto():
            head = ("system", block.x_name, block.y_name, "nothing beats it")
            front = block.front
            points = [
                (one.label, f"{one.x:.4g}", number(one.y), "yes" if one in front else "")
                for one in block.points
            ]
            yield from _table(block.title, head, points, block.note)
        case Table():
            yield from _table(block.title, block.head, block.rows, block.note)
        case Case():
            yield from _case(block)


def _table(
    title: str, head: Sequence[str], rows: Sequence[Sequence[str]], note: str
) -> Iterator[str]:
    yield f"**{_cell(title)}**"
    yield ""
    yield f"| {' | '.join(map(_cell, head))} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"
    if note:
        yield ""
        yield _cell(note)


def _case(case: Case) -> Iterator[str]:
    yield f"### {_cell(case.title)}"
    yield from _text(Said("question", case.question))
    for one in (*case.answers, *case.judge, *(seat for layer in case.layers for seat in layer)):
        yield from _text(one)


def _text(one: Said) -> Iterator[str]:
    """Fenced by more ticks than the text has, so that it cannot leave its fence."""
    text = clean(one.text)
    longest = max((len(run) for run in _ticks(text)), default=0)
    fence = FENCE * max(3, longest + 1)
    yield from ("", f"*{_cell(one.who)}*{' (failed)' if one.failed else ''}", "", f"{fence}text")
    yield text
    yield fence


def _ticks(text: str) -> list[str]:
    return "".join(sign if sign == FENCE else " " for sign in text).split()


def _cell(text: str) -> str:
    """One line that starts no markup of its own."""
    plain = safe(one_line(str(text)))
    for sign in "\\|*_[]`":
        plain = plain.replace(sign, f"\\{sign}")
    return plain
