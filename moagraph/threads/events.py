"""What happens during a run: an observer is told at once; `stream` yields typed events."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.state import Json, Proposal
from moagraph.threads.result import Result


class RunObserver(Protocol):
    """Told what happens as it happens; called on the run's own event loop, so it must be quick."""

    def run_started(self, recipe: Recipe, thread_id: str) -> None:
        """The run is about to call its first model."""

    def node_restored(self, node: str, record: Mapping[str, Any]) -> None:
        """A seat or a step had its record before this run."""

    def token_received(self, metadata: Mapping[str, Any], text: str) -> None:
        """A model produced text; the metadata is the node's, with the message's id."""

    def node_finished(self, node: str, record: Mapping[str, Any]) -> None:
        """A seat or a step has its record."""


class SilentObserver:
    """Ignores everything; subclass it to observe some of it."""

    def run_started(self, recipe: Recipe, thread_id: str) -> None:
        """Do nothing."""

    def node_restored(self, node: str, record: Mapping[str, Any]) -> None:
        """Do nothing."""

    def token_received(self, metadata: Mapping[str, Any], text: str) -> None:
        """Do nothing."""

    def node_finished(self, node: str, record: Mapping[str, Any]) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class SeatStarted:
    """A seat's layer has begun; the seat calls its model unless it has an answer already."""

    layer: int
    seat: str
    node: str
    model: str


@dataclass(frozen=True)
class SeatToken:
    """A seat's model produced text."""

    layer: int
    seat: str
    node: str
    text: str


@dataclass(frozen=True)
class SeatFinished:
    """A seat has its proposal, usable or not."""

    layer: int
    seat: str
    node: str
    proposal: Proposal


@dataclass(frozen=True)
class LayerFinished:
    """All seats of a layer have their proposals."""

    layer: int


@dataclass(frozen=True)
class StepFinished:
    """A step has its record."""

    node: str
    record: Json


@dataclass(frozen=True)
class AnswerToken:
    """The step that writes the answer produced text."""

    text: str


@dataclass(frozen=True)
class RunFinished:
    """The run is done, paused or failed."""

    result: Result


Event: TypeAlias = (
    SeatStarted
    | SeatToken
    | SeatFinished
    | LayerFinished
    | StepFinished
    | AnswerToken
    | RunFinished
)
