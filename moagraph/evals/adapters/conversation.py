"""Shared by the adapters: hold a conversation with a system, and judge one of its answers."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from langgraph.checkpoint.memory import InMemorySaver

from moagraph.evals.dataset import DataSet, Item
from moagraph.evals.judge import JudgeCase, JudgeVerdict
from moagraph.evals.judges.factory import build_judge
from moagraph.evals.run.systems import EvaluatedSystem, load_system
from moagraph.nodes.errors import RunError, UsageError
from moagraph.nodes.state import Json
from moagraph.threads.result import Result


@dataclass(frozen=True)
class StatelessSystem:
    """A system that keeps no threads: every request contains the whole conversation."""

    system: EvaluatedSystem

    def with_sampling(self, row: Json) -> "StatelessSystem":
        """Return the system with the temperature and the length of the row's `sampling`."""
        options = row.get("sampling", {})
        return StatelessSystem(
            self.system.with_sampling(options.get("temperature"), options.get("max_tokens"))
        )

    async def answer(self, messages: Sequence[tuple[str, str]]) -> Result:
        """Answer the last message; a run that fails or pauses raises `RunError`."""
        key = secrets.token_hex(6)
        try:
            result = await self.system.answer(messages, key)
        finally:
            await self.system.discard_thread(key)
        if result.status != "done":
            raise RunError(result.error or f"`{self.system.name}` gave no answer")
        return result


def open_system(recipe: str) -> StatelessSystem:
    """Open the recipe of that name or path, or the model `provider:model`."""
    return StatelessSystem(load_system(recipe, InMemorySaver()))


def sampling_of(data: DataSet, item: Item) -> Json:
    """Return the sampling that the data set fixes for a row, under the key `sampling`."""
    options = {"temperature": item.temperature, "max_tokens": data.max_tokens}
    fixed = {key: value for key, value in options.items() if value is not None}
    return {"sampling": fixed} if fixed else {}


class RowJudge:
    """A judge for the rows of one data set, which it finds by their ids."""

    def __init__(self, name: str, data: DataSet) -> None:
        """Build the judge; one that compares two answers is refused.

        Args:
            name: The judge's name, as for `--judge`.
            data: The data set.
        """
        self.judge = build_judge(name, data)
        if self.judge.compares:
            raise UsageError(
                f"`{name}` compares two answers, and here is only one: use another judge"
            )
        self.items: dict[str, Item] = {str(item.id): item for item in data.items}

    async def verdicts(self, id_: object, answers: Sequence[str]) -> Sequence[JudgeVerdict]:
        """Judge the last answer to the row `id_`."""
        item = self.items.get(str(id_))
        if item is None:
            raise UsageError(f"row {id_!r} is not in the judge's data set")
        case = JudgeCase(item, "system", tuple(answers))
        rulings = [await self.judge.rule(trial) for trial in self.judge.trials(case)]
        return [verdict for ruling in rulings for verdict in ruling.verdicts]


def mean_value(verdicts: Sequence[JudgeVerdict]) -> float | None:
    """Return the mean of the parsed scores; a preference counts from 0 to 1."""
    scores = [verdict.score for verdict in verdicts if verdict.score is not None]
    preferences = [
        verdict.preference - 1
        for verdict in verdicts
        if verdict.score is None and verdict.preference is not None
    ]
    values = [*scores, *preferences]
    return sum(values) / len(values) if values else None
