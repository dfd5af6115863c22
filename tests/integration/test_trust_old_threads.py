"""Threads that an earlier version stored have no recorded origin: their recipes decide."""

import asyncio
import json
from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint

from moagraph import (
    NotTrusted,
    ask,
    replay,
    resume,
)
from moagraph.graphs.compile.thread_trust import ORIGIN, read_trust
from moagraph.threads.archive import import_thread
from moagraph.threads.history import config_of, open_thread
from moagraph.threads.open import Threads
from tests.mixtures import mixture
from tests.provider import Provider
from tests.stranger import SPOKEN, gift, recipe_of
from tests.terminal import moa


def forget_origin(threads: Threads, thread_id: str) -> None:
    """As an earlier version has stored it."""
    tuples = list(threads.list(config_of(thread_id)))
    for one in tuples:
        metadata: Any = {key: value for key, value in one.metadata.items() if key != ORIGIN}
        config: Any = one.parent_config or config_of(thread_id)
        config["configurable"].setdefault("checkpoint_ns", "")
        threads.put(config, one.checkpoint, metadata, {})
    assert all(ORIGIN not in one.metadata for one in threads.list(config_of(thread_id)))


def test_an_old_thread_counts_as_imported_if_its_recipe_names_a_foreign_address(
    threads: Threads, capture: Provider
) -> None:
    ask("one", recipe_of(capture), thread="t", threads=threads)
    asked = len(capture.calls)
    assert replay("t", threads, edit={"1.01": "mine"}).status == "done"
    forget_origin(threads, "t")
    refused = moa("replay", "t", "--edit", "1.01=mine")
    assert (refused.code, len(refused.lines)) == (2, 1)
    assert f"may have been imported (its recipe names '{capture.base_url}'" in refused.err
    assert len(capture.calls) == asked + 1
    told = json.loads(moa("show", "t", "--json").out)
    assert (told["imported"], told["trusted"]) == (True, False)
    assert moa("replay", "t", "--edit", "1.01=mine", "--trust").code == 0
    assert moa("replay", "t", "--edit", "1.01=mine").code == 0


def test_an_old_thread_that_stays_with_known_servers_is_ones_own(
    provider: Provider, threads: Threads, capture: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("one", mixture(["openai:a", "together:b"]), thread="t", threads=threads)
    ask("one", recipe_of(provider), thread="by variable", threads=threads)
    ask("one", recipe_of(capture), thread="by pair", threads=threads)
    monkeypatch.setenv("MOA_KEY_ADDRESSES", f"ACME_API_KEY={capture.base_url}")
    for thread in ("t", "by variable", "by pair"):
        forget_origin(threads, thread)
        assert asyncio.run(open_thread(threads, thread)).trust.trusted
        assert replay(thread, threads, edit={"1.01": "mine"}).status == "done"


def test_a_document_cannot_say_that_it_is_from_here(threads: Threads) -> None:
    told = gift(threads)
    assert all(entry["metadata"][ORIGIN] == "local" for entry in told["checkpoints"])
    import_thread(threads, told, "u")
    with pytest.raises(NotTrusted):
        resume("u", threads)


def test_an_empty_checkpoint_of_another_app_is_no_record_of_trust(threads: Threads) -> None:
    ask("one", SPOKEN, thread="t", threads=threads)
    where: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": "inner"}}
    threads.put(where, empty_checkpoint(), {"source": "loop", "step": 0, "parents": {}}, {})
    assert read_trust(threads, "t") is None
    assert asyncio.run(open_thread(threads, "t")).trust.trusted
