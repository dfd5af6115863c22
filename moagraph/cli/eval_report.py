"""`moa eval report`: a run as a page, as Markdown and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from moagraph.cli.eval_score import constants_of, needed
from moagraph.cli.render.output import out, say
from moagraph.nodes.errors import StorageError, UsageError
from moagraph.nodes.texts.printable import one_line


def report(
    folders: Sequence[Path], output: Path | None, constants: str | None, as_json: bool
) -> None:
    """Write three files, and name the page."""
    if len(folders) > 2:
        raise UsageError(f"{len(folders)} folders: a report is of one run, or of two")
    needed("numpy")
    from moagraph.evals.report.build import build_report
    from moagraph.evals.report.html_page import render_page
    from moagraph.evals.report.markdown import render_markdown
    from moagraph.evals.results import read_results

    runs = [read_results(folder) for folder in folders]
    for note in (note for run in runs for note in run.notes):
        say(f"moa: {one_line(note)}")
    found = build_report(runs, constants_of(constants))
    plain = json.dumps(asdict(found), ensure_ascii=False)
    place = output or folders[0]
    _write(place, {"html": render_page(found), "md": render_markdown(found), "json": f"{plain}\n"})
    if as_json:
        out(plain)
    else:
        out(str(place / "report.html"))


def _write(place: Path, texts: dict[str, str]) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True)
        for ending, text in texts.items():
            file = place / f"report.{ending}"
            file.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise StorageError(f"cannot write to {str(place)!r}: {error.strerror}") from error
