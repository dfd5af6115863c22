"""The tables of `moa eval study`."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from moagraph.cli.eval.study import StudyOptions
from moagraph.cli.render.output import say
from moagraph.evals.bootstrap import Interval
from moagraph.evals.published import published_tables
from moagraph.evals.results import Results, read_results
from moagraph.evals.studies.choosers import compare_choosers, random_choice_deviation
from moagraph.evals.studies.diversity import (
    fit_regression,
    published_regressions,
    score_mixtures,
)
from moagraph.evals.studies.recorded_questions import Question, read_questions
from moagraph.evals.studies.run_questions import JudgedQuestions, judged_questions
from moagraph.evals.studies.spearman import MEASURES, correlate_with_preference
from moagraph.evals.studies.study_recipes import (
    STUDIES,
    build_study_recipes,
    render_recipe_toml,
    single_models,
)
from moagraph.evals.studies.system_table import build_system_table
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.nodes.errors import StorageError, UsageError
from moagraph.nodes.state import Json
from moagraph.nodes.texts.printable import one_line

CONFIDENCE = "95 % interval"
USUAL_TARGETS = ("Together-MoA", "gpt4_1106_preview", "gpt-4o-2024-05-13")
OWN_SAMPLES = "the single models' answers are ranked; a mixture heard samples of its own"
UNSEEN = "no target saw any of the answers that are ranked"


@dataclass(frozen=True)
class StudyTable:
    """A study's result: rows for JSON, and lines for the terminal."""

    rows: list[Json]
    lines: list[str]


def build_table(name: str, options: StudyOptions) -> StudyTable:
    """Run a study.

    Args:
        name: The study; see `WAYS`.
        options: The options, checked against the study's.
    """
    if name in ("spearman", "choosers") and not options.models:
        return _build_for_each_judge(name, options)
    if name == "diversity":
        return _build_diversity(options.run)
    if options.run is not None:
        return _build_system_table(options.run)
    return _plan(name, options)


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines in columns that are as wide as their widest cell."""
    cells = [[one_line(cell) for cell in row] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _build_for_each_judge(name: str, options: StudyOptions) -> StudyTable:
    """One table for each judge of a run; recorded answers have one preference."""
    rows: list[Json] = []
    blocks: list[str] = []
    for judged in _read_judged(name, options):
        if name == "choosers":
            table = _build_choosers(judged)
        else:
            table = _build_spearman(judged, options.targets)
        is_named = bool(judged.judge)
        rows += [{"judge": judged.judge, **row} if is_named else row for row in table.rows]
        heading = [f"judge {judged.judge}, {judged.measure}"] if is_named else []
        blocks.append("\n".join([*heading, *table.lines]))
    return StudyTable(rows, ["\n\n".join(blocks)])


def _read_judged(name: str, options: StudyOptions) -> list[JudgedQuestions]:
    """The questions, by judge."""
    if options.data is not None:
        return [JudgedQuestions("", "win rate, %", read_questions(options.data))]
    if options.run is None:
        more = ", or --models A,B,C to plan a run" if name == "choosers" else ""
        raise UsageError(
            f"`moa eval study {name}` needs recorded answers, --data FOLDER, or a run's, "
            f"--run FOLDER{more}"
        )
    return judged_questions(_read_run(options.run))


def _build_choosers(judged: JudgedQuestions) -> StudyTable:
    """Choosing one of the single models' answers, by chooser."""
    results = compare_choosers(judged.questions)
    cells = [(r.name, f"{r.win_rate:.1f}", _interval_text(r.interval, 1)) for r in results]
    head = ("way to choose", judged.measure, CONFIDENCE)
    deviation = random_choice_deviation(judged.questions)
    note = (
        f"{results[0].n} questions; random is what a draw is worth on average, "
        f"give or take {deviation:.1f}"
    )
    return StudyTable([asdict(r) for r in results], [*format_table(head, cells), "", note])


def _build_spearman(judged: JudgedQuestions, targets: Sequence[str]) -> StudyTable:
    """Similarity to each target, correlated with the judge's preference."""
    compared = _pick_targets(judged.questions, targets)
    total, done = len(MEASURES) * len(compared), iter(range(1, 1000))
    correlations = correlate_with_preference(
        judged.questions, compared, on_done=lambda: say(f"moa: compared {next(done)} of {total}")
    )
    cells = [
        (
            c.measure,
            c.target,
            f"{c.value:.2f}",
            _interval_text(c.interval, 2),
            f"{c.tau:.2f}",
            "" if c.partial is None else f"{c.partial:.2f}",
            "" if c.partial is None else _interval_text(c.partial_interval, 2),
        )
        for c in correlations
    ]
    head = ("measure", "target", "spearman", CONFIDENCE, "kendall", "length held", CONFIDENCE)
    note = f"{correlations[0].questions} questions; {OWN_SAMPLES if judged.judge else UNSEEN}"
    return StudyTable([asdict(c) for c in correlations], [*format_table(head, cells), "", note])


