"""Renders a report as one HTML page without scripts or external resources; all text is escaped."""

from collections.abc import Sequence
from importlib.resources import files

from moagraph.evals.report.blocks import (
    BarChart,
    Block,
    ParetoPlot,
    RunReport,
    Section,
    Statement,
    Table,
    WorstCase,
)
from moagraph.evals.report.escape import escape_text
from moagraph.evals.report.svg_charts import draw_bar_chart, draw_pareto_plot

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render_page(report: RunReport) -> str:
    """Render the whole page."""
    style = files(__package__).joinpath("report.css").read_text("utf-8")
    links = "".join(
        f'<li><a href="#s{number}">{escape_text(section.title)}</a></li>'
        for number, section in enumerate(report.sections)
    )
    sections = "".join(_section(number, section) for number, section in enumerate(report.sections))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape_text(report.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{escape_text(report.title)}</h1>\n<p>{escape_text(report.about)}</p>\n"
        f"{_notes(report.notes)}<nav><ul>{links}</ul></nav>\n</header>\n"
        f"<main>\n{sections}</main>\n</body>\n</html>\n"
    )


def _section(number: int, section: Section) -> str:
    blocks = "".join(_block(block) for block in section.blocks)
    return (
        f'<section id="s{number}">\n<h2>{escape_text(section.title)}</h2>\n'
        f"{_notes(section.notes)}{blocks}</section>\n"
    )


def _block(block: Block) -> str:
    match block:
        case BarChart():
            title = block.title if block.unit in block.title else f"{block.title}: {block.unit}"
            return _figure(title, draw_bar_chart(block), block.note)
        case ParetoPlot():
            return _figure(block.title, draw_pareto_plot(block), block.note)
        case Table():
            return _table(block)
        case WorstCase():
            return _case(block)


def _figure(title: str, drawing: str, note: str) -> str:
    return f"<figure>\n<h3>{escape_text(title)}</h3>\n{drawing}{_caption(note)}</figure>\n"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape_text(cell)}</th>' for cell in table.head)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape_text(cell)}</td>" for cell in row) + "</tr>\n"
        for row in table.rows
    )
    return (
        f'<figure>\n<h3>{escape_text(table.title)}</h3>\n<div class="wide" tabindex="0"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
        f"{_caption(table.note)}</figure>\n"
    )


def _case(case: WorstCase) -> str:
    layers = "".join(
        f"<h4>Layer {number}</h4>\n{_cards(statements)}"
        for number, statements in enumerate(case.layers, 1)
    )
    folded = f"<details><summary>every layer</summary>\n{layers}</details>\n" if layers else ""
    judge = "".join(_card(statement) for statement in case.judge)
    return (
        f'<article class="case">\n<h3>{escape_text(case.title)}</h3>\n'
        f'<div class="text" dir="auto">{escape_text(case.question)}</div>\n{_cards(case.answers)}'
        f"<details><summary>what the judge said</summary>\n{judge}</details>\n{folded}</article>\n"
    )


def _cards(statements: Sequence[Statement]) -> str:
    return f'<div class="cards">\n{"".join(map(_card, statements))}</div>\n'


def _card(statement: Statement) -> str:
    kind = "card failed" if statement.failed else "card"
    return (
        f'<div class="{kind}"><p class="author"><bdi>{escape_text(statement.who)}</bdi></p>'
        f'<div class="text" dir="auto">{escape_text(statement.text)}</div></div>\n'
    )


def _caption(note: str) -> str:
    return f"<figcaption>{escape_text(note)}</figcaption>\n" if note else ""


def _notes(notes: Sequence[str]) -> str:
    lines = "".join(f"<li>{escape_text(note)}</li>" for note in notes)
    return f'<ul class="notes">{lines}</ul>\n' if lines else ""
