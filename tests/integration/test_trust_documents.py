"""Documents that hide a recipe, forge an approval, or are no exported threads at all."""

import json
import os
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.types import Overwrite, Send

from moagraph import (
    NotTrusted,
    UsageError,
    resume,
    retry,
)
from moagraph.graphs.compile.thread_trust import NAMESPACE, read_trust
from moagraph.nodes.state import Json
from moagraph.threads.archive import import_thread
from moagraph.threads.export_schema import encode_value as packed
from moagraph.threads.export_schema import make_document
from moagraph.threads.open import Threads
from tests.provider import Provider
from tests.stranger import SPOKEN, gift, given, recipe_of
from tests.terminal import moa


def entries(told: Json) -> list[Json]:
    return list(told["checkpoints"])


def plain(value: Any) -> list[str]:
    return list(packed(value))


def hidden_recipe(capture: Provider) -> Json:
    return {**recipe_of(capture).resolved(), "prompts": {}, "salt": "00" * 16}


Hide = Callable[[Json, Json], Any]
HIDDEN: dict[str, Hide] = {
    "a write": lambda last, recipe: last["writes"].append(["task", "recipe", *plain(recipe)]),
    "a write in place of all": lambda last, recipe: last["writes"].append(
        ["task", "recipe", *plain(Overwrite(recipe))]
    ),
    "a write in the form of JSON": lambda last, recipe: last["writes"].append(
        ["task", "recipe", *plain({"__overwrite__": recipe})]
    ),
    "a write in another form": lambda last, recipe: last["writes"].append(
        ["task", "recipe", *plain({"type": "__overwrite__", "value": recipe})]
    ),
    "a value": lambda last, recipe: last["values"].update(recipe=plain(recipe)),
    "a false mark": lambda last, recipe: last["values"].update(
        recipe=plain({"__overwrite__": SPOKEN.resolved(), **recipe, "type": "__overwrite__"})
    ),
}
FOUL: dict[str, Hide] = {
    "a recipe that is none": lambda last, recipe: last["values"].update(
        recipe=plain({"layers": recipe["layers"], "name": "no/name"})
    ),
    "a recipe that is a text": lambda last, _: last["values"].update(recipe=plain("recipe")),
    "a state of its own for a node": lambda last, recipe: last["writes"].append(
        ["task", "__pregel_tasks", *plain(Send("L1_01_a", {"recipe": recipe}))]
    ),
    "a record of trust": lambda last, _: last.update(ns=NAMESPACE),
    "a recipe by name that is none": lambda last, _: last["metadata"].update(asked="{"),
    "a recipe by name of no kind": lambda last, _: last["metadata"].update(
        asked='{"recipe": ["/dev/zero"], "pause_after": []}'
    ),
    "pauses of no kind": lambda last, _: last["metadata"].update(
        asked='{"recipe": "local", "pause_after": [true]}'
    ),
    "a recipe by name in a table": lambda last, _: last["metadata"].update(asked={"recipe": 1}),
}


@pytest.mark.parametrize("way", HIDDEN)
def test_a_recipe_that_only_a_run_would_take_up_is_listed_too(
    threads: Threads, capture: Provider, way: str
) -> None:
    told = gift(threads)
    HIDDEN[way](entries(told)[-1], hidden_recipe(capture))
    import_thread(threads, make_document("gift", told["checkpoints"]), "u")
    trust = read_trust(threads, "u")
    assert trust
    assert ("address", capture.base_url) in {(one.kind, one.name) for one in trust.resources}


@pytest.mark.parametrize("way", FOUL)
def test_what_cannot_be_listed_is_not_taken_in(
    threads: Threads, capture: Provider, way: str
) -> None:
    told = gift(threads)
    FOUL[way](entries(told)[-1], hidden_recipe(capture))
    with pytest.raises(UsageError, match="the exported thread is damaged: ") as refused:
        import_thread(threads, make_document("gift", told["checkpoints"]), "u")
    assert "\n" not in str(refused.value)
    assert [name for name, _ in threads.names()] == ["gift"]


