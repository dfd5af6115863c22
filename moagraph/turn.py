"""One question, one result: the shortest way from an app to a mixture."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver

from graphs.build import build
from graphs.load import load_recipe
from graphs.recipe import Recipe
from moagraph.choose import choose
from moagraph.result import Result
from moagraph.run import run
from moagraph.watch import Watch
from nodes.chat import loops


async def aask(
    question: str,
    recipe: Recipe | str | Path | None = None,
    *,
    system: str | None = None,
    thread: str | None = None,
    threads: BaseCheckpointSaver[Any] | None = None,
    watch: Watch | None = None,
) -> Result:
    """Ask one question; with no recipe, by the best one that this environment allows."""
    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(recipe or choose().recipe)
    graph = build(chosen).compile(checkpointer=threads or InMemorySaver())
    config: Any = {"configurable": {"thread_id": thread or new_thread()}}
    return await run(graph, chosen, {"messages": messages_of(question, system)}, config, watch)


def ask(
    question: str,
    recipe: Recipe | str | Path | None = None,
    *,
    system: str | None = None,
    thread: str | None = None,
    threads: BaseCheckpointSaver[Any] | None = None,
    watch: Watch | None = None,
) -> Result:
    """Ask one question and wait for its result, also from inside a running event loop."""
    return loops.run(
        aask(question, recipe, system=system, thread=thread, threads=threads, watch=watch)
    )


def messages_of(question: str, system: str | None = None) -> Sequence[AnyMessage]:
    """The messages of one turn."""
    asked = HumanMessage(question)
    return [SystemMessage(system), asked] if system else [asked]


def new_thread() -> str:
    """A name for a thread, short enough to type."""
    return secrets.token_hex(6)
