"""The report as one HTML page: no script, nothing fetched, every text only text."""

from collections.abc import Sequence
from importlib.resources import files

from moagraph.evals.report import draw
from moagraph.evals.report.blocks import Bars, Case, Pareto, Report, Said, Section, Table
from moagraph.evals.report.safe import safe

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(report: Report) -> str:
    """The whole page."""
    style = files(__package__).joinpath("report.css").read_text("utf-8")
    links = "".join(
        f'<li><a href="#s{place}">{safe(section.title)}</a></li>'
        for place, section in enumerate(report.sections)
    )
    sections = "".join(_section(place, one) for place, one in enumerate(report.sections))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{safe(report.title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{safe(report.title)}</h1>\n<p>{safe(report.about)}</p>\n"
        f"{_notes(report.notes)}<nav><ul>{links}</ul></nav>\n</header>\n"
        f"<main>\n{sections}</main>\n</body>\n</html>\n"
    )


def _section(place: int, section: Section) -> str:
    blocks = "".join(_block(block) for block in section.blocks)
    return (
        f'<section id="s{place}">\n<h2>{safe(section.title)}</h2>\n'
        f"{_notes(section.notes)}{blocks}</section>\n"
    )


def _block(block: Bars | Pareto | Table | Case) -> str:
    match block:
        case Bars():
            title = block.title if block.unit in block.title else f"{block.title}: {block.unit}"
            return _figure(title, draw.bars(block), block.note)
        case Pareto():
            return _figure(block.title, draw.pareto(block), block.note)
        case Table():
            return _table(block)
        case Case():
            return _case(block)


def _figure(title: str, drawing: str, note: str) -> str:
    return f"<figure>\n<h3>{safe(title)}</h3>\n{drawing}{_caption(note)}</figure>\n"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{safe(cell)}</th>' for cell in table.head)
    rows = "".join(
        "<tr>" + "".join(f"<td>{safe(cell)}</td>" for cell in row) + "</tr>\n" for row in table.rows
    )
    return (
        f'<figure>\n<h3>{safe(table.title)}</h3>\n<div class="wide" tabindex="0"><table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
        f"{_caption(table.note)}</figure>\n"
    )


def _case(case: Case) -> str:
    layers = "".join(
        f"<h4>Layer {place}</h4>\n{_beside(seats)}" for place, seats in enumerate(case.layers, 1)
    )
    folded = f"<details><summary>every layer</summary>\n{layers}</details>\n" if layers else ""
    judge = "".join(_said(one) for one in case.judge)
    return (
        f'<article class="case">\n<h3>{safe(case.title)}</h3>\n'
        f'<div class="said" dir="auto">{safe(case.question)}</div>\n{_beside(case.answers)}'
        f"<details><summary>what the judge said</summary>\n{judge}</details>\n{folded}</article>\n"
    )


def _beside(texts: Sequence[Said]) -> str:
    return f'<div class="beside">\n{"".join(_said(one) for one in texts)}</div>\n'


def _said(one: Said) -> str:
    kind = "card failed" if one.failed else "card"
    return (
        f'<div class="{kind}"><p class="who"><bdi>{safe(one.who)}</bdi></p>'
        f'<div class="said" dir="auto">{safe(one.text)}</div></div>\n'
    )


def _caption(note: str) -> str:
    return f"<figcaption>{safe(note)}</figcaption>\n" if note else ""


def _notes(notes: Sequence[str]) -> str:
    lines = "".join(f"<li>{safe(note)}</li>" for note in notes)
    return f'<ul class="notes">{lines}</ul>\n' if lines else ""
