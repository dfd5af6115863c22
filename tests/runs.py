"""Runs that can be told apart: each seat asks a model of its own, and its calls are counted."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg

from moagraph.graphs.recipe.schema import Recipe
from moagraph.threads.history import READER, compile_recipe, config_of
from moagraph.threads.open import Threads
from moagraph.threads.savers.postgres import PostgresThreads
from moagraph.threads.savers.sqlite import SqliteThreads
from tests.mixtures import mixture
from tests.provider import Provider

FIRST, SECOND = ["a", "b", "c"], ["d", "e", "f"]
ALL = [*FIRST, *SECOND, "agg"]
ANSWER = "agg says: this is answer number 1."

FILE = """
[defaults]
base_url = "{url}"
timeout = 20
[[layers]]
proposers = ["vllm:a", "vllm:b", "vllm:c"]
[[layers]]
proposers = ["vllm:d", "vllm:e", "vllm:f"]
aggregate = {{ step = "synthesize", model = "vllm:agg" }}
"""


def two_layers(**said: Any) -> Recipe:
    """Two layers of three seats and the aggregator, each a model of its own."""
    return mixture(
        [f"openai:{name}" for name in FIRST], [f"openai:{name}" for name in SECOND], **said
    )


def recipe_file(folder: Path, url: str, text: str = FILE) -> str:
    """The same as a file, for `moa`."""
    (folder / "two.toml").write_text(text.format(url=url))
    return str(folder / "two.toml")


def calls_of(provider: Provider, act: Callable[[], Any]) -> list[str]:
    """The models that were asked while it acted, sorted."""
    before = len(provider.calls)
    act()
    return sorted(call.model for call in provider.calls[before:])


def in_flight(provider: Provider) -> int:
    """How many calls wait for their answer now."""
    return sum(call.finished is None and not call.aborted for call in list(provider.calls))


def read(threads: Threads, thread_id: str) -> dict[str, Any]:
    """Every checkpoint of the thread as it reads now, by its id, newest first."""
    graph = compile_recipe(Recipe.model_validate(READER), threads)
    return {
        state.config["configurable"]["checkpoint_id"]: (state.values, state.metadata)
        for state in graph.get_state_history(config_of(thread_id))
    }


def latest(threads: Threads, thread_id: str) -> dict[str, Any]:
    """What the thread holds now."""
    values: dict[str, Any] = (
        compile_recipe(Recipe.model_validate(READER), threads)
        .get_state(config_of(thread_id))
        .values
    )
    return values


def said(values: dict[str, Any]) -> list[str]:
    """The conversation, message by message."""
    return [message.text for message in values["messages"]]


def heard_by(provider: Provider, model: str) -> str:
    """What the model was sent last, as one text."""
    sent: Sequence[dict[str, Any]] = next(
        call.messages for call in reversed(provider.calls) if call.model == model
    )
    return "\n".join(str(message["content"]) for message in sent)


def execute(threads: Threads, statement: str, *values: Any) -> None:
    """Change what is stored behind the saver's back, in SQLite's words."""
    if isinstance(threads, SqliteThreads):
        with threads.conn:
            threads.conn.execute(statement, values)
        return
    with psycopg.connect(os.environ["MOA_DATABASE_URL"], autocommit=True) as connection:
        connection.execute(statement.replace("?", "%s").encode(), values)


def cut(threads: Threads, thread: str, step: int, wrote: bool) -> None:
    """Take away all behind that step, and perhaps what its own nodes wrote."""
    last = sorted(read(threads, thread))[step]
    writes = "checkpoint_writes" if isinstance(threads, PostgresThreads) else "writes"
    for table, beyond in (("checkpoints", ">"), (writes, ">" if wrote else ">=")):
        statement = f"DELETE FROM {table} WHERE thread_id = ? AND checkpoint_id {beyond} ?"
        execute(threads, statement, thread, last)
