"""What a run tells while it runs, for those who want to see it."""

from collections.abc import Mapping
from typing import Any, Protocol

from moagraph.graphs.recipe.schema import Recipe


class Watch(Protocol):
    """Told what happens as it happens; called on the run's own loop, so it must be quick."""

    def began(self, recipe: Recipe, thread_id: str) -> None:
        """The run is about to ask its first model."""

    def stands(self, node: str, record: Mapping[str, Any]) -> None:
        """A seat or a step had its record before this run."""

    def heard(self, spec: Mapping[str, Any], text: str) -> None:
        """A model said a piece of text; the place is its node's metadata and the message's id."""

    def finished(self, node: str, record: Mapping[str, Any]) -> None:
        """A seat or a step has its record."""


class Unwatched:
    """Nobody looks."""

    def began(self, recipe: Recipe, thread_id: str) -> None:
        """Say nothing."""

    def stands(self, node: str, record: Mapping[str, Any]) -> None:
        """Say nothing."""

    def heard(self, spec: Mapping[str, Any], text: str) -> None:
        """Say nothing."""

    def finished(self, node: str, record: Mapping[str, Any]) -> None:
        """Say nothing."""
