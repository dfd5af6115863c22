"""Run a graph inside another one's node, invisible to the outer graph but not to its traces."""

import asyncio
import contextvars
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, TypeAlias

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    BaseCallbackHandler,
    BaseCallbackManager,
    CallbackManagerForLLMRun,
)
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers.base import BaseTracer

StreamPart: TypeAlias = tuple[str, Any]
Managers: TypeAlias = AsyncCallbackManagerForLLMRun | CallbackManagerForLLMRun | None


def tracing_callbacks(manager: Managers) -> Any:
    """Return only the tracers of the caller: other handlers listen to the outer model."""
    if manager:
        tracers = _tracers(manager.inheritable_handlers)
        return AsyncCallbackManager(
            tracers,
            tracers,
            parent_run_id=manager.run_id,
            inheritable_metadata=manager.inheritable_metadata,
        )
    callbacks = (var_child_runnable_config.get() or {}).get("callbacks")
    if isinstance(callbacks, BaseCallbackManager):
        callbacks = callbacks.copy()
        callbacks.handlers = _tracers(callbacks.handlers)
        callbacks.inheritable_handlers = _tracers(callbacks.inheritable_handlers)
        return callbacks
    return _tracers(callbacks or [])


async def isolated_stream(
    start: Callable[[], AsyncIterator[StreamPart]],
) -> AsyncGenerator[StreamPart]:
    """Iterate in a task whose context does not know the graph in which the model is called."""
    queue: asyncio.Queue[StreamPart | None] = asyncio.Queue()

    async def pump() -> None:
        try:
            async for part in start():
                queue.put_nowait(part)
        finally:
            queue.put_nowait(None)

    context = contextvars.copy_context()
    context.run(var_child_runnable_config.set, None)
    task = asyncio.get_running_loop().create_task(pump(), context=context)
    try:
        while (part := await queue.get()) is not None:
            yield part
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _tracers(handlers: list[BaseCallbackHandler]) -> list[BaseCallbackHandler]:
    return [handler for handler in handlers if isinstance(handler, BaseTracer)]
