"""The outcome of a run when its provider fails: `python -m bench.faults`.

Each fault at one seat, at all seats of a layer, and at the aggregator, against a provider on this
machine. The tests run the same cases and check the outcomes expected here.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from moagraph.api.ask import aask
from moagraph.graphs.recipe.schema import Recipe
from moagraph.threads.result import Result
from tests.faults import (
    Always,
    ContentFilter,
    Drip,
    Empty,
    Fault,
    Garbage,
    Hang,
    NullContent,
    Reset,
    Slow,
    Status,
    TruncatedBody,
)
from tests.provider import Call, Provider

MARK = "FAULT-TEXT"  # in every error message of the provider
TIMEOUT = 2.0
AT_ONCE = 6
PLACES = ("one seat", "all seats", "the aggregator")
SEATS = ("a", "b", "c")


@dataclass(frozen=True)
class Misbehaviour:
    """What the provider does, the kind of outcome of a call, and how often the call is sent."""

    script: tuple[Fault | Always, ...]
    kind: str
    sent: int = 1
    layer: dict[str, Any] = field(default_factory=dict)
    timeout: float = TIMEOUT

    @property
    def heals(self) -> bool:
        """Whether a retry, or waiting, gives an answer."""
        return self.kind == "ok"


MISBEHAVIOURS = {
    "500 once": Misbehaviour((Status(500, message=MARK),), "ok", 2),
    "500 always": Misbehaviour((Always(Status(500, message=MARK)),), "unreachable", 2),
    "429, retry after 0.2 s": Misbehaviour((Status(429, 0.2, MARK),), "ok", 2),
    "429, retry after 60 s": Misbehaviour((Always(Status(429, 60, MARK)),), "rate_limited"),
    "400": Misbehaviour((Always(Status(400, message=MARK)),), "refused"),
    "hang": Misbehaviour((Always(Hang()),), "timeout"),
    "+3 s straggler": Misbehaviour(
        (Always(Slow(3)),), "ok", layer={"quorum": 2, "grace": 0.1}, timeout=10
    ),
    "empty": Misbehaviour((Always(Empty()),), "empty"),
    "null content": Misbehaviour((Always(NullContent()),), "empty"),
    "truncated body": Misbehaviour((Always(TruncatedBody()),), "unreachable", 2),
    "garbage JSON": Misbehaviour((Always(Garbage(f"<html>{MARK}")),), "bad_answer"),
    "content filter": Misbehaviour((Always(ContentFilter()),), "refused"),
    "connection reset": Misbehaviour((Always(Reset()),), "unreachable", 2),
    "slow drip": Misbehaviour((Always(Drip(0.5)),), "timeout"),
}


@dataclass(frozen=True)
class Case:
    """One misbehaviour at one place."""

    name: str
    place: str

    @property
    def fault(self) -> Misbehaviour:
        """What the provider does."""
        return MISBEHAVIOURS[self.name]

    @property
    def question(self) -> str:
        """The question, which identifies the provider's calls of this case."""
        return f"What if: {self.name}, at {self.place}?"

    @property
    def faulty(self) -> list[str]:
        """The failing models; their names are unique to the case."""
        models = {"one seat": ["a"], "all seats": SEATS, "the aggregator": ["agg"]}[self.place]
        return [self._unique_name(model) for model in models]

    @property
    def kind(self) -> str:
        """The kind that is recorded for a failing model."""
        cut = self.place == "one seat" and "grace" in self.fault.layer
        return "timeout" if cut else self.fault.kind

    @property
    def status(self) -> str:
        """The expected status of the run."""
        return "done" if self.place == "one seat" or self.fault.heals else "failed"

    @property
    def calls(self) -> int:
        """The expected number of calls."""
        successful = {"one seat": 4, "all seats": 2 if self.fault.heals else 0, "the aggregator": 4}
        return successful[self.place] + self.fault.sent * len(self.faulty)

    def recipe(self, base_url: str) -> Recipe:
        """Three seats, a seat that reads them, and the aggregator."""
        defaults = {"base_url": base_url, "timeout": self.fault.timeout, "attempts": 2}
        first = {"proposers": [self._address(model) for model in SEATS], **self.fault.layer}
        answer = {"step": "synthesize", "model": self._address("agg")}
        layers = [first, {"proposers": ["vllm:reader"], "aggregate": answer}]
        return Recipe.model_validate({"name": "faults", "defaults": defaults, "layers": layers})

    def _unique_name(self, model: str) -> str:
        return f"{self.name}/{self.place}/{model}"

    def _address(self, model: str) -> str:
        name = self._unique_name(model)
        return f"vllm:{name if name in self.faulty else model}"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a case."""

    result: Result
    calls: list[Call]
    kinds: set[str]

    @property
    def leaks(self) -> list[str]:
        """The error messages, and the texts of failed models, that a prompt contains."""
        prompts = "\n".join(str(message["content"]) for c in self.calls for message in c.messages)
        failed = [record for record in records(self.result) if not record["ok"]]
        words = [f"{record['model'].removeprefix('vllm:')} says" for record in failed]
        return [text for text in (MARK, "Error", "error", *words) if text in prompts]


def records(result: Result) -> list[dict[str, Any]]:
    """Return the records of all model calls of the run."""
    proposals = [dict(p) for layer in result.layers for p in layer["proposals"]]
    return [*proposals, *(step for step in result.steps if "model" in step)]


def cases() -> Iterator[Case]:
    """Return every fault at every place."""
    for name in MISBEHAVIOURS:
        for place in PLACES:
            yield Case(name, place)


async def outcomes(provider: Provider) -> dict[Case, Outcome]:
    """Run all cases, several at once."""
    at_once = asyncio.Semaphore(AT_ONCE)

    async def run(case: Case) -> Outcome:
        async with at_once:
            return await _outcome(provider, case)

    every = list(cases())
    return dict(zip(every, await asyncio.gather(*map(run, every)), strict=True))


async def _outcome(provider: Provider, case: Case) -> Outcome:
    for model in case.faulty:
        provider.script(model, *case.fault.script)
        provider.reply(model, f"{model} says: " + "a word and another, " * 20)
    result = await aask(case.question, case.recipe(provider.base_url))
    calls = [call for call in provider.calls if call.messages[-1]["content"] == case.question]
    faulty = [r for r in records(result) if r["model"].removeprefix("vllm:") in case.faulty]
    return Outcome(result, calls, {record["kind"] for record in faulty})


def rows(outcome_by_case: dict[Case, Outcome]) -> Iterator[str]:
    """Return the rows of the table."""
    yield "| the provider | at | the run | its record | calls | wall s | failure text in a prompt |"
    yield "|---|---|---|---|---|---|---|"
    for case, outcome in outcome_by_case.items():
        kinds = ", ".join(sorted(outcome.kinds)) or "no answer"
        yield (
            f"| {case.name} | {case.place} | {outcome.result.status} | {kinds} "
            f"| {len(outcome.calls)} | {outcome.result.seconds:.2f} "
            f"| {', '.join(outcome.leaks) or 'none'} |"
        )


def main() -> None:
    """Print the table."""
    with Provider() as provider:
        for row in rows(asyncio.run(outcomes(provider))):
            print(row)


if __name__ == "__main__":
    main()
