"""Threads that moagraph 0.1.0 stored can be shown, replayed, resumed, retried and imported.

`tests/fixtures/stored/make.py` says how the threads were made. They are never made again: where
a test here fails, the code has to change and not the fixtures.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from tests.provider import Call, Provider
from tests.runs import calls_of, heard_by

STORED = Path(__file__).parents[1] / "fixtures" / "stored"
HOME, EXPORTS = STORED / "home", sorted((STORED / "exports").glob("*.json"))
VIEWS: dict[str, Any] = {
    file.stem: json.loads(file.read_text(encoding="utf-8"))
    for file in sorted((STORED / "expected").glob("*.json"))
}
# By the entry point, since modules may move.
[MAIN] = entry_points(group="console_scripts", name="moa")
IMPORT = ("threads", "import", "--trust")

Moa = Callable[..., Any]


@pytest.fixture
def moa(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Moa:
    """Run `moa` in this process, in a data folder that has the recipes and no threads."""
    for folder in ("recipes", "private"):
        shutil.copytree(HOME / folder, data_folder() / folder)

    def run(*words: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["moa", *words])
        with pytest.raises(SystemExit) as ended:
            MAIN.load()()
        printed = capsys.readouterr()
        assert ended.value.code == 0, printed.err
        return json.loads(printed.out) if "--json" in words else printed.out

    return run


@pytest.fixture
def stored(moa: Moa) -> Moa:
    """`moa` in a data folder that has the stored threads."""
    shutil.copy(HOME / "threads.sqlite", data_folder())
    return moa


def data_folder() -> Path:
    return Path(os.environ["MOA_HOME"])


def shown(moa: Moa, view: str) -> Any:
    return moa(*VIEWS[view]["args"], "--json")


def calls_after(provider: Provider, moa: Moa, *words: str) -> tuple[list[str], Any]:
    """The models that a command asks, sorted, and what it prints."""
    printed: list[Any] = []
    called = calls_of(provider, lambda: printed.append(moa(*words, "--json")))
    return called, printed[0]


def echo(call: Call) -> str:
    return f"You wrote: {call.messages[-1]['content']}"


@pytest.mark.parametrize("view", VIEWS)
def test_a_stored_thread_is_shown_as_it_was(stored: Moa, provider: Provider, view: str) -> None:
    assert shown(stored, view) == VIEWS[view]["output"]
    assert provider.calls == []


def test_the_list_names_every_kind_of_thread(stored: Moa) -> None:
    assert {row["thread_id"]: row["status"] for row in stored("threads", "--json")} == {
        "two-layers": "done",
        "paused": "paused",
        "cascade": "done",
        "private": "done",
        "forked": "done",
        "failed": "failed",
        "stopped": "failed",
    }


def test_failed_and_substituted_proposals_keep_what_happened(stored: Moa) -> None:
    layer = stored("show", "two-layers", "--json")["layers"][0]
    assert [(p["ok"], p["kind"], p["error"], p["answered_by"]) for p in layer["proposals"]] == [
        (True, "ok", None, "a"),
        (False, "refused", "400: scripted to fail", None),
        (True, "substituted", None, "together:sub"),
    ]


def test_both_branches_of_a_fork_are_shown(stored: Moa) -> None:
    forks = stored("show", "forked", "--forks", "--json")
    assert [fork["forked_from"] for fork in forks] == [None, 1]
    texts = [fork["layers"][0]["proposals"][1]["text"] for fork in forks]
    assert texts == ["b says: this is answer number 1.", "an edited answer"]


REPLAYS: list[tuple[str, int, list[str]]] = [
    ("two-layers", 0, ["a", "agg", "b", "c", "d", "e"]),
    ("two-layers", 1, ["agg", "d", "e"]),
    ("two-layers", 2, ["agg"]),
    ("cascade", 0, ["cheap", "cheap", "cheap", "judge", "middle"]),
    ("cascade", 1, ["judge", "middle"]),
    ("cascade", 2, ["judge"]),
    ("private", 0, ["a", "agg", "b"]),
    ("private", 1, ["agg"]),
    ("forked", 1, ["agg", "d", "e"]),
    ("failed", 2, ["agg"]),
    ("stopped", 1, ["agg", "d", "e"]),
]


@pytest.mark.parametrize(("thread", "layer", "models"), REPLAYS)
def test_a_replay_asks_only_what_follows_the_layer(
    stored: Moa, provider: Provider, thread: str, layer: int, models: list[str]
) -> None:
    provider.reply("cheap", "ten", "eleven", "twelve")
    provider.reply("judge", "Score: 9")
    words = ("replay", thread, "--from-layer", str(layer))
    called, result = calls_after(provider, stored, *words)
    assert (called, result["status"]) == (models, "done")


def test_a_replay_of_a_stored_pause_pauses_again(stored: Moa, provider: Provider) -> None:
    called, result = calls_after(provider, stored, "replay", "paused", "--from-layer", "0")
    assert (called, result["status"], result["next"]) == (["a", "b", "c"], "paused", ["L1_join"])
    called, result = calls_after(provider, stored, "replay", "paused", "--from-layer", "1")
    assert (called, result["status"], result["next"]) == ([], "paused", ["L1_join"])


def test_a_replay_reads_a_stored_nested_recipe_and_the_answer_of_the_rank_step(
    stored: Moa, provider: Provider
) -> None:
    provider.reply("judge", "Score: 2", "1")
    called, result = calls_after(provider, stored, "replay", "cascade", "--from-layer", "2")
    assert called == ["judge", "judge", "strong", "x", "y", "z"]
    assert result["answer"] == "z says: this is answer number 1."


def test_a_replay_leaves_both_stored_branches_as_they_were(stored: Moa) -> None:
    stored("replay", "forked", "--from-layer", "2", "--json")
    for view in ("forked-1", "forked-2"):
        assert shown(stored, view) == VIEWS[view]["output"] | {"forks": 3}


def test_a_private_thread_gets_its_originals_back_and_sends_none(
    stored: Moa, provider: Provider
) -> None:
    provider.reply("agg", echo)
    _, result = calls_after(provider, stored, "replay", "private", "--from-layer", "0")
    assert result["answer"] == "You wrote: And what of Frau Kowalska?"
    sent = json.dumps([call.body for call in provider.calls])
    assert "Write to <PERSON_1> (<EMAIL_1>) of <SECRET_1> about <CUSTOMER_1>." in sent
    assert [word for word in ("Anna", "Kowalska", "Zephyr", "K-123456") if word in sent] == []


def review(moa: Moa, provider: Provider) -> None:
    """Resume the paused thread with an edited and a dropped proposal."""
    words = ("resume", "paused", "--edit", "1.1=an edited answer", "--drop", "1.2")
    called, result = calls_after(provider, moa, *words)
    assert (called, result["status"]) == (["agg", "d", "e"], "done")
    assert result["answer"] == "agg says: this is answer number 1."
    told = heard_by(provider, "d")
    assert "1. an edited answer\n2. c says: this is answer number 1." in told


def test_a_stored_pause_is_resumed_with_a_decision(stored: Moa, provider: Provider) -> None:
    review(stored, provider)


@pytest.mark.parametrize(
    ("command", "thread", "models"),
    [("resume", "stopped", ["agg", "e"]), ("retry", "failed", ["agg"])],
)
def test_a_run_that_did_not_end_asks_only_what_is_missing(
    stored: Moa, provider: Provider, command: str, thread: str, models: list[str]
) -> None:
    called, result = calls_after(provider, stored, command, thread)
    assert (called, result["status"], result["usage"]["calls"]) == (models, "done", 6)


def test_a_new_turn_continues_the_stored_conversation(stored: Moa, provider: Provider) -> None:
    words = ("ask", "--recipe", "stored-two-layers", "--thread", "forked", "And then?")
    called, result = calls_after(provider, stored, *words)
    assert (called, result["status"]) == (["a", "agg", "b", "c", "d", "e"], "done")
    earlier = VIEWS["forked-2"]["output"]["answer"]
    assert heard_by(provider, "a") == f"What is a fork?\n{earlier}\nAnd then?"


def take_in(moa: Moa, export: Path) -> None:
    assert moa(*IMPORT, str(export)) == f"{export.stem}\n"


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.stem)
def test_an_export_is_imported_and_shown_as_it_was(moa: Moa, export: Path) -> None:
    take_in(moa, export)
    assert [row["thread_id"] for row in moa("threads", "--json")] == [export.stem]
    views = [view for view in VIEWS if view.startswith(export.stem)]
    assert views
    for view in views:
        output = VIEWS[view]["output"]
        if isinstance(output, dict):
            assert shown(moa, view) == output | of_origin(shown(moa, view))
        else:
            assert shown(moa, view) == [fork | of_origin(shown(moa, view)[0]) for fork in output]


def of_origin(view: dict[str, Any]) -> dict[str, Any]:
    """What is said of an imported thread only."""
    assert (view["imported"], view["trusted"]) == (True, True)
    return {key: view[key] for key in ("imported", "trusted", "reaches")}


def test_the_exports_are_of_these_threads() -> None:
    names = ["forked", "paused", "private", "two-layers"]
    assert [export.stem for export in EXPORTS] == names


def test_an_imported_pause_is_resumed_with_a_decision(moa: Moa, provider: Provider) -> None:
    take_in(moa, STORED / "exports" / "paused.json")
    review(moa, provider)


@pytest.mark.parametrize(
    ("thread", "models"),
    [("two-layers", ["agg", "d", "e"]), ("forked", ["agg", "d", "e"]), ("private", ["agg"])],
)
def test_an_imported_thread_is_replayed(
    moa: Moa, provider: Provider, thread: str, models: list[str]
) -> None:
    take_in(moa, STORED / "exports" / f"{thread}.json")
    called, result = calls_after(provider, moa, "replay", thread, "--from-layer", "1")
    assert (called, result["status"]) == (models, "done")
