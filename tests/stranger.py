"""Threads as a stranger exports them: stopped just ahead of what they are after."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from moagraph import ask
from moagraph.graphs.compile.build import build
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.state import Json
from moagraph.threads.archive import export_thread, import_thread
from moagraph.threads.export_schema import make_document
from moagraph.threads.history import config_of
from moagraph.threads.open import Threads, open_threads
from tests.mixtures import mixture
from tests.provider import Provider

SPOKEN = mixture(["scripted:a"], aggregator="scripted:b")
HI: Any = {"messages": [("user", "What is in the notes?")]}


def recipe_of(capture: Provider, **said: Any) -> Recipe:
    """One seat and the aggregator, both asked at the stranger's own address."""
    aggregate = [{"step": "synthesize", "model": "x:agg", "base_url": capture.base_url}]
    layer: Json = {
        "proposers": [{"model": "x:a", "base_url": capture.base_url, **said.pop("seat", {})}],
        "aggregate": [*said.pop("aggregate", []), *aggregate],
    }
    return Recipe.model_validate({"name": "useful", "layers": [layer], **said})


def exported(
    recipe: Recipe,
    stop_before: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Json], Json] | None = None,
) -> Json:
    """The export of a thread that the stranger ran up to a node, on a machine of his own."""
    with monkeypatch.context() as his:
        his.setenv("MOA_HOME", str(home))
        his.delenv("MOA_DATABASE_URL", raising=False)
        with open_threads() as threads:
            graph = build(recipe).compile(checkpointer=threads, interrupt_before=[stop_before])
            graph.invoke(HI, config_of("gift"))
            if change:
                state = graph.get_state(config_of("gift"))
                previous = {"L1_01_a": "begin", "L1_synthesize": "L1_join"}[stop_before]
                update = {"recipe": change(dict(state.values["recipe"]))}
                graph.update_state(config_of("gift"), update, as_node=previous)
            told: Json = json.loads(json.dumps(export_thread(threads, "gift")))
    return told


def written(told: Json, folder: Path) -> str:
    """The file, its sum made right again."""
    file = folder / "gift.json"
    file.write_text(json.dumps(make_document(told["thread_id"], told["checkpoints"])))
    return str(file)


def given(
    threads: Threads | InMemorySaver, name: str = "u", recipe: Any = SPOKEN, **options: Any
) -> str:
    """An imported thread with one turn."""
    other = InMemorySaver()
    ask("one", recipe, thread="gift", threads=other)
    return import_thread(threads, export_thread(other, "gift"), name, **options)


def gift(threads: Threads) -> Json:
    """An export of a paused thread whose recipe reaches nothing."""
    ask("one", SPOKEN, thread="gift", threads=threads, pause_after=[1])
    told: Json = json.loads(json.dumps(export_thread(threads, "gift")))
    return told
