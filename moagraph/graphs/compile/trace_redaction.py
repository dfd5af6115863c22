"""Traces without content: with MOA_TRACE_CONTENT=off who ran, how long and how much, not what."""

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

from moagraph.graphs.compile.failed_calls import Counted

WITHHELD = "withheld: MOA_TRACE_CONTENT is off, or the recipe is private"
KEPT = {"metadata", "runtime"}


def is_quiet() -> bool:
    """Whether traces leave out what was asked and answered."""
    return os.environ.get("MOA_TRACE_CONTENT", "").strip().lower() in ("off", "0", "false", "no")


class QuietTracer(LangChainTracer):
    """LangSmith's tracer, whose runs have lost their words before they are sent."""

    def _persist_run_single(self, run: Run) -> None:
        _blank(run)
        super()._persist_run_single(run)

    @staticmethod
    def _update_run_single(run: Run) -> None:
        _blank(run)
        LangChainTracer._update_run_single(run)


class Quiet(Counted):
    """A compiled graph that puts a quiet tracer in the place of each one that would hear it."""

    def stream(self, input: Any, config: RunnableConfig | None = None, **how: Any) -> Iterator[Any]:
        """Stream as LangGraph does."""
        merged = merge_configs(self.config, ensure_config(config))
        manager = get_callback_manager_for_config(merged)
        return super().stream(input, {**merged, "callbacks": _quieted(manager)}, **how)

    def astream(
        self, input: Any, config: RunnableConfig | None = None, **how: Any
    ) -> AsyncIterator[Any]:
        """Stream as LangGraph does."""
        merged = merge_configs(self.config, ensure_config(config))
        manager = get_async_callback_manager_for_config(merged)
        return super().astream(input, {**merged, "callbacks": _quieted(manager)}, **how)


def _quieted(manager: CallbackManager | AsyncCallbackManager) -> Any:
    manager.handlers = [_quiet(handler) for handler in manager.handlers]
    manager.inheritable_handlers = [_quiet(handler) for handler in manager.inheritable_handlers]
    return manager


def _quiet(handler: BaseCallbackHandler) -> BaseCallbackHandler:
    if not isinstance(handler, LangChainTracer) or isinstance(handler, QuietTracer):
        return handler
    quiet = QuietTracer(client=handler.client)
    vars(quiet).update(vars(handler))  # the same runs, as part of the same tree
    return quiet


def _blank(run: Run) -> None:
    run.inputs, run.outputs, run.serialized, run.events = {}, {}, None, []
    run.error = WITHHELD if run.error else None
    run.extra = {key: value for key, value in (run.extra or {}).items() if key in KEPT}
