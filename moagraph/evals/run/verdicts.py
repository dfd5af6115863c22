"""Verdicts of judges on answers: each is asked for once, and stands when it has come."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from langchain_core.messages import convert_to_messages

from moagraph.evals.dataset import Item
from moagraph.evals.judge import Case, Judge, NoVerdict, Ruling, Trial, Verdict
from moagraph.evals.results import verdict_place
from moagraph.evals.run.concurrency import Told, each
from moagraph.evals.run.spending_limit import Purse, check_prices
from moagraph.evals.run.store import Ledger
from moagraph.graphs.recipe.call_count import expand_nested
from moagraph.nodes.errors import UsageError
from moagraph.nodes.policies.budget import Spent, estimate
from moagraph.nodes.state import Json

Answers = Mapping[str, Mapping[str, Sequence[Json]]]  # by system and row, turn after turn


@dataclass(frozen=True)
class Judging:
    """How the verdicts of one run are had and where they are kept."""

    ledger: Ledger
    purse: Purse
    told: Told
    at_once: int = 8
    unjudged: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    # What each judge that asks somebody asks, unfolded, where that is counted against a limit.
    wholes: dict[str, Json] = field(default_factory=dict)
    wanted: list[str] = field(default_factory=list)  # the keys of this run's verdicts

    async def run(self, judges: Sequence[Judge], cases: Sequence[Case]) -> None:
        """Ask for all that does not stand yet; all of it is looked at before anybody is asked."""
        trials = [(judge, trial) for judge in judges for trial in self._trials(judge, cases)]
        if self.purse.limit is not None:
            for judge in judges:
                if judge.recipe:
                    self.wholes[judge.name] = expand_nested(judge.recipe)
                    await check_prices(self.wholes[judge.name])
        self.wanted.extend(key for judge, trial in trials for key in trial.keys(judge.name))
        standing = [one for one in trials if self.stands(*one)]
        keys = [key for judge, trial in standing for key in trial.keys(judge.name)]
        self.ledger.renew(keys, verdict_place)
        self.told.began("verdicts", len(trials), len(standing))
        await each((one for one in trials if not self.stands(*one)), self._rule, self.at_once)

    def stands(self, judge: Judge, trial: Trial) -> bool:
        """Whether all verdicts of the trial are there."""
        return all(key in self.ledger for key in trial.keys(judge.name))

    def _trials(self, judge: Judge, cases: Sequence[Case]) -> Iterator[Trial]:
        for case in cases:
            if judge.compares and case.system == case.baseline:
                continue  # nobody is compared with himself
            if judge.compares and len(case.against) < case.turn:
                self.unjudged[f"{judge.name}: the baseline has no answer"] += 1
                continue
            trials = judge.trials(case)
            if not trials:
                self.unjudged[f"{judge.name}: no verdict is recorded"] += 1
            yield from trials

    async def _rule(self, one: tuple[Judge, Trial]) -> None:
        judge, trial = one
        whole = self.wholes.get(judge.name)
        most = 2 * (await _expected(whole, trial)).cost_usd if whole else 0.0
        try:
            async with self.purse.open(most):
                ruling = await judge.rule(trial)
                rows = _rows(judge, trial, ruling)
                self.purse.pay(self.ledger.add(rows))  # at once, as answers are
        except NoVerdict as error:
            self.failures.append(str(error))
            self.told.failed(str(error))
            return
        self.told.done(rows[0])


def cases_of(
    items: Sequence[Item], answers: Answers, systems: Sequence[str], baseline: str | None
) -> list[Case]:
    """Every answered turn of each system, beside the baseline's answers to the same."""
    if baseline is not None and baseline not in answers:
        raise UsageError(f"there are no answers of the baseline {baseline!r}: run it as a system")
    return [
        case
        for system in systems
        for item in items
        for case in _turns(item, answers, system, baseline)
    ]


def _turns(item: Item, answers: Answers, system: str, baseline: str | None) -> Iterator[Case]:
    rows = answers.get(system, {}).get(str(item.id), [])
    others = answers[baseline].get(str(item.id), []) if baseline else []
    for turn in range(1, len(rows) + 1):
        said, against = ([row["answer"] for row in some[:turn]] for some in (rows, others))
        yield Case(item, system, tuple(said), baseline, tuple(against))


def _rows(judge: Judge, trial: Trial, ruling: Ruling) -> list[Json]:
    """A row a verdict; the bill of all stands in the first."""
    free = {"cost_usd": 0.0, "usage": {"input_tokens": 0, "output_tokens": 0, "calls": 0}}
    bill = {"cost_usd": ruling.cost_usd, "usage": ruling.usage}
    keys = trial.keys(judge.name)
    return [
        _row(judge, trial, key, verdict, ruling.text) | (free if number else bill)
        for number, (key, verdict) in enumerate(zip(keys, ruling.verdicts, strict=True))
    ]


def _row(judge: Judge, trial: Trial, key: str, verdict: Verdict, text: str) -> Json:
    case, compared = trial.case, judge.compares or judge.method == "recorded"
    return {
        "key": key,
        "judge": judge.name,
        "method": judge.method,
        "prompt": trial.prompt,
        "order": trial.order,
        "system": case.system,
        "baseline": case.baseline if compared else None,
        "id": case.item.id,
        "turn": case.turn,
        "heard": trial.heard,
        "category": case.item.category,
        "preference": verdict.preference,
        "score": verdict.score,
        "skill": verdict.skill,
        "parsed": verdict.parsed,
        "text": text,
    }


async def _expected(whole: Json, trial: Trial) -> Spent:
    """The most that one try is expected to take."""
    messages = convert_to_messages(list(trial.said["messages"]))
    return (await estimate(whole, messages)).all  # type: ignore[arg-type]
