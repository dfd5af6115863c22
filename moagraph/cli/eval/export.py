"""`moa eval export`: a run's files in the forms of `alpaca_eval` and of FastChat."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moagraph.cli.eval.options import require
from moagraph.cli.render.output import say
from moagraph.nodes.errors import StorageError, UsageError
from moagraph.nodes.texts.printable import one_line

if TYPE_CHECKING:
    from moagraph.evals.results import Results


def export(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where an evaluation keeps its results.")
    ],
    form: Annotated[str, typer.Option("--format", help="alpaca, or mt-bench.")],
    output: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the files go.")
    ],
) -> None:
    """Write a run's answers and verdicts as other tools read them."""
    if form not in ("alpaca", "mt-bench"):
        raise UsageError(f"--format {form!r}: there are alpaca and mt-bench")
    require("numpy")
    from moagraph.evals.results import read_results

    results = read_results(folder)
    for note in results.notes:
        say(f"moa: {one_line(note)}")
    try:
        for file in (_write_alpaca if form == "alpaca" else _write_mt_bench)(results, output):
            say(f"moa: wrote {file}")
    except OSError as error:
        raise StorageError(f"cannot write to {str(output)!r}: {error.strerror}") from error


def _write_alpaca(results: "Results", output: Path) -> list[Path]:
    from moagraph.evals.formats.alpaca import export_annotations, export_outputs, write_json_rows

    files = []
    for system in results.systems:
        file = output / _file_name(system) / "model_outputs.json"
        write_json_rows(file, export_outputs(results, system))
        files.append(file)
    compared = {
        (str(row["system"]), str(row["judge"])) for row in results.verdicts if row.get("baseline")
    }
    for system, judge in sorted(compared):
        file = output / _file_name(system) / _file_name(judge) / "annotations.json"
        write_json_rows(file, export_annotations(results, system, judge))
        files.append(file)
    return files


def _write_mt_bench(results: "Results", output: Path) -> list[Path]:
    from moagraph.evals.formats.mt_bench import export_answers, export_grades, write_lines

    files = []
    for system in results.systems:
        file = output / "model_answer" / f"{_file_name(system)}.jsonl"
        write_lines(file, export_answers(results, system))
        files.append(file)
    judges = {str(row["judge"]) for row in results.verdicts if row["method"] == "grade"}
    for judge in sorted(judges):
        file = output / "model_judgment" / f"{_file_name(judge)}_single.jsonl"
        write_lines(file, export_grades(results, judge))
        files.append(file)
    return files


def _file_name(name: str) -> str:
    """The name of a system or judge without what a file's name cannot hold."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._") or "unnamed"
