"""What the adapters share: hold a whole conversation with a system, and judge it."""

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
class Talker:
    """A system that is asked without keeping anything."""

    system: EvaluatedSystem

    def at(self, row: Json) -> "Talker":
        """The same as a row's `sampling` wants it asked."""
        said = row.get("sampling", {})
        return Talker(self.system.with_sampling(said.get("temperature"), said.get("max_tokens")))

    async def answer(self, messages: Sequence[tuple[str, str]]) -> Result:
        """The answer to the conversation's last turn."""
        key = secrets.token_hex(6)
        try:
            came = await self.system.answer(messages, key)
        finally:
            await self.system.discard_thread(key)
        if came.status != "done":
            raise RunError(came.error or f"`{self.system.name}` gave no answer")
        return came


def sampling(data: DataSet, item: Item) -> Json:
    """How a row wants to be asked, under `sampling`, as far as its data set says it."""
    said = {"temperature": item.temperature, "max_tokens": data.max_tokens}
    known = {key: value for key, value in said.items() if value is not None}
    return {"sampling": known} if known else {}


def talker(recipe: str) -> Talker:
    """The recipe or model of that name."""
    return Talker(load_system(recipe, InMemorySaver()))


class Bench:
    """One judge for one data set; it judges an answer by the row's id."""

    def __init__(self, name: str, data: DataSet) -> None:
        """Refuse a judge who needs more than one answer to look at."""
        self.judge = build_judge(name, data)
        if self.judge.compares:
            raise UsageError(f"`{name}` compares two answers, and here there is one: take another")
        self.items: dict[str, Item] = {str(item.id): item for item in data.items}

    async def verdicts(self, id_: object, answers: Sequence[str]) -> Sequence[JudgeVerdict]:
        """What the judge says of the last answer."""
        item = self.items.get(str(id_))
        if item is None:
            raise UsageError(f"row {id_!r} is not in the data set that the judge knows")
        case = JudgeCase(item, "system", tuple(answers))
        rulings = [await self.judge.rule(trial) for trial in self.judge.trials(case)]
        return [verdict for ruling in rulings for verdict in ruling.verdicts]


def mean_of(verdicts: Sequence[JudgeVerdict]) -> float | None:
    """One number: the mean of what could be read; preferences from 0 to 1."""
    said = [one.score if one.score is not None else one.preference for one in verdicts]
    shift = [0.0 if one.score is not None else 1.0 for one in verdicts]
    known = [value - by for value, by in zip(said, shift, strict=True) if value is not None]
    return sum(known) / len(known) if known else None
