"""The graph of a recipe that redacts: checkpoints and traces see no private detail."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.constants import CONF

from moagraph.graphs.compile.trace_redaction import RedactedGraph
from moagraph.nodes.hooks import PrivacyBoundary, marked_vaults, required_hook

SAVER = "__pregel_checkpointer"  # where a graph around this one, or a server, puts its own


class PrivateGraph(RedactedGraph):
    """Replaces the texts of its input by handles, and restores the originals in its output."""

    def stream(
        self, input: Any, config: RunnableConfig | None = None, **options: Any
    ) -> Iterator[Any]:
        """Stream as LangGraph does; without a checkpointer the vault is deleted at the end."""
        self.check_trust(config)
        values, vault = _boundary().take_in(input)
        try:
            for part in super().stream(values, config, **options):
                yield _boundary().restore(part)
        finally:
            if vault and not self._has_checkpointer(config):
                _boundary().forget(vault)

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **options: Any
    ) -> AsyncIterator[Any]:
        """Stream as LangGraph does; without a checkpointer the vault is deleted at the end."""
        await self.acheck_trust(config)
        values, vault = await asyncio.to_thread(_boundary().take_in, input)
        try:
            parts: Any = super().astream(values, config, **options)
            async with aclosing(parts):
                async for part in parts:
                    is_marked = next(marked_vaults(part), None)
                    yield await asyncio.to_thread(_boundary().restore, part) if is_marked else part
        finally:
            if vault and not self._has_checkpointer(config):
                _boundary().forget(vault)

    def _has_checkpointer(self, config: RunnableConfig | None) -> bool:
        return bool(self.checkpointer) or SAVER in (config or {}).get(CONF, {})


def _boundary() -> PrivacyBoundary:
    boundary: PrivacyBoundary = required_hook("privacy", "a recipe that redacts")
    return boundary
