"""An evaluation: systems answer a data set and judges judge the answers, all in one folder."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from moagraph.evals.dataset import DataSet
from moagraph.evals.flops import ActiveParameters
from moagraph.evals.folder import EvaluationFolder, open_folder
from moagraph.evals.judge import AnswerJudge
from moagraph.evals.judges.factory import build_judge
from moagraph.evals.results import current_answers, turn_key
from moagraph.evals.run.answers import AnswerCollector
from moagraph.evals.run.concurrency import ProgressListener, SilentListener
from moagraph.evals.run.spending_limit import SpendingLimit
from moagraph.evals.run.systems import EvaluatedSystem, load_system
from moagraph.evals.run.verdicts import VerdictCollector, build_cases
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json

Preflight = Callable[[Sequence[Json]], Awaitable[None]]  # checks resolved recipes before a run
AnswerRows = dict[str, dict[str, list[Json]]]  # by system and row, turn after turn


@dataclass(frozen=True)
class RunOptions:
    """How a run proceeds; only the sampling options change the answers."""

    concurrency: int = 8
    max_cost_usd: float | None = None
    keep_threads: bool = False
    temperature: float | None = None  # of single models
    max_tokens: int | None = None  # of single models
    judge_max_tokens: int | None = None
    parameters: ActiveParameters = field(default_factory=ActiveParameters)
    progress: ProgressListener = field(default_factory=SilentListener)
    preflight: Preflight | None = None


@dataclass(frozen=True)
class Outcome:
    """How many of the answers and verdicts of a run are in the folder; printed as JSON."""

    wanted: int
    done: int
    failed: int
    verdicts: int
    verdicts_failed: int
    unparsed: int
    raised: str | None  # the first exception of a judge that is a Python function
    unjudged: Mapping[str, int]
    cost_usd: float | None

    @property
    def whole(self) -> bool:
        """Whether every answer and every verdict is there."""
        return self.done == self.wanted and not self.verdicts_failed


async def evaluate(
    path: Path,
    data: DataSet,
    systems: Sequence[str],
    judges: Sequence[str] = (),
    baseline: str | None = None,
    smoke: int | None = None,
    options: RunOptions = RunOptions(),
) -> Outcome:
    """Get every answer and verdict that the folder does not have.

    Args:
        path: The folder; a missing one is created.
        data: The data set.
        systems: The systems: recipes, or `provider:model`.
        judges: The judges, as `method:model`.
        baseline: The system that judges compare the others with; it runs as well.
        smoke: The number of rows, if they are too few for conclusions.
        options: How to run.
    """
    names = list(dict.fromkeys([*systems, *([baseline] if baseline else [])]))
    if not names:
        raise UsageError("there is no system: name a recipe or a `provider:model`")
    built_judges = [build_judge(name, data, options.judge_max_tokens) for name in judges]
    _check_baseline(built_judges, baseline, names)
    with open_folder(path) as folder:
        loaded = [_load_system(name, folder, options) for name in names]
        limit = _spending_limit(folder, options)
        collector = _answer_collector(data, folder, limit, options)
        versions = {system.name: collector.version(system) for system in loaded}
        run = {**_run_record(data, baseline, smoke), "versions": versions}
        folder.update_run(run, names, judges)
        _show_notes(options.progress, data, folder)
        if options.preflight:
            judge_recipes = [judge.recipe for judge in built_judges if judge.recipe]
            await options.preflight([*(system.recipe for system in loaded), *judge_recipes])
        await collector.run(loaded)
        answers: AnswerRows = {name: {} for name in names}
        for system, item, rows in collector.rows(loaded):
            answers[system.name][str(item.id)] = rows
        verdicts = VerdictCollector(folder.verdicts, limit, options.progress, options.concurrency)
        await verdicts.run(built_judges, build_cases(data.items, answers, names, baseline))
        return _outcome(folder, data, answers, verdicts)


async def judge_again(
    path: Path, data: DataSet, judges: Sequence[str], baseline: str | None, options: RunOptions
) -> Outcome:
    """Get the verdicts on the answers that the folder has.

    Args:
        path: The folder.
        data: The data set of its answers.
        judges: The judges, as `method:model`.
        baseline: The system that judges compare the others with.
        options: How to run.
    """
    built_judges = [build_judge(name, data, options.judge_max_tokens) for name in judges]
    with open_folder(path) as folder:
        answers = _stored_answers(folder, data)
        names = list(answers)
        _check_baseline(built_judges, baseline, names)
        folder.update_run(folder.run | {"baseline": baseline}, names, judges)
        _show_notes(options.progress, data, folder)
        if options.preflight:
            await options.preflight([judge.recipe for judge in built_judges if judge.recipe])
        limit = _spending_limit(folder, options)
        verdicts = VerdictCollector(folder.verdicts, limit, options.progress, options.concurrency)
        await verdicts.run(built_judges, build_cases(data.items, answers, names, baseline))
        return _outcome(folder, data, answers, verdicts)


def _stored_answers(folder: EvaluationFolder, data: DataSet) -> AnswerRows:
    """Return the folder's current answers to the data set's questions."""
    questions = {
        (str(item.id), turn): text for item in data.items for turn, text in enumerate(item.turns, 1)
    }
    answers: dict[str, dict[str, dict[int, Json]]] = {}
    for row in current_answers(folder.run, list(folder.answers.rows.values())):
        if row.get("status") == "done" and questions.get(turn_key(row)) == row["question"]:
            by_turn = answers.setdefault(row["system"], {}).setdefault(str(row["id"]), {})
            by_turn[row["turn"]] = dict(row)
    return {
        system: {id_: _consecutive_turns(by_turn) for id_, by_turn in by_id.items()}
        for system, by_id in answers.items()
    }


def _consecutive_turns(by_turn: Mapping[int, Json]) -> list[Json]:
    """Return the turns before the first missing one."""
    rows: list[Json] = []
    while len(rows) + 1 in by_turn:
        rows.append(by_turn[len(rows) + 1])
    return rows


def _load_system(name: str, folder: EvaluationFolder, options: RunOptions) -> EvaluatedSystem:
    return load_system(
        name,
        folder.threads,
        options.keep_threads,
        temperature=options.temperature,
        max_tokens=options.max_tokens,
    )


def _spending_limit(folder: EvaluationFolder, options: RunOptions) -> SpendingLimit:
    return SpendingLimit(options.max_cost_usd, folder.answers.spent + folder.verdicts.spent)


def _answer_collector(
    data: DataSet, folder: EvaluationFolder, limit: SpendingLimit, options: RunOptions
) -> AnswerCollector:
    return AnswerCollector(
        data,
        folder.answers,
        folder.threads,
        limit,
        options.progress,
        options.parameters,
        options.concurrency,
    )


def _run_record(data: DataSet, baseline: str | None, smoke: int | None) -> Json:
    return {
        "dataset": data.name,
        "data": data.source,
        "rows": len(data.items),
        "baseline": baseline,
        "smoke": smoke is not None,
        "limit": smoke,
    }


def _check_baseline(
    judges: Sequence[AnswerJudge], baseline: str | None, names: Sequence[str]
) -> None:
    for judge in judges:
        if judge.compares and baseline is None:
            raise UsageError(f"`{judge.name}` compares with a baseline: name it with --baseline")
        if judge.compares and names == [baseline]:
            raise UsageError(
                f"`{judge.name}` compares with the baseline {baseline!r}, and there is no other "
                "system: `moa eval run` takes one more --system"
            )


def _show_notes(progress: ProgressListener, data: DataSet, folder: EvaluationFolder) -> None:
    for note in (*data.notes, *folder.answers.notes, *folder.verdicts.notes):
        progress.note(note)


def _outcome(
    folder: EvaluationFolder, data: DataSet, answers: AnswerRows, collector: VerdictCollector
) -> Outcome:
    verdicts = folder.verdicts.rows.values()
    statuses = Counter(row.get("status") for row in folder.answers.rows.values())
    is_priced = folder.answers.priced and folder.verdicts.priced
    return Outcome(
        wanted=len(answers) * sum(len(item.turns) for item in data.items),
        done=sum(len(rows) for by_id in answers.values() for rows in by_id.values()),
        failed=statuses["failed"],
        verdicts=len(verdicts),
        verdicts_failed=len(collector.failures),
        unparsed=sum(not row["parsed"] for row in verdicts),
        raised=_first_exception(collector),
        unjudged=dict(collector.unjudged),
        cost_usd=folder.answers.spent + folder.verdicts.spent if is_priced else None,
    )


def _first_exception(collector: VerdictCollector) -> str | None:
    """Return the text of the run's first unparsed verdict by a Python function."""
    rows = (collector.store.rows[key] for key in collector.keys if key in collector.store)
    exceptions = (row for row in rows if row["method"] == "python" and not row["parsed"])
    return next((row["text"] for row in exceptions), None)
