"""One question, one result: the shortest way from an app to a mixture."""

import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.constants import START

from moagraph.api.default_recipe import choose_recipe
from moagraph.graphs.recipe.load import load_recipe
from moagraph.graphs.recipe.schema import Recipe, with_cache, with_review
from moagraph.nodes.errors import UsageError
from moagraph.nodes.hooks import forget_vaults, vaults_of
from moagraph.nodes.models import event_loops
from moagraph.threads.events import RunObserver
from moagraph.threads.history import check_trust, compile_recipe
from moagraph.threads.result import Result
from moagraph.threads.runner import Graph, hold, run
from moagraph.threads.trust import REQUEST


async def aask(
    question: str,
    recipe: Recipe | str | Path | None = None,
    *,
    system: str | None = None,
    thread: str | None = None,
    threads: BaseCheckpointSaver[Any] | None = None,
    pause_after: Sequence[int] = (),
    cache: bool = False,
    watch: RunObserver | None = None,
    trust: bool = False,
) -> Result:
    """Ask one question; with no recipe, by the best one that this environment allows.

    `trust` lets an imported thread run, from now on.
    """
    source = recipe if recipe is not None else choose_recipe().recipe
    loaded = source if isinstance(source, Recipe) else load_recipe(source)
    saver, name = threads or InMemorySaver(), thread or new_thread()
    config: Any = {"configurable": {"thread_id": name}}
    if not isinstance(source, Recipe):
        asked_for = {"recipe": str(source), "pause_after": list(pause_after)}
        config["metadata"] = {REQUEST: json.dumps(asked_for)}  # the engine drops what is nested
    async with hold(saver, name):
        await check_trust(saver, name, trust)
        reviewed_recipe = with_review(loaded, pause_after)
        graph = compile_recipe(with_cache(reviewed_recipe) if cache else reviewed_recipe, saver)
        await _finish_killed_turn(graph, config)
        await _check_system_message(graph, config, system)
        values = {"messages": messages_of(question, system)}
        try:
            return await run(graph, loaded, values, config, watch)
        finally:
            if threads is None:
                forget_vaults(vaults_of(saver.list(config)))


def ask(question: str, recipe: Recipe | str | Path | None = None, **options: Any) -> Result:
    """Ask and wait, also from inside a running event loop; the options are those of `aask`."""
    return event_loops.run(aask(question, recipe, **options))


def messages_of(question: str, system: str | None = None) -> Sequence[AnyMessage]:
    """The messages of one turn."""
    reviewed_recipe = HumanMessage(question)
    return [SystemMessage(system), reviewed_recipe] if system else [reviewed_recipe]


def new_thread() -> str:
    """A name for a thread, short enough to type."""
    return secrets.token_hex(6)


async def _finish_killed_turn(graph: Graph, config: Any) -> None:
    """Let a turn that was killed behind its last step come to its end: no model is asked.

    The engine would drop its answer, which is written but not yet in the conversation.
    """
    state = await graph.aget_state(config)
    answered = (isinstance(t.result, dict) and _ends_with_answer(t.result) for t in state.tasks)
    if state.tasks and not state.next and state.tasks[0].name != START and all(answered):
        await graph.ainvoke(None, config)


def _ends_with_answer(update: dict[str, Any]) -> bool:
    """A step ahead of the layers may rewrite the conversation, which ends with a question."""
    messages = update.get("messages") or [None]
    return isinstance(messages[-1], AIMessage)


async def _check_system_message(graph: Graph, config: Any, system: str | None) -> None:
    """A conversation has one system message, at its beginning."""
    if system and (await graph.aget_state(config)).values.get("messages"):
        raise UsageError("this thread has begun: its system message cannot be changed")
