"""A private recipe's graph: the engine, its checkpoints and its traces see no original."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.constants import CONF

from moagraph.graphs.compile.trace_redaction import Quiet
from moagraph.nodes.privacy.boundary import everywhere, marked, taken_in
from moagraph.nodes.privacy.vault import forget

SAVER = "__pregel_checkpointer"  # where a graph around this one, or a server, puts its own


class Private(Quiet):
    """Takes the words out of what goes in, and puts the originals into what comes out."""

    def stream(self, input: Any, config: RunnableConfig | None = None, **how: Any) -> Iterator[Any]:
        """Stream as LangGraph does; what no thread keeps is forgotten at the end."""
        given, token = taken_in(input)
        try:
            for part in super().stream(given, config, **how):
                yield everywhere(part)
        finally:
            if token and not self._keeps(config):
                forget(token)

    async def astream(
        self, input: Any, config: RunnableConfig | None = None, **how: Any
    ) -> AsyncIterator[Any]:
        """Stream as LangGraph does; what no thread keeps is forgotten at the end."""
        given, token = await asyncio.to_thread(taken_in, input)
        try:
            parts: Any = super().astream(given, config, **how)
            async with aclosing(parts):
                async for part in parts:
                    named = next(marked(part), None)
                    yield await asyncio.to_thread(everywhere, part) if named else part
        finally:
            if token and not self._keeps(config):
                forget(token)

    def _keeps(self, config: RunnableConfig | None) -> bool:
        return bool(self.checkpointer) or SAVER in (config or {}).get(CONF, {})
