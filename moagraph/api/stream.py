"""Ask one question and receive typed events while it is answered."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from moagraph.api.ask import aask
from moagraph.graphs.compile.layout import LayerLayout, lay_out_layers, lay_out_preparation
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.models import event_loops
from moagraph.threads.events import (
    AnswerToken,
    Event,
    LayerFinished,
    RunFinished,
    SeatFinished,
    SeatStarted,
    SeatToken,
    SilentObserver,
    StepFinished,
)


async def astream(
    question: str,
    recipe: Recipe | str | Path | None = None,
    *,
    system: str | None = None,
    thread: str | None = None,
    threads: BaseCheckpointSaver[Any] | None = None,
    pause_after: Sequence[int] = (),
    cache: bool = False,
    trust: bool = False,
) -> AsyncGenerator[Event]:
    """Ask one question and yield events as they happen.

    Args:
        question: The question.
        recipe: A recipe, its name or its file; by default the best that this environment allows.
        system: A system message for all models.
        thread: The thread's name; a new one by default.
        threads: Where the thread is stored, such as `open_threads()`; by default nowhere.
        pause_after: The layers after which to pause for a person.
        cache: Whether earlier answers to the same call are reused.
        trust: Let a thread run that was imported.

    Yields:
        Events in the order in which they happen; the last one is `RunFinished`.
    """
    events: asyncio.Queue[Event | None] = asyncio.Queue()

    async def run() -> None:
        try:
            result = await aask(
                question,
                recipe,
                system=system,
                thread=thread,
                threads=threads,
                pause_after=pause_after,
                cache=cache,
                trust=trust,
                watch=_EventQueue(events),
            )
            events.put_nowait(RunFinished(result))
        finally:
            events.put_nowait(None)

    task = asyncio.ensure_future(run())
    try:
        while (event := await events.get()) is not None:
            yield event
        await task  # raises what the run raised
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def stream(
    question: str,
    recipe: Recipe | str | Path | None = None,
    *,
    system: str | None = None,
    thread: str | None = None,
    threads: BaseCheckpointSaver[Any] | None = None,
    pause_after: Sequence[int] = (),
    cache: bool = False,
    trust: bool = False,
) -> Iterator[Event]:
    """Do what `astream` does, without an event loop; the arguments are the same."""
    events = astream(
        question,
        recipe,
        system=system,
        thread=thread,
        threads=threads,
        pause_after=pause_after,
        cache=cache,
        trust=trust,
    )
    try:
        while (event := event_loops.run(_next(events))) is not None:
            yield event
    finally:
        event_loops.run(events.aclose())


async def _next(events: AsyncGenerator[Event]) -> Event | None:
    return await anext(events, None)


class _EventQueue(SilentObserver):
    """Turns what an observer is told into events."""

    def __init__(self, events: asyncio.Queue[Event | None]) -> None:
        self._events = events
        self._layers: list[LayerLayout] = []
        self._preparation: list[str] = []
        self._open: dict[int, set[str]] = {}

    def run_started(self, recipe: Recipe, thread_id: str) -> None:
        self._layers = list(lay_out_layers(recipe))
        self._preparation = [spec.name for spec, _ in lay_out_preparation(recipe)]
        self._open = {
            layer.number: {spec.name for spec, _ in layer.seats} for layer in self._layers
        }
        if not self._preparation:
            self._start(1)

    def node_restored(self, node: str, record: Mapping[str, Any]) -> None:
        for seats in self._open.values():
            seats.discard(node)

    def token_received(self, metadata: Mapping[str, Any], text: str) -> None:
        if metadata.get("role") == "answer":
            self._events.put_nowait(AnswerToken(text))
        elif metadata.get("role") == "proposer":
            layer, seat = int(metadata["layer"]), str(metadata["seat"])
            self._events.put_nowait(SeatToken(layer, seat, metadata["langgraph_node"], text))

    def node_finished(self, node: str, record: Mapping[str, Any]) -> None:
        layer = self._layer_of(node)
        if layer is None:
            self._events.put_nowait(StepFinished(node, dict(record)))
            self._start_after(node)
            return
        seat = next(spec.seat for spec, _ in layer.seats if spec.name == node)
        self._events.put_nowait(SeatFinished(layer.number, seat, node, record))  # type: ignore[arg-type]
        self._open[layer.number].discard(node)
        if not self._open[layer.number]:
            self._events.put_nowait(LayerFinished(layer.number))
            if not layer.steps:
                self._start(layer.number + 1)

    def _layer_of(self, node: str) -> LayerLayout | None:
        own = (layer for layer in self._layers if any(s.name == node for s, _ in layer.seats))
        return next(own, None)

    def _start_after(self, node: str) -> None:
        """Start the layer that follows a step, if the step was the last before it."""
        if self._preparation and self._preparation[-1] == node:
            self._start(1)
        for layer in self._layers:
            if layer.steps and layer.steps[-1][0].name == node:
                self._start(layer.number + 1)

    def _start(self, number: int) -> None:
        """Announce the seats of a layer that have no answer yet, once."""
        for layer in self._layers:
            if layer.number == number:
                for spec, seat in layer.seats:
                    if spec.name in self._open[number]:
                        event = SeatStarted(number, spec.seat, spec.name, seat.model)
                        self._events.put_nowait(event)
