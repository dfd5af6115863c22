"""One evaluation: systems answer a data set, judges judge the answers, all of it in one folder."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from moagraph.evals.dataset import DataSet
from moagraph.evals.flops import ActiveParameters
from moagraph.evals.folder import Folder, opened
from moagraph.evals.judge import AnswerJudge
from moagraph.evals.judges.factory import build_judge
from moagraph.evals.results import current_answers, turn_key
from moagraph.evals.run.answers import Answering
from moagraph.evals.run.concurrency import Told, Untold
from moagraph.evals.run.spending_limit import SpendingLimit
from moagraph.evals.run.systems import System, system
from moagraph.evals.run.verdicts import Judging, cases_of
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json

Ready = Callable[[Sequence[Json]], Awaitable[None]]


@dataclass(frozen=True)
class How:
    """How a run goes about it; none of this changes what an answer is, but for the sampling."""

    at_once: int = 8
    max_cost_usd: float | None = None
    keep_threads: bool = False
    temperature: float | None = None  # of single models
    max_tokens: int | None = None  # of single models
    judge_max_tokens: int | None = None
    parameters: ActiveParameters = field(default_factory=ActiveParameters)
    told: Told = field(default_factory=Untold)
    ready: Ready | None = None


@dataclass(frozen=True)
class Outcome:
    """What stands in the folder of what was wanted."""

    wanted: int
    done: int
    failed: int
    verdicts: int
    verdicts_failed: int
    unparsed: int
    raised: str | None  # why a function that judges did not, the first time
    unjudged: Mapping[str, int]
    cost_usd: float | None

    @property
    def whole(self) -> bool:
        """Whether nothing is left to do."""
        return self.done == self.wanted and not self.verdicts_failed


async def evaluate(
    path: Path,
    data: DataSet,
    systems: Sequence[str],
    judges: Sequence[str] = (),
    baseline: str | None = None,
    smoke: int | None = None,
    how: How = How(),
) -> Outcome:
    """Ask for all answers and verdicts that the folder does not hold yet."""
    names = list(dict.fromkeys([*systems, *([baseline] if baseline else [])]))
    if not names:
        raise UsageError("there is no system: name a recipe or a `provider:model`")
    jury = [build_judge(name, data, how.judge_max_tokens) for name in judges]
    _check_baseline(jury, baseline, names)
    with opened(path) as folder:
        asked = [_system(name, folder, how) for name in names]
        limit = _spending_limit(folder, how)
        answering = Answering(
            data, folder.answers, folder.threads, limit, how.told, how.parameters, how.at_once
        )
        versions = {one.name: answering.version(one) for one in asked}
        folder.note({**_said(data, baseline, smoke), "versions": versions}, names, judges)
        _tell(how.told, data, folder)
        if how.ready:
            judged = [one.recipe for one in jury if one.recipe]
            await how.ready([*(one.recipe for one in asked), *judged])
        await answering.run(asked)
        answers: dict[str, dict[str, list[Json]]] = {name: {} for name in names}
        for job, rows in answering.rows(asked):
            answers[job.system.name][str(job.item.id)] = rows
        judging = Judging(folder.verdicts, limit, how.told, how.at_once)
        await judging.run(jury, cases_of(data.items, answers, names, baseline))
        return _outcome(folder, data, answers, judging)


async def judge_again(
    path: Path, data: DataSet, judges: Sequence[str], baseline: str | None, how: How
) -> Outcome:
    """Judge the answers that the folder holds."""
    jury = [build_judge(name, data, how.judge_max_tokens) for name in judges]
    with opened(path) as folder:
        answers = standing(folder, data)
        names = list(answers)
        _check_baseline(jury, baseline, names)
        folder.note(folder.run | {"baseline": baseline}, names, judges)
        _tell(how.told, data, folder)
        if how.ready:
            await how.ready([one.recipe for one in jury if one.recipe])
        limit = _spending_limit(folder, how)
        judging = Judging(folder.verdicts, limit, how.told, how.at_once)
        await judging.run(jury, cases_of(data.items, answers, names, baseline))
        return _outcome(folder, data, answers, judging)


def standing(folder: Folder, data: DataSet) -> dict[str, dict[str, list[Json]]]:
    """The answers to these rows by system and row, turn after turn."""
    turns: dict[str, dict[str, dict[int, Json]]] = {}
    asked = {
        (str(item.id), turn): text for item in data.items for turn, text in enumerate(item.turns, 1)
    }
    for row in current_answers(folder.run, list(folder.answers.rows.values())):
        if row.get("status") == "done" and asked.get(turn_key(row)) == row["question"]:
            of = turns.setdefault(row["system"], {}).setdefault(str(row["id"]), {})
            of[row["turn"]] = dict(row)
    return {
        system: {id_: _in_a_row(rows) for id_, rows in found.items()}
        for system, found in turns.items()
    }


def _in_a_row(rows: Mapping[int, Json]) -> list[Json]:
    numbers = range(1, len(rows) + 1)
    return [rows[number] for number in numbers if all(n in rows for n in range(1, number + 1))]


def _system(name: str, folder: Folder, how: How) -> System:
    return system(
        name,
        folder.threads,
        how.keep_threads,
        temperature=how.temperature,
        max_tokens=how.max_tokens,
    )


def _spending_limit(folder: Folder, how: How) -> SpendingLimit:
    return SpendingLimit(how.max_cost_usd, folder.answers.spent + folder.verdicts.spent)


def _said(data: DataSet, baseline: str | None, smoke: int | None) -> Json:
    return {
        "dataset": data.name,
        "data": data.source,
        "rows": len(data.items),
        "baseline": baseline,
        "smoke": smoke is not None,
        "limit": smoke,
    }


def _check_baseline(
    jury: Sequence[AnswerJudge], baseline: str | None, names: Sequence[str]
) -> None:
    for one in jury:
        if one.compares and baseline is None:
            raise UsageError(f"`{one.name}` compares with a baseline: name it with --baseline")
        if one.compares and names == [baseline]:
            raise UsageError(
                f"`{one.name}` compares with the baseline {baseline!r}, and there is no other "
                "system: `moa eval run` takes one more --system"
            )


def _tell(told: Told, data: DataSet, folder: Folder) -> None:
    for note in (*data.notes, *folder.answers.notes, *folder.verdicts.notes):
        told.note(note)


def _outcome(
    folder: Folder,
    data: DataSet,
    answers: Mapping[str, Mapping[str, Sequence[Json]]],
    judging: Judging,
) -> Outcome:
    wanted = len(answers) * sum(len(item.turns) for item in data.items)
    done = sum(len(rows) for found in answers.values() for rows in found.values())
    failed = Counter(row.get("status") for row in folder.answers.rows.values())["failed"]
    verdicts = folder.verdicts.rows.values()
    spent = folder.answers.spent + folder.verdicts.spent
    return Outcome(
        wanted=wanted,
        done=done,
        failed=failed,
        verdicts=len(verdicts),
        verdicts_failed=len(judging.failures),
        unparsed=sum(not row["parsed"] for row in verdicts),
        raised=_raised(judging),
        unjudged=dict(judging.unjudged),
        cost_usd=spent if folder.answers.priced and folder.verdicts.priced else None,
    )


def _raised(judging: Judging) -> str | None:
    rows = (judging.ledger.rows[key] for key in judging.wanted if key in judging.ledger)
    mine = (row for row in rows if row["method"] == "python" and not row["parsed"])
    return next((row["text"] for row in mine), None)
