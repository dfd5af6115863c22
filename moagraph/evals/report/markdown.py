"""Renders a report as Markdown; charts become tables."""

import re
from collections.abc import Iterator, Sequence

from moagraph.evals.report.blocks import (
    BarChart,
    Block,
    ParetoPlot,
    RunReport,
    Statement,
    Table,
    WorstCase,
    format_interval,
    format_number,
)
from moagraph.evals.report.escape import escape_text
from moagraph.nodes.texts.printable import clean, one_line

FENCE = "`"
MARKUP = "\\|*_[]`"


def render_markdown(report: RunReport) -> str:
    """Render the whole report."""
    lines = [f"# {_cell(report.title)}", "", _cell(report.about), ""]
    lines += [f"- {_cell(note)}" for note in report.notes]
    for section in report.sections:
        lines += ["", f"## {_cell(section.title)}", ""]
        lines += [f"- {_cell(note)}" for note in section.notes]
        for block in section.blocks:
            lines += ["", *_block(block)]
    return "\n".join(lines) + "\n"


def _block(block: Block) -> Iterator[str]:
    match block:
        case BarChart():
            bars = [
                (bar.label, format_number(bar.value), format_interval(bar.interval))
                for bar in block.bars
            ]
            yield from _table(block.title, ("", block.unit, "range"), bars, block.note)
        case ParetoPlot():
            head = ("system", block.x_name, block.y_name, "Pareto-optimal")
            front = block.front
            points = [
                (
                    point.label,
                    f"{point.x:.4g}",
                    format_number(point.y),
                    "yes" if point in front else "",
                )
                for point in block.points
            ]
            yield from _table(block.title, head, points, block.note)
        case Table():
            yield from _table(block.title, block.head, block.rows, block.note)
        case WorstCase():
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


def _case(case: WorstCase) -> Iterator[str]:
    yield f"### {_cell(case.title)}"
    yield from _statement(Statement("question", case.question))
    layers = (statement for layer in case.layers for statement in layer)
    for statement in (*case.answers, *case.judge, *layers):
        yield from _statement(statement)


def _statement(statement: Statement) -> Iterator[str]:
    """Fence the text with more backticks than it contains, so that it cannot end its fence."""
    text = clean(statement.text)
    longest = max(map(len, re.findall(f"{FENCE}+", text)), default=0)
    fence = FENCE * max(3, longest + 1)
    failed = " (failed)" if statement.failed else ""
    yield from ("", f"*{_cell(statement.who)}*{failed}", "", f"{fence}text")
    yield text
    yield fence


def _cell(text: str) -> str:
    """Escape a text for a single line of Markdown."""
    plain = escape_text(one_line(str(text)))
    for character in MARKUP:
        plain = plain.replace(character, f"\\{character}")
    return plain
