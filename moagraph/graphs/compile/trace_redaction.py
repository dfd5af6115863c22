"""Traces without content: with MOA_TRACE_CONTENT=off they show nodes, times and tokens, no text."""

import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler, CallbackManager
from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.runnables.config import (
    get_async_callback_manager_for_config,
    get_callback_manager_for_config,
    merge_configs,
)
from langchain_core.tracers import LangChainTracer
from langchain_core.tracers.schemas import Run

from moagraph.graphs.compile.failed_calls import CountingGraph

WITHHELD = "withheld: MOA_TRACE_CONTENT is off, or the recipe is private"
SAFE_KEYS = {"metadata", "runtime"}


def traces_without_content() -> bool:
    """Tell whether traces leave out questions and answers."""
    return os.environ.get("MOA_TRACE_CONTENT", "").strip().lower() in ("off", "0", "false", "no")


class RedactingTracer(LangChainTracer):
    """LangSmith's tracer; inputs, outputs and events are removed before a run is sent."""

    def _persist_run_single(self, run: Run) -> None:
        _blank(run)
        super()._persist_run_single(run)

    @staticmethod
    def _update_run_single(run: Run) -> None:
        _blank(run)
        LangChainTracer._update_run_single(run)


class RedactedGraph(CountingGraph):
    """A compiled graph that replaces each LangSmith tracer by a redacting one."""

    def stream(self, input: Any, config: RunnableConfig | None = None, **how: Any) -> Iterator[Any]:
        """Stream as LangGraph does."""
        merged = merge_configs(self.config, ensure_config(config))
        manager = get_callback_manager_for_config(merged)
        return super().stream(input, {**merged, "callbacks": _redacting(manager)}, **how)

    def astream(
        self, input: Any, config: RunnableConfig | None = None, **how: Any
    ) -> AsyncIterator[Any]:
        """Stream as LangGraph does."""
        merged = merge_configs(self.config, ensure_config(config))
        manager = get_async_callback_manager_for_config(merged)
        return super().astream(input, {**merged, "callbacks": _redacting(manager)}, **how)


def _redacting(manager: CallbackManager | AsyncCallbackManager) -> Any:
    manager.handlers = [_redacting_handler(handler) for handler in manager.handlers]
    manager.inheritable_handlers = [
        _redacting_handler(handler) for handler in manager.inheritable_handlers
    ]
    return manager


def _redacting_handler(handler: BaseCallbackHandler) -> BaseCallbackHandler:
    if not isinstance(handler, LangChainTracer) or isinstance(handler, RedactingTracer):
        return handler
    redacting = RedactingTracer(client=handler.client)
    vars(redacting).update(vars(handler))  # the same runs, as part of the same tree
    return redacting


def _blank(run: Run) -> None:
    run.inputs, run.outputs, run.serialized, run.events = {}, {}, None, []
    run.error = WITHHELD if run.error else None
    run.extra = {key: value for key, value in (run.extra or {}).items() if key in SAFE_KEYS}
