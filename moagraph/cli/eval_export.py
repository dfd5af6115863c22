"""`moa eval export`: a run's files in the forms of `alpaca_eval` and of FastChat."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from moagraph.cli.eval_score import needed
from moagraph.cli.render.output import say
from moagraph.nodes.errors import StorageError, UsageError
from moagraph.nodes.texts.printable import one_line

if TYPE_CHECKING:
    from moagraph.evals.results import Results


def export(folder: Path, form: str, output: Path) -> None:
    """Write what there is, and name each file."""
    if form not in ("alpaca", "mt-bench"):
        raise UsageError(f"--format {form!r}: there are alpaca and mt-bench")
    needed("numpy")
    from moagraph.evals.results import read_results

    results = read_results(folder)
    for note in results.notes:
        say(f"moa: {one_line(note)}")
    try:
        for file in (_alpaca if form == "alpaca" else _mt_bench)(results, output):
            say(f"moa: wrote {file}")
    except OSError as error:
        raise StorageError(f"cannot write to {str(output)!r}: {error.strerror}") from error


def _alpaca(results: "Results", output: Path) -> list[Path]:
    from moagraph.evals.formats.alpaca import export_annotations, export_outputs, write_json_rows

    written = []
    for system in results.systems:
        file = output / plain(system) / "model_outputs.json"
        write_json_rows(file, export_outputs(results, system))
        written.append(file)
    compared = {
        (str(row["system"]), str(row["judge"])) for row in results.verdicts if row.get("baseline")
    }
    for system, judge in sorted(compared):
        file = output / plain(system) / plain(judge) / "annotations.json"
        write_json_rows(file, export_annotations(results, system, judge))
        written.append(file)
    return written


def _mt_bench(results: "Results", output: Path) -> list[Path]:
    from moagraph.evals.formats.mt_bench import export_answers, export_grades, write_lines

    written = []
    for system in results.systems:
        file = output / "model_answer" / f"{plain(system)}.jsonl"
        write_lines(file, export_answers(results, system))
        written.append(file)
    judges = {str(row["judge"]) for row in results.verdicts if row["method"] == "grade"}
    for judge in sorted(judges):
        file = output / "model_judgment" / f"{plain(judge)}_single.jsonl"
        write_lines(file, export_grades(results, judge))
        written.append(file)
    return written


def plain(name: str) -> str:
    """A name that can be a file's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._") or "unnamed"