def _pick_targets(questions: Sequence[Question], targets: Sequence[str]) -> list[str]:
    """The targets of `--target`; without it, the usual ones, or every answer without a verdict."""
    answered = {name for question in questions for name in question.answers}
    judged = {name for question in questions for name in question.preference}
    unjudged = sorted(answered - judged)
    usual = [name for name in USUAL_TARGETS if name in unjudged]
    compared = list(targets) or usual or unjudged
    for name in compared:
        if name not in answered:
            raise UsageError(f"no recorded answer is of {name!r}; there are {', '.join(unjudged)}")
    return compared


def _build_diversity(run: Path | None) -> StudyTable:
    """The regression of Self-MoA's table 4, as published and on a run."""
    regressions = published_regressions(published_tables()["selfmoa_table4_regression"]["rows"])
    if run is not None:
        results = _read_run(run)
        judges = list(dict.fromkeys(str(row["judge"]) for row in results.verdicts))
        regressions += [
            fit_regression(f"{run.name}, {judge}", score_mixtures(results, judge))
            for judge in judges
        ]
    cells = [
        (
            r.name,
            f"{r.quality:.3f} +- {r.quality_error:.3f}",
            f"{r.diversity:.3f} +- {r.diversity_error:.3f}",
            f"{r.r2:.3f}",
            "Self-MoA, table 4" if r.n is None else f"{r.n} mixtures",
        )
        for r in regressions
    ]
    head = ("data", "quality", "diversity", "R2", "of")
    return StudyTable([asdict(r) for r in regressions], list(format_table(head, cells)))


def _build_system_table(run: Path) -> StudyTable:
    """Each system's score beside its calls and tokens."""
    systems = build_system_table(_read_run(run))
    cells = [
        (
            s.system, s.judge, s.measure, str(s.n), f"{s.value:.2f}",
            _interval_text(s.interval, 2), f"{s.calls:.1f}", f"{s.tokens:.0f}", s.at_calls,
            s.at_tokens,
        )
        for s in systems
    ]  # fmt: skip
    head = (
        "system", "judge", "measure", "n", "value", CONFIDENCE, "calls", "tokens",
        "best at no more calls", "best at no more tokens",
    )  # fmt: skip
    return StudyTable([asdict(s) for s in systems], list(format_table(head, cells)))


def _plan(name: str, options: StudyOptions) -> StudyTable:
    """The recipes to run; with `--out`, write them and print the systems for `moa eval run`."""
    models = [model.strip() for model in options.models.split(",") if model.strip()]
    aggregator = options.aggregator or (models[0] if models else "")
    recipes = build_study_recipes(name, models, aggregator)
    singles = single_models(name, models, aggregator)
    documents = list(STUDIES[name](models, aggregator))
    names = [recipe.name for recipe in recipes]
    if options.output is not None:
        texts = {f"{item['name']}.toml": render_recipe_toml(item) for item in documents}
        _write(options.output, texts)
        names = [str(options.output / f"{name}.toml") for name in names]
        systems = " ".join(f"--system {shlex.quote(name)}" for name in [*names, *singles])
        say(f"moa: wrote {len(documents)} recipes; `moa eval run` takes them: {systems}")
    cells = [(recipe.name, str(max_calls(recipe)), ", ".join(recipe.models)) for recipe in recipes]
    cells += [(model, "1", model) for model in singles]
    rows = [*documents, *({"model": model} for model in singles)]
    return StudyTable(rows, list(format_table(("system", "calls", "models"), cells)))


def _read_run(folder: Path) -> Results:
    """A run's results; notes on what is wrong with them go to standard error."""
    results = read_results(folder)
    for note in results.notes:
        say(f"moa: {one_line(note)}")
    return results


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write to {str(folder)!r}: {error.strerror}") from error


def _interval_text(interval: Interval | None, digits: int) -> str:
    if interval is None:
        return ""
    low, high = interval
    return f"{low:.{digits}f} to {high:.{digits}f}"
