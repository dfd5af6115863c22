"""`moa eval study`: the papers' studies, made again."""

import json
import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moagraph.cli.eval_score import needed
from moagraph.cli.render.output import out, say
from moagraph.nodes.errors import StorageError, UsageError
from moagraph.nodes.texts.printable import one_line

if TYPE_CHECKING:
    from moagraph.evals.bootstrap import Interval
    from moagraph.evals.results import Results
    from moagraph.evals.studies.run_questions import JudgedQuestions

CHOICES = ("spearman", "choosers")
RUN = ("proposers", "roles", "depths")
USUAL_TARGETS = ("Together-MoA", "gpt4_1106_preview", "gpt-4o-2024-05-13")
HEARD = "the single models' answers are ranked; a mixture heard samples of its own"
UNSEEN = "no target saw any of the answers that are ranked"
PLAN = ("--models", "--aggregator", "--out")
WAYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "spearman": (("--data", "--target"), ("--run", "--target")),
    "choosers": (("--data",), ("--run",), PLAN),
    "diversity": (("--run",),),
    **{name: (PLAN, ("--run",)) for name in RUN},
}


@dataclass(frozen=True)
class Asked:
    """What is asked of a study."""

    data: Path | None = None
    targets: Sequence[str] = ()
    models: str = ""
    aggregator: str = ""
    output: Path | None = None
    run: Path | None = None

    @property
    def options(self) -> list[str]:
        """Those that were given."""
        said = {
            "--data": self.data, "--target": self.targets, "--models": self.models,
            "--aggregator": self.aggregator, "--out": self.output, "--run": self.run,
        }  # fmt: skip
        return [option for option, value in said.items() if value]


def study(name: str, asked: Asked, as_json: bool) -> None:
    """Print the study's table."""
    _check(name, asked)
    needed("numpy", "sacrebleu", "rapidfuzz")
    if name in CHOICES and not asked.models:
        told = [
            _choosers(one) if name == "choosers" else _spearman(one, asked.targets)
            for one in _questions(name, asked)
        ]
        rows = [row for found, _ in told for row in found]
        shown = [line for _, lines in told for line in ("", *lines)][1:]
    elif name == "diversity":
        rows, shown = _diversity(asked.run)
    elif asked.run is not None:
        rows, shown = _tabulated(asked.run)
    else:
        rows, shown = _planned(name, asked)
    said = [{key: _known(value) for key, value in row.items()} for row in rows]
    out(json.dumps(said, ensure_ascii=False) if as_json else "\n".join(shown))


def _check(name: str, asked: Asked) -> None:
    """Nothing that is said is passed over in silence."""
    if name not in WAYS:
        raise UsageError(f"there is no study {name!r}; there are {', '.join(WAYS)}")
    given = asked.options
    if not any(set(given) <= set(way) for way in WAYS[name]):
        ways = ", or ".join(" ".join(way) for way in WAYS[name])
        raise UsageError(f"`moa eval study {name}` takes {ways}: not {' '.join(given)}")


def _known(value: Any) -> Any:
    """JSON has no word for what is not a number."""
    return None if isinstance(value, float) and math.isnan(value) else value


Table = tuple[list[dict[str, Any]], list[str]]


def _questions(name: str, asked: Asked) -> "list[JudgedQuestions]":
    """What is studied, by judge."""
    from moagraph.evals.studies.recorded_questions import read_questions
    from moagraph.evals.studies.run_questions import JudgedQuestions, judged_questions

    if asked.data is not None:
        return [JudgedQuestions("", "win rate, %", read_questions(asked.data))]
    if asked.run is None:
        more = ", or --models A,B,C to plan a run" if name == "choosers" else ""
        raise UsageError(
            f"`moa eval study {name}` needs recorded answers, --data FOLDER, or a run's, "
            f"--run FOLDER{more}"
        )
    return judged_questions(_read(asked.run))


def _choosers(told: "JudgedQuestions") -> Table:
    from moagraph.evals.studies.choosers import compare_choosers, random_choice_deviation

    found = compare_choosers(told.questions)
    lines = [(one.name, f"{one.win_rate:.1f}", _between(one.interval, 1)) for one in found]
    head = ("way to choose", told.measure, "95 % interval")
    n, off = found[0].n, random_choice_deviation(told.questions)
    notes = "", f"{n} questions; random is what a draw is worth on average, give or take {off:.1f}"
    return _by(told, [asdict(one) for one in found]), [*_head(told), *table(head, lines), *notes]