NAMES = ["two\nlines", "\x1b[2J", "a\0b", "\ud800", "turned \u202e"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_drives_a_terminal_is_refused(threads: Threads, name: str) -> None:
    told = gift(threads)
    with pytest.raises(UsageError, match=r"is no name for a thread|is damaged") as refused:
        import_thread(threads, {**told, "thread_id": name})
    assert str(refused.value).isprintable()


def test_a_name_is_quoted_where_a_person_may_copy_it(threads: Threads) -> None:
    given(threads, "x; rm -rf .")
    with pytest.raises(NotTrusted, match=r"`moa show 'x; rm -rf \.'` lists"):
        retry("x; rm -rf .", threads)


@pytest.mark.parametrize("where", ["prompt", "recipe"])
def test_to_list_and_to_show_open_nothing_that_the_recipe_names(
    threads: Threads, capture: Provider, tmp_path: Path, where: str
) -> None:
    pipe = tmp_path / "pipe.md"  # whoever opens it to read waits for ever
    os.mkfifo(pipe)
    told = gift(threads)
    recipe = hidden_recipe(capture)
    if where == "prompt":
        judge = {"model": "scripted:j", "prompt": str(pipe)}
        recipe["after"] = [{"step": "verify", "model": "scripted:v", "judges": [judge]}]
    else:
        recipe["layers"][0]["proposers"][0] = {"model": f"moa:{pipe}"}
    HIDDEN["a value"](entries(told)[-1], recipe)
    (tmp_path / "t.json").write_text(json.dumps(make_document("gift", told["checkpoints"])))
    taken = moa("threads", "import", str(tmp_path / "t.json"), "--as", "u")
    assert (taken.code, taken.out) == (0, "u\n")
    assert f"moa:   {where} {pipe} (" in taken.err
    assert moa("show", "u").code == 0
    assert moa("threads").code == 0
    assert moa("resume", "u").code == 2


def test_a_thread_cut_off_before_its_first_node_loads_no_recipe_before_it_is_trusted(
    threads: Threads, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    told = gift(threads)
    first = entries(told)[0]
    asked = {"recipe": str(tmp_path / "pipe.toml"), "pause_after": []}
    first["metadata"]["asked"] = json.dumps(asked)
    import_thread(threads, make_document("gift", [first]), "u")
    shown = moa("show", "u")
    assert (shown.code, len(shown.lines)) == (2, 1)
    assert "had not begun" in shown.err
    assert "is not trusted" in moa("resume", "u").err
    trust = read_trust(threads, "u")
    assert trust
    assert [(one.kind, one.name) for one in trust.resources] == [("recipe", asked["recipe"])]


# Documents that are none, as a person or a program may hand them in.

MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "half": b'{"format": 1, "checkpo',
    "no text": b"\xff\xfe\x00",
    "deep": b"[" * 100_000,
    "a number": b"7",
    "no entry": b'{"format": 1, "thread_id": "t", "sha256": "", "checkpoints": []}',
    "wrong kinds": b'{"format": 1, "thread_id": 7, "sha256": [], "checkpoints": {}}',
    "another format": b'{"format": 99, "checkpoints": []}',
    "deep in an entry": b'{"format": 1, "thread_id": "t", "sha256": "", "checkpoints": ['
    + b'{"a":' * 3000
    + b"1"
    + b"}" * 3000
    + b"]}",
}
VALUES = [
    ["msgpack", b64encode(b"\xc1").decode()],
    ["msgpack", b64encode(b"\x91" * 2000).decode()],
    ["msgpack", b64encode(b"\xc7\x00\x63").decode()],
    ["msgpack", ""],
    ["null", "AAAA"],
    ["bytes", b64encode(b"\xff").decode()],
]


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_is_no_export_is_told_in_one_line(kind: str, own_environment: None) -> None:
    done = moa("threads", "import", "-", "--as", "u", given=MALFORMED[kind])
    assert (done.code, done.out, len(done.lines)) == (2, "", 1), done.err[:500]


@pytest.mark.parametrize("channel", ["recipe", "messages", "layers", "__start__"])
@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_a_value_that_cannot_be_read_is_one_line_or_reads_as_something(
    threads: Threads, channel: str, value: list[str]
) -> None:
    told = gift(threads)
    entries(told)[-1]["values"][channel] = value
    refused = refusal(
        lambda: import_thread(threads, make_document("gift", told["checkpoints"]), "u")
    )
    if refused is None:
        with pytest.raises(NotTrusted):
            resume("u", threads)
    else:
        assert "\n" not in refused
        assert [name for name, _ in threads.names()] == ["gift"]


def refusal(act: Callable[[], Any]) -> str | None:
    """How it was refused, if it was."""
    try:
        act()
    except UsageError as error:
        return str(error)
    return None
