"""Answers of systems to a data set: each is asked once, and stands when it has come."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from moagraph.evals.dataset import DataSet, Item, digest
from moagraph.evals.flops import Parameters, tflops
from moagraph.evals.results import answer_place
from moagraph.evals.run.answer_fingerprint import version
from moagraph.evals.run.concurrency import Told, each
from moagraph.evals.run.spending_limit import Purse, check_prices
from moagraph.evals.run.store import Ledger
from moagraph.evals.run.systems import System, expected
from moagraph.graphs.recipe.call_count import expand_nested
from moagraph.nodes.errors import MoaError, StorageError
from moagraph.nodes.state import Json
from moagraph.threads.open import Threads
from moagraph.threads.result import Result

PAUSED = "it paused for a person, whom nobody can ask here"


@dataclass(frozen=True)
class Asked:
    """A system and a row; the keys are those of its turns as far as they are known.

    `version` is the system's own, `settled` that of the system as the row wants it asked, and
    `whole` the unfolded recipe of that.
    """

    system: System
    version: str
    settled: str
    whole: Json
    item: Item

    def key(self, answers: Sequence[str]) -> str:
        """Everything that determines the answer of the turn behind these answers."""
        return digest(
            [self.system.name, self.settled, str(self.item.id), self.item.messages(answers)]
        )


@dataclass(frozen=True)
class Answering:
    """How the answers of one run are had and where they are kept."""

    data: DataSet
    ledger: Ledger
    threads: Threads
    purse: Purse
    told: Told
    parameters: Parameters = field(default_factory=Parameters)
    at_once: int = 8
    versions: dict[str, str] = field(default_factory=dict)
    # Each system as the rows of one temperature want it, its version, and its recipe unfolded.
    settled: dict[tuple[str, float | None], tuple[System, str, Json]] = field(default_factory=dict)

    async def run(self, systems: Sequence[System]) -> None:
        """Ask for all that does not stand yet."""
        jobs = [self._asked(system, item) for item in self.data.items for system in systems]
        if self.purse.limit is not None:
            for whole in {job.settled: job.whole for job in jobs}.values():
                await check_prices(whole)
        total = sum(len(job.item.turns) for job in jobs)
        standing = [(job.system, row["key"]) for job in jobs for row in self.standing(job)]
        self.ledger.renew([key for _, key in standing], answer_place)
        await self._forget(standing)
        self.told.began("answers", total, len(standing))
        await each(jobs, self._converse, self.at_once)

    async def _forget(self, standing: Sequence[tuple[System, str]]) -> None:
        """A run that was killed between an answer's row and the end of its thread left that."""
        left = {name for name, _ in self.threads.names()}
        for system, key in standing:
            if key in left:
                await system.forget(key)

    def standing(self, job: Asked) -> list[Json]:
        """The rows of its turns that were answered, from the first on."""
        rows: list[Json] = []
        for _ in job.item.turns:
            key = job.key([row["answer"] for row in rows])
            if key not in self.ledger:
                break
            rows.append(self.ledger.rows[key])
        return rows

    def rows(self, systems: Sequence[System]) -> Iterator[tuple[Asked, list[Json]]]:
        """Each system's rows of each item, in the data set's order."""
        for system in systems:
            for item in self.data.items:
                job = self._asked(system, item)
                yield job, self.standing(job)

    def _asked(self, system: System, item: Item) -> Asked:
        where = (system.name, item.temperature)
        if where not in self.settled:
            as_wanted = system.at(item.temperature, self.data.max_tokens)
            recipe, same = as_wanted.recipe, as_wanted is system
            settled = self.version(system) if same else version(recipe)
            self.settled[where] = (as_wanted, settled, expand_nested(recipe))
        as_wanted, settled, whole = self.settled[where]
        return Asked(as_wanted, self.version(system), settled, whole, item)

    def version(self, system: System) -> str:
        """The system's, whatever a row wants of it."""
        if system.name not in self.versions:
            self.versions[system.name] = version(system.recipe)
        return self.versions[system.name]

    async def _converse(self, job: Asked) -> None:
        rows = self.standing(job)
        while len(rows) < len(job.item.turns):
            row = await self._answer(job, [row["answer"] for row in rows])
            if row["status"] == "failed":
                return
            rows.append(row)

    async def _answer(self, job: Asked, before: Sequence[str]) -> Json:
        key, messages = job.key(before), job.item.messages(before)
        limited = self.purse.limit is not None
        most = (await expected(job.whole, messages)).cost_usd if limited else 0.0
        async with self.purse.open(most):
            came = await _tried(job.system, messages, key)
            row = self._row(job, key, messages[-1][1], len(before) + 1, came)
            # Not in a thread: of a run that is stopped, a job that waits for one would be dropped.
            self.purse.pay(self.ledger.add([row]))
        if row["status"] == "done":
            await job.system.forget(key)
        self.told.done(row)
        return row

    def _row(self, job: Asked, key: str, question: str, turn: int, came: Result) -> Json:
        return {
            "key": key,
            "system": job.system.name,
            "kind": job.system.kind,
            "version": job.version,
            "dataset": self.data.name,
            "id": job.item.id,
            "turn": turn,
            "category": job.item.category,
            "question": question,
            "answer": came.answer,
            "status": "done" if came.status == "done" else "failed",
            "error": PAUSED if came.status == "paused" else came.error,
            "temperature": job.item.temperature,
            "layers": came.layers,
            "steps": came.steps,
            "usage": came.usage,
            "cost_usd": came.cost_usd,
            "tflops": tflops(came.layers, came.steps, self.parameters),
            "seconds": came.seconds,
        }


async def _tried(system: System, messages: Sequence[tuple[str, str]], key: str) -> Result:
    """The result; what is wrong with one row does not end the others."""
    try:
        return await system.answer(messages, key)
    except StorageError:
        raise
    except MoaError as error:
        usage = {"input_tokens": 0, "output_tokens": 0, "calls": 0}
        return Result(key, system.name, "failed", error=str(error), usage=usage)