def _spearman(told: "JudgedQuestions", targets: Sequence[str]) -> Table:
    from moagraph.evals.studies.spearman import MEASURES, correlate_with_preference

    asked = told.questions
    answered = {name for one in asked for name in one.answers}
    unjudged = sorted(answered - {name for one in asked for name in one.preference})
    wanted = list(targets) or [name for name in USUAL_TARGETS if name in unjudged] or unjudged
    for name in wanted:
        if name not in answered:
            raise UsageError(f"no recorded answer is of {name!r}; there are {', '.join(unjudged)}")
    total, done = len(MEASURES) * len(wanted), iter(range(1, 1000))
    found = correlate_with_preference(
        asked, wanted, on_done=lambda: say(f"moa: compared {next(done)} of {total}")
    )
    lines = [
        (
            one.measure,
            one.target,
            f"{one.value:.2f}",
            _between(one.interval, 2),
            f"{one.tau:.2f}",
            "" if one.partial is None else f"{one.partial:.2f}",
            _between(one.partial_interval, 2) if one.partial is not None else "",
        )
        for one in found
    ]
    between = "95 % interval"
    head = ("measure", "target", "spearman", between, "kendall", "length held", between)
    note = f"{found[0].questions} questions; {HEARD if told.judge else UNSEEN}"
    rows = _by(told, [asdict(one) for one in found])
    return rows, [*_head(told), *table(head, lines), "", note]


def _by(told: "JudgedQuestions", rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with their judge, of which a run may have several."""
    return [{"judge": told.judge, **row} for row in rows] if told.judge else rows


def _head(told: "JudgedQuestions") -> list[str]:
    return [f"judge {told.judge}, {told.measure}"] if told.judge else []


def _diversity(run: Path | None) -> Table:
    from moagraph.evals.published import published_tables
    from moagraph.evals.studies.diversity import (
        fit_regression,
        published_regressions,
        score_mixtures,
    )

    found = published_regressions(published_tables()["selfmoa_table4_regression"]["rows"])
    if run is not None:
        results = _read(run)
        judges = list(dict.fromkeys(str(row["judge"]) for row in results.verdicts))
        found += [
            fit_regression(f"{run.name}, {judge}", score_mixtures(results, judge))
            for judge in judges
        ]
    lines = [
        (
            one.name,
            f"{one.quality:.3f} +- {one.quality_error:.3f}",
            f"{one.diversity:.3f} +- {one.diversity_error:.3f}",
            f"{one.r2:.3f}",
            "Self-MoA, table 4" if one.n is None else f"{one.n} mixtures",
        )
        for one in found
    ]
    head = ("data", "quality", "diversity", "R2", "of")
    return [asdict(one) for one in found], list(table(head, lines))


def _tabulated(run: Path) -> Table:
    from moagraph.evals.studies.system_table import build_system_table

    found = build_system_table(_read(run))
    lines = [
        (
            one.system, one.judge, one.measure, str(one.n), f"{one.value:.2f}",
            _between(one.interval, 2), f"{one.calls:.1f}", f"{one.tokens:.0f}", one.at_calls,
            one.at_tokens,
        )
        for one in found
    ]  # fmt: skip
    head = (
        "system", "judge", "measure", "n", "value", "95 % interval", "calls", "tokens",
        "best at no more calls", "best at no more tokens",
    )  # fmt: skip
    return [asdict(one) for one in found], list(table(head, lines))


def _read(run: Path) -> "Results":
    """A run's results; what is wrong with them is told."""
    from moagraph.evals.results import read_results

    results = read_results(run)
    for note in results.notes:
        say(f"moa: {one_line(note)}")
    return results


def _planned(name: str, asked: Asked) -> Table:
    """The recipes, written where that is wanted, and the command that runs them."""
    from moagraph.evals.studies.study_recipes import (
        STUDIES,
        build_study_recipes,
        render_recipe_toml,
        single_models,
    )
    from moagraph.graphs.recipe.call_count import max_calls

    said = [model.strip() for model in asked.models.split(",") if model.strip()]
    output = asked.output
    by = asked.aggregator or (said[0] if said else "")
    found, single = build_study_recipes(name, said, by), single_models(name, said, by)
    told = list(STUDIES[name](said, by))
    names = [one.name for one in found]
    if output is not None:
        _write(output, {f"{one['name']}.toml": render_recipe_toml(one) for one in told})
        names = [str(output / f"{one}.toml") for one in names]
        systems = " ".join(f"--system {shlex.quote(name)}" for name in [*names, *single])
        say(f"moa: wrote {len(told)} recipes; `moa eval run` takes them: {systems}")
    lines = [(one.name, str(max_calls(one)), ", ".join(one.models)) for one in found]
    rows: list[dict[str, Any]] = [*told, *({"model": model} for model in single)]
    alone_lines = [(model, "1", model) for model in single]
    return rows, list(table(("system", "calls", "models"), [*lines, *alone_lines]))


def _write(folder: Path, texts: dict[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write to {str(folder)!r}: {error.strerror}") from error


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest entry."""
    cells = [[one_line(cell) for cell in row] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()


def _between(interval: "Interval | None", digits: int) -> str:
    if interval is None:
        return ""
    low, high = interval
    return f"{low:.{digits}f} to {high:.{digits}f}"
