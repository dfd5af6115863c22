"""Get the answers of systems to a data set; an answer that is stored is not asked again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from moagraph.evals.dataset import DataSet, Item, digest
from moagraph.evals.flops import ActiveParameters, compute_tflops
from moagraph.evals.results import answer_slot
from moagraph.evals.run.answer_fingerprint import fingerprint_recipe
from moagraph.evals.run.concurrency import ProgressListener, run_concurrently
from moagraph.evals.run.spending_limit import SpendingLimit, check_prices
from moagraph.evals.run.store import ResultStore
from moagraph.evals.run.systems import EvaluatedSystem, estimate_answer
from moagraph.graphs.recipe.call_count import expand_nested
from moagraph.nodes.errors import MoaError, StorageError
from moagraph.nodes.state import Json
from moagraph.threads.open import Threads
from moagraph.threads.result import Result, Usage

PAUSED = "the recipe paused for a person, and a run of many rows has none"


@dataclass(frozen=True)
class SampledSystem:
    """A system with the settings of a data set's row."""

    system: EvaluatedSystem
    fingerprint: str
    recipe: Json  # with its nested recipes expanded


@dataclass(frozen=True)
class AnswerJob:
    """One row that a system answers; `version` is the system's without the row's settings."""

    sampled: SampledSystem
    version: str
    item: Item

    @property
    def system(self) -> EvaluatedSystem:
        """The system, with the row's settings."""
        return self.sampled.system

    def key(self, answers: Sequence[str]) -> str:
        """Hash everything that determines the answer to the first turn without one.

        Args:
            answers: The answers to the turns before it.
        """
        messages = self.item.messages(answers)
        return digest([self.system.name, self.sampled.fingerprint, str(self.item.id), messages])


@dataclass(frozen=True)
class AnswerCollector:
    """Gets and stores the answers of one run."""

    data: DataSet
    store: ResultStore
    threads: Threads
    spending_limit: SpendingLimit
    progress: ProgressListener
    parameters: ActiveParameters = field(default_factory=ActiveParameters)
    concurrency: int = 8
    versions: dict[str, str] = field(default_factory=dict)  # by system
    # By system and temperature, which is the only setting that differs between rows.
    sampled: dict[tuple[str, float | None], SampledSystem] = field(default_factory=dict)

    async def run(self, systems: Sequence[EvaluatedSystem]) -> None:
        """Get every answer that is not stored."""
        jobs = [self._job(system, item) for item in self.data.items for system in systems]
        if self.spending_limit.limit is not None:
            recipes = {job.sampled.fingerprint: job.sampled.recipe for job in jobs}
            for recipe in recipes.values():
                await check_prices(recipe)
        total = sum(len(job.item.turns) for job in jobs)
        stored = [(job.system, row["key"]) for job in jobs for row in self.stored_rows(job)]
        self.store.renew([key for _, key in stored], answer_slot)
        await self._discard_threads(stored)
        self.progress.began("answers", total, len(stored))
        await run_concurrently(jobs, self._answer_turns, self.concurrency)

    async def _discard_threads(self, stored: Sequence[tuple[EvaluatedSystem, str]]) -> None:
        """Discard the threads of stored answers, left by a run that was killed in between."""
        thread_ids = {thread_id for thread_id, _ in self.threads.names()}
        for system, key in stored:
            if key in thread_ids:
                await system.discard_thread(key)

    def stored_rows(self, job: AnswerJob) -> list[Json]:
        """Return the job's stored answers, from the first turn to the last answered one."""
        rows: list[Json] = []
        for _ in job.item.turns:
            key = job.key([row["answer"] for row in rows])
            if key not in self.store:
                break
            rows.append(self.store.rows[key])
        return rows

    def rows(
        self, systems: Sequence[EvaluatedSystem]
    ) -> Iterator[tuple[EvaluatedSystem, Item, list[Json]]]:
        """Yield each system's stored answers to each row of the data set."""
        for system in systems:
            for item in self.data.items:
                yield system, item, self.stored_rows(self._job(system, item))

    def _job(self, system: EvaluatedSystem, item: Item) -> AnswerJob:
        settings = (system.name, item.temperature)
        if settings not in self.sampled:
            self.sampled[settings] = self._with_sampling(system, item)
        return AnswerJob(self.sampled[settings], self.version(system), item)

    def _with_sampling(self, system: EvaluatedSystem, item: Item) -> SampledSystem:
        sampled = system.with_sampling(item.temperature, self.data.max_tokens)
        recipe, is_unchanged = sampled.recipe, sampled is system
        version = self.version(system) if is_unchanged else fingerprint_recipe(recipe)
        return SampledSystem(sampled, version, expand_nested(recipe))

    def version(self, system: EvaluatedSystem) -> str:
        """Return the fingerprint of the system without a row's settings."""
        if system.name not in self.versions:
            self.versions[system.name] = fingerprint_recipe(system.recipe)
        return self.versions[system.name]

    async def _answer_turns(self, job: AnswerJob) -> None:
        rows = self.stored_rows(job)
        while len(rows) < len(job.item.turns):
            row = await self._answer_turn(job, [row["answer"] for row in rows])
            if row["status"] == "failed":
                return
            rows.append(row)

    async def _answer_turn(self, job: AnswerJob, answers: Sequence[str]) -> Json:
        key, messages = job.key(answers), job.item.messages(answers)
        is_limited = self.spending_limit.limit is not None
        estimate = await estimate_answer(job.sampled.recipe, messages) if is_limited else None
        async with self.spending_limit.reserve(estimate.cost_usd if estimate else 0.0):
            result = await _answer_or_failure(job.system, messages, key)
            row = self._row(job, key, messages[-1][1], len(answers) + 1, result)
            # Not in a thread: when the run is stopped, a write that waits for one would be lost.
            self.spending_limit.pay(self.store.add([row]))
        if row["status"] == "done":
            await job.system.discard_thread(key)
        self.progress.done(row)
        return row

    def _row(self, job: AnswerJob, key: str, question: str, turn: int, result: Result) -> Json:
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
            "answer": result.answer,
            "status": "done" if result.status == "done" else "failed",
            "error": PAUSED if result.status == "paused" else result.error,
            "temperature": job.item.temperature,
            "layers": result.layers,
            "steps": result.steps,
            "usage": result.usage,
            "cost_usd": result.cost_usd,
            "tflops": compute_tflops(result.layers, result.steps, self.parameters),
            "seconds": result.seconds,
        }


async def _answer_or_failure(
    system: EvaluatedSystem, messages: Sequence[tuple[str, str]], key: str
) -> Result:
    """Return the result; an error becomes a failed result, so that the other rows go on."""
    try:
        return await system.answer(messages, key)
    except StorageError:
        raise
    except MoaError as error:
        usage = Usage(input_tokens=0, output_tokens=0, calls=0)
        return Result(key, system.name, "failed", error=str(error), usage=usage)
