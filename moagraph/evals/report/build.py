"""Builds the report on one run, or on two runs that are compared."""

from collections.abc import Sequence

from moagraph.evals.formats.alpaca import export_annotations
from moagraph.evals.length_control.constants import Constants
from moagraph.evals.length_control.pairs import parse_pairs
from moagraph.evals.length_control.score import Score, score_pairs
from moagraph.evals.report.blocks import RunReport, Section
from moagraph.evals.report.comparison import compare_runs, compare_with_best_model
from moagraph.evals.report.paper_tables import (
    LC,
    RunScore,
    build_paper_section,
    comparable_scores,
)
from moagraph.evals.report.run_blocks import build_run_blocks, run_name
from moagraph.evals.report.worst_cases import find_worst_cases
from moagraph.evals.results import Results
from moagraph.evals.summary import Measure, compute_measures
from moagraph.nodes.errors import UsageError


def build_report(runs: Sequence[Results], constants: Constants | None = None) -> RunReport:
    """Build the whole report.

    Args:
        runs: One run, or two, of which the first is compared with the second.
        constants: AlpacaEval's constants; without them there are no length-controlled win rates.
    """
    sections, scores = list[Section](), list[RunScore]()
    measured = [compute_measures(run) for run in runs]
    for run, run_measures in zip(runs, measured, strict=True):
        win_rates = _win_rates(run, run_measures, constants)
        scores += [*comparable_scores(run_measures), *_lc_scores(win_rates)]
        blocks = list(build_run_blocks(run, run_measures, win_rates))
        sections.append(Section(f"Run {run_name(run)}", blocks, run.notes))
    if len(runs) == 2:
        sections.append(compare_runs(runs[0], runs[1]))
    else:
        sections.append(compare_with_best_model(runs[0], measured[0]))
    sections += [
        Section(f"Worst cases of {run_name(run)}", cases)
        for run in runs
        if (cases := find_worst_cases(run))
    ]
    sections.append(build_paper_section(scores))
    names = " against ".join(run_name(run) for run in runs)
    is_smoke = any(run.run.get("smoke") for run in runs)
    notes = ["A smoke run: no conclusions"] if is_smoke else []
    return RunReport(names, "; ".join(map(_description, runs)), sections, notes)


def _description(run: Results) -> str:
    questions = len({str(row["id"]) for row in run.answers})
    rows = run.run.get("rows") or questions
    total = f" of {rows}" if isinstance(rows, int) and rows > questions else ""
    baseline = f", baseline {run.run['baseline']}" if run.run.get("baseline") else ""
    created = str(run.run.get("created") or "")[:16].replace("T", " ")
    dataset = run.run.get("dataset")
    return f"{dataset}: {questions}{total} questions{baseline}, {created}".rstrip(", ")


def _win_rates(
    run: Results, run_measures: Sequence[Measure], constants: Constants | None
) -> list[Score]:
    """Return the win rates of the pairwise measures whose baseline's answers are in the run."""
    if constants is None:
        return []
    win_rates = []
    for measure in run_measures:
        if not measure.method.startswith("pairwise") or measure.value is None:
            continue
        try:
            rows = export_annotations(run, measure.system, measure.judge)
            win_rates.append(
                score_pairs(parse_pairs(rows, str(run.run.get("baseline"))), constants)
            )
        except UsageError:
            continue  # the baseline's answers are not in the folder
    return win_rates


def _lc_scores(win_rates: Sequence[Score]) -> list[RunScore]:
    return [
        RunScore(rate.model, LC, rate.lc.value, rate.lc.interval) for rate in win_rates if rate.lc
    ]
