"""`moa eval report`: a run, or two side by side, as a page, as Markdown and as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from moagraph.cli.eval.options import load_constants, require
from moagraph.cli.options import JsonOption
from moagraph.cli.render.output import out, say
from moagraph.nodes.errors import StorageError, UsageError
from moagraph.nodes.texts.printable import one_line


def report(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER [FOLDER]", help="A run, or two to compare.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="Default: beside the first's results."),
    ] = None,
    constants: Annotated[
        str | None,
        typer.Option("--constants", metavar="FILE|hub", help="Also win rates at equal length."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a run, or two beside each other, as a page with plots."""
    if len(folders) > 2:
        raise UsageError(f"{len(folders)} folders: a report is of one run, or of two")
    require("numpy")
    from moagraph.evals.report.build import build_report
    from moagraph.evals.report.html_page import render_page
    from moagraph.evals.report.markdown import render_markdown
    from moagraph.evals.results import read_results

    runs = [read_results(folder) for folder in folders]
    for note in (note for run in runs for note in run.notes):
        say(f"moa: {one_line(note)}")
    built = build_report(runs, load_constants(constants))
    as_text = json.dumps(asdict(built), ensure_ascii=False)
    folder = output or folders[0]
    texts = {"html": render_page(built), "md": render_markdown(built), "json": f"{as_text}\n"}
    _write(folder, texts)
    out(as_text if as_json else str(folder / "report.html"))


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    """Write `report.html`, `report.md` and `report.json`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for extension, text in texts.items():
            file = folder / f"report.{extension}"
            file.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise StorageError(f"cannot write to {str(folder)!r}: {error.strerror}") from error
