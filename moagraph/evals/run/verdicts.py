"""Get the verdicts of judges on answers; a verdict that is stored is not asked for again."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import convert_to_messages

from moagraph.evals.dataset import Item
from moagraph.evals.judge import AnswerJudge, JudgeCase, JudgeVerdict, NoVerdict, Ruling, Trial
from moagraph.evals.results import verdict_slot
from moagraph.evals.run.concurrency import ProgressListener, run_concurrently
from moagraph.evals.run.spending_limit import SpendingLimit, check_prices
from moagraph.evals.run.store import ResultStore
from moagraph.graphs.recipe.call_count import expand_nested
from moagraph.nodes.errors import UsageError
from moagraph.nodes.policies.budget import Spent, estimate
from moagraph.nodes.state import Json

Answers = Mapping[str, Mapping[str, Sequence[Json]]]  # by system and row, turn after turn


@dataclass(frozen=True)
class VerdictCollector:
    """Gets and stores the verdicts of one run."""

    store: ResultStore
    spending_limit: SpendingLimit
    progress: ProgressListener
    concurrency: int = 8
    unjudged: Counter[str] = field(default_factory=Counter)  # by judge and reason
    failures: list[str] = field(default_factory=list)
    # The expanded recipe of each judge that calls a model, if there is a spending limit.
    recipes: dict[str, Json] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)  # of this run's verdicts

    async def run(self, judges: Sequence[AnswerJudge], cases: Sequence[JudgeCase]) -> None:
        """Get every verdict that is not stored.

        All trials are made first, so that a case that a judge refuses costs nothing.

        Args:
            judges: The judges.
            cases: The answers to judge.
        """
        trials = [(judge, trial) for judge in judges for trial in self._trials(judge, cases)]
        if self.spending_limit.limit is not None:
            await self._expand_recipes(judges)
        self.keys.extend(key for judge, trial in trials for key in trial.keys(judge.name))
        stored = [(judge, trial) for judge, trial in trials if self.is_stored(judge, trial)]
        stored_keys = [key for judge, trial in stored for key in trial.keys(judge.name)]
        self.store.renew(stored_keys, verdict_slot)
        self.progress.began("verdicts", len(trials), len(stored))
        missing = (job for job in trials if not self.is_stored(*job))
        await run_concurrently(missing, self._judge, self.concurrency)

    async def _expand_recipes(self, judges: Sequence[AnswerJudge]) -> None:
        for judge in judges:
            if judge.recipe:
                self.recipes[judge.name] = expand_nested(judge.recipe)
                await check_prices(self.recipes[judge.name])

    def is_stored(self, judge: AnswerJudge, trial: Trial) -> bool:
        """Return whether all verdicts of the trial are stored."""
        return all(key in self.store for key in trial.keys(judge.name))

    def _trials(self, judge: AnswerJudge, cases: Sequence[JudgeCase]) -> Iterator[Trial]:
        for case in cases:
            if judge.compares and case.system == case.baseline:
                continue  # the baseline is not compared with itself
            if judge.compares and len(case.baseline_answers) < case.turn:
                self.unjudged[f"{judge.name}: the baseline has no answer"] += 1
                continue
            trials = judge.trials(case)
            if not trials:
                self.unjudged[f"{judge.name}: no verdict is recorded"] += 1
            yield from trials

    async def _judge(self, job: tuple[AnswerJudge, Trial]) -> None:
        judge, trial = job
        recipe = self.recipes.get(judge.name)
        # A reply that cannot be parsed is asked for a second time.
        max_cost = 2 * (await _estimate_reply(recipe, trial)).cost_usd if recipe else 0.0
        try:
            async with self.spending_limit.reserve(max_cost):
                ruling = await judge.rule(trial)
                rows = _rows(judge, trial, ruling)
                # Not in a thread: when the run is stopped, the verdict would be lost.
                self.spending_limit.pay(self.store.add(rows))
        except NoVerdict as error:
            self.failures.append(str(error))
            self.progress.failed(str(error))
            return
        self.progress.done(rows[0])


def build_cases(
    items: Sequence[Item], answers: Answers, systems: Sequence[str], baseline: str | None
) -> list[JudgeCase]:
    """Return a case for every answered turn, with the baseline's answers to the same turns.

    Args:
        items: The rows of the data set.
        answers: The answers by system and row.
        systems: The systems to judge.
        baseline: The system to compare with; None for none.
    """
    if baseline is not None and baseline not in answers:
        raise UsageError(f"there are no answers of the baseline {baseline!r}: run it as a system")
    return [
        case
        for system in systems
        for item in items
        for case in _item_cases(item, answers, system, baseline)
    ]


def _item_cases(
    item: Item, answers: Answers, system: str, baseline: str | None
) -> Iterator[JudgeCase]:
    id_ = str(item.id)
    texts = [row["answer"] for row in answers.get(system, {}).get(id_, [])]
    baseline_rows = answers[baseline].get(id_, []) if baseline else []
    baseline_texts = [row["answer"] for row in baseline_rows]
    for turn in range(1, len(texts) + 1):
        yield JudgeCase(item, system, tuple(texts[:turn]), baseline, tuple(baseline_texts[:turn]))


def _rows(judge: AnswerJudge, trial: Trial, ruling: Ruling) -> list[Json]:
    """Return a row for each verdict; the first has the cost of all."""
    no_cost = {"cost_usd": 0.0, "usage": {"input_tokens": 0, "output_tokens": 0, "calls": 0}}
    cost = {"cost_usd": ruling.cost_usd, "usage": ruling.usage}
    keys = trial.keys(judge.name)
    return [
        _row(judge, trial, key, verdict, ruling.text) | (no_cost if number else cost)
        for number, (key, verdict) in enumerate(zip(keys, ruling.verdicts, strict=True))
    ]


def _row(judge: AnswerJudge, trial: Trial, key: str, verdict: JudgeVerdict, text: str) -> Json:
    case, is_comparison = trial.case, judge.compares or judge.method == "recorded"
    return {
        "key": key,
        "judge": judge.name,
        "method": judge.method,
        "prompt": trial.prompt,
        "order": trial.order,
        "system": case.system,
        "baseline": case.baseline if is_comparison else None,
        "id": case.item.id,
        "turn": case.turn,
        "heard": trial.answers_digest,
        "category": case.item.category,
        "preference": verdict.preference,
        "score": verdict.score,
        "skill": verdict.skill,
        "parsed": verdict.parsed,
        "text": text,
    }


async def _estimate_reply(recipe: Json, trial: Trial) -> Spent:
    """Estimate the most that one reply of the judge takes."""
    messages: Any = convert_to_messages(list(trial.inputs["messages"]))
    return (await estimate(recipe, messages)).all
