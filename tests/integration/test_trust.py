"""What a stranger's thread can reach on this machine: nothing, until its owner says so."""

import asyncio
import json
import os
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Overwrite, Send

from moagraph import (
    NotTrusted,
    UsageError,
    ask,
    build,
    open_threads,
    replay,
    resume,
    retry,
)
from moagraph.graphs.compile.thread_trust import NAMESPACE, ORIGIN, read_trust
from moagraph.nodes.state import Json
from moagraph.threads.archive import export_thread, import_thread
from moagraph.threads.export_schema import encode_value as packed
from moagraph.threads.export_schema import make_document
from moagraph.threads.history import config_of, open_thread
from moagraph.threads.open import Threads
from tests.mixtures import mixture
from tests.provider import Provider
from tests.stranger import HI, exported, recipe_of, written
from tests.terminal import MIX, moa, saved

KEY, WORDS = "sk-of-this-machine", "words of this machine's owner"
SPOKEN = mixture(["scripted:a"], aggregator="scripted:b")


@pytest.fixture
def capture() -> Iterator[Provider]:
    """The stranger's server, which takes any key and keeps all that it is sent."""
    with Provider() as server:
        yield server


def heard(capture: Provider) -> str:
    """Everything that the stranger has learned."""
    return json.dumps([[call.headers, call.messages] for call in capture.calls])


# What a stranger is after, made on the stranger's machine: the export, and what it would get.
Attack = tuple[Json, str, list[str]]


def key_thief(capture: Provider, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Attack:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-stranger")
    monkeypatch.setenv("MOA_KEY_ADDRESSES", f"OPENAI_API_KEY={capture.base_url}")
    recipe = recipe_of(capture, seat={"api_key_env": "OPENAI_API_KEY"})
    told = exported(recipe, "L1_01_a", folder / "his", monkeypatch)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return told, KEY, [f"address {capture.base_url}", "key variable OPENAI_API_KEY"]


def file_thief(capture: Provider, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Attack:
    (folder / "notes").mkdir()
    note, pattern = folder / "notes" / "a.md", f"{folder}/notes/*.md"
    note.write_text("notes of the stranger")
    recipe = recipe_of(capture, before=[{"step": "retrieve", "source": pattern}])
    told = exported(recipe, "L0_retrieve", folder / "his", monkeypatch)
    note.write_text(f"the notes are {WORDS}")
    return told, WORDS, [f"files {pattern}"]


def prompt_thief(capture: Provider, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Attack:
    file = folder / "diary.txt"
    file.write_text("a prompt: $question $references")
    judge = {"model": "x:j", "base_url": capture.base_url, "prompt": str(file)}
    verify = {"step": "verify", "model": "x:v", "base_url": capture.base_url, "judges": [judge]}
    told = exported(
        recipe_of(capture, after=[{**verify, "rounds": 0}]),
        "L1_01_a",
        folder / "his",
        monkeypatch,
        lambda recipe: {**recipe, "prompts": {}},
    )
    file.write_text(WORDS)
    return told, WORDS, [f"prompt {file}"]


def code_runner(capture: Provider, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Attack:
    code = "import sys\nassert False, 'found ' + sys.executable"
    check = {"by": "tests", "tests": code}
    verify = {"step": "verify", "model": "x:v", "base_url": capture.base_url, "checks": [check]}
    told = exported(
        recipe_of(capture, after=[{**verify, "rounds": 1}]),
        "L1_01_a",
        folder / "his",
        monkeypatch,
    )
    capture.reply("agg", "```python\nx = 1\n```")
    return told, "found /", ["code import sys assert False, 'found ' + sys.executable"]


ATTACKS = {
    "key": key_thief,
    "files": file_thief,
    "prompt": prompt_thief,
    "code": code_runner,
}
RUNS = {
    "resume": ("resume", "u"),
    "retry": ("retry", "u"),
    "replay": ("replay", "u", "--from-layer", "0"),
    "ask": ("ask", "--thread", "u", "-r", "MIX", "and then?"),
    "chat": ("chat", "--thread", "u", "-r", "MIX"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_imported_thread_is_listed_and_nothing_of_it_runs_before_it_is_trusted(
    attack: str, capture: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, wanted, listed = ATTACKS[attack](capture, tmp_path, monkeypatch)
    monkeypatch.delenv("MOA_KEY_ADDRESSES", raising=False)
    before, mix = len(capture.calls), saved(tmp_path, MIX)
    taken = moa("threads", "import", written(told, tmp_path), "--as", "u")
    assert (taken.code, taken.out) == (0, "u\n")
    for line in listed:
        assert [one for one in taken.lines if one.startswith(f"moa:   {line} (")], taken.err
    for words in RUNS.values():
        words = tuple(word.replace("MIX", mix) for word in words)
        refused = moa(*words, given=b"and then?\n")
        lines = [line for line in refused.lines if "Ctrl-D" not in line]
        assert (refused.code, refused.out, len(lines)) == (2, "", 1), refused.err
        assert "thread 'u' was imported and is not trusted: `moa show u` lists" in lines[0]
        assert "`--trust` lets it run" in lines[0]
    assert len(capture.calls) == before
    assert wanted not in heard(capture)


def test_what_was_approved_runs_and_is_what_was_listed(
    capture: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, wanted, listed = file_thief(capture, tmp_path, monkeypatch)
    moa("threads", "import", written(told, tmp_path), "--as", "u")
    done = moa("resume", "u", "--trust")
    assert done.code == 0, done.err
    assert f"moa:   {listed[0]} (before.1.source)" in done.lines
    assert wanted in heard(capture)


def test_trust_does_not_give_a_key_away(
    capture: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, wanted, _ = key_thief(capture, tmp_path, monkeypatch)
    monkeypatch.delenv("MOA_KEY_ADDRESSES")
    moa("threads", "import", written(told, tmp_path), "--as", "u")
    refused = moa("resume", "u", "--trust")
    assert refused.code == 2
    assert "the key in OPENAI_API_KEY is not sent to" in refused.lines[-1]
    assert wanted not in heard(capture)
    pair = f"OPENAI_API_KEY={capture.base_url}"
    assert moa("resume", "u", MOA_KEY_ADDRESSES=pair).code == 0
    assert wanted in heard(capture)


def given(
    threads: Threads | InMemorySaver, name: str = "u", recipe: Any = SPOKEN, **options: Any
) -> str:
    """An imported thread with one turn."""
    other = InMemorySaver()
    ask("one", recipe, thread="gift", threads=other)
    return import_thread(threads, export_thread(other, "gift"), name, **options)


def test_trust_is_kept_with_the_thread_and_its_forks_have_it(threads: Threads) -> None:
    given(threads)
    done = moa("replay", "u", "--edit", "1.01=mine", "--trust")
    assert done.code == 0, done.err
    assert moa("replay", "u", "--edit", "1.01=another").code == 0
    assert ask("two", SPOKEN, thread="u", threads=threads).status == "done"
    forks = json.loads(moa("show", "u", "--forks", "--json").out)
    assert len(forks) >= 3
    assert [(fork["imported"], fork["trusted"]) for fork in forks] == [(True, True)] * len(forks)
    assert moa("show", "u@1").out.splitlines()[1].startswith("thread u was imported and is trusted")


def test_show_says_so_without_trust(threads: Threads, capture: Provider) -> None:
    given(threads, recipe=recipe_of(capture))
    shown = moa("show", "u")
    assert shown.code == 0
    where = "thread u was imported and is not trusted: it does not run; its recipe reaches"
    line = f"  address {capture.base_url} (layers.1.proposers.1.base_url)"
    assert shown.out.splitlines()[1:3] == [where, line]
    told = json.loads(moa("show", "u", "--json").out)
    assert (told["imported"], told["trusted"], told["status"]) == (True, False, "done")
    assert told["reaches"] == [
        {
            "kind": "address",
            "name": capture.base_url,
            "where": "layers.1.proposers.1.base_url",
        }
    ]


def test_a_thread_of_this_machine_is_shown_as_ever(threads: Threads) -> None:
    ask("one", SPOKEN, thread="t", threads=threads)
    assert "imported" not in moa("show", "t").out
    assert (
        not {"imported", "trusted", "reaches"} & json.loads(moa("show", "t", "--json").out).keys()
    )


def test_an_import_may_be_trusted_at_once(threads: Threads, tmp_path: Path) -> None:
    ask("one", SPOKEN, thread="t", threads=threads)
    (tmp_path / "t.json").write_text(json.dumps(export_thread(threads, "t")))
    done = moa("threads", "import", str(tmp_path / "t.json"), "--as", "u", "--trust")
    assert (done.code, done.out) == (0, "u\n")
    assert done.lines == [
        "moa: thread u was imported and is trusted; its recipe reaches nothing on this machine"
    ]
    assert moa("replay", "u", "--edit", "1.01=mine").code == 0


def test_trust_does_not_travel(threads: Threads) -> None:
    given(threads, trust=True)
    told = export_thread(threads, "u")
    assert "trust" not in json.dumps(told)
    import_thread(threads, told, "v")
    with pytest.raises(NotTrusted):
        replay("v", threads, edit={"1.01": "mine"})
    threads.delete_thread("u")
    import_thread(threads, told, "u")
    with pytest.raises(NotTrusted):
        replay("u", threads, edit={"1.01": "mine"})


def test_a_new_thread_under_the_name_of_a_deleted_one_is_ones_own(threads: Threads) -> None:
    given(threads)
    threads.delete_thread("u")
    assert ask("one", SPOKEN, thread="u", threads=threads).status == "done"
    assert replay("u", threads, edit={"1.01": "mine"}).status == "done"


PYTHON: dict[str, Callable[[Any, Any], Any]] = {
    "ask": lambda threads, _: ask("two", SPOKEN, thread="u", threads=threads),
    "resume": lambda threads, _: resume("u", threads),
    "retry": lambda threads, _: retry("u", threads),
    "replay": lambda threads, _: replay("u", threads, edit={"1.01": "mine"}),
    "invoke": lambda _, graph: graph.invoke(HI, config_of("u")),
    "invoke on": lambda _, graph: graph.invoke(None, config_of("u")),
    "ainvoke": lambda _, graph: asyncio.run(graph.ainvoke(HI, config_of("u"))),
    "stream": lambda _, graph: list(graph.stream(HI, config_of("u"))),
    "batch": lambda _, graph: graph.batch([HI], config_of("u")),
}


@pytest.mark.parametrize("way", PYTHON)
@pytest.mark.parametrize("saver", ["memory", "kept"])
def test_python_runs_it_no_sooner(way: str, saver: str, own_environment: None) -> None:
    with open_threads() as kept:
        threads: Any = InMemorySaver() if saver == "memory" else kept
        given(threads)
        graph = build(SPOKEN).compile(checkpointer=threads)
        with pytest.raises(NotTrusted, match="thread 'u' was imported and is not trusted"):
            PYTHON[way](threads, graph)
        before = export_thread(threads, "u")
        assert replay("u", threads, edit={"1.01": "mine"}, trust=True).status == "done"
        assert export_thread(threads, "u") != before
        PYTHON["invoke"](threads, graph)


def test_a_private_recipe_keeps_nothing_of_what_it_is_refused(
    threads: Threads, tmp_path: Path
) -> None:
    given(threads)
    layers = SPOKEN.resolved()["layers"]
    recipe = SPOKEN.model_validate(
        {"name": "p", "before": [{"step": "redact"}], "layers": layers, "after": ["restore"]}
    )
    graph = build(recipe).compile(checkpointer=threads)
    with pytest.raises(NotTrusted):
        graph.invoke({"messages": [HumanMessage("Write to anna@example.org")]}, config_of("u"))
    assert not (tmp_path / "home" / "private").exists()


# What a document may try so that something runs that was not listed.


def entries(told: Json) -> list[Json]:
    return list(told["checkpoints"])


def plain(value: Any) -> list[str]:
    return list(packed(value))


def hidden_recipe(capture: Provider) -> Json:
    return {**recipe_of(capture).resolved(), "prompts": {}, "salt": "00" * 16}


def gift(threads: Threads) -> Json:
    """An export of a paused thread whose recipe reaches nothing."""
    ask("one", SPOKEN, thread="gift", threads=threads, pause_after=[1])
    told: Json = json.loads(json.dumps(export_thread(threads, "gift")))
    return told


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
}
FOUL: dict[str, Hide] = {
    "a recipe in a false mark": lambda last, recipe: last["values"].update(
        recipe=plain({"__overwrite__": SPOKEN.resolved(), **recipe, "type": "__overwrite__"})
    ),
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
    threads: Threads, capture: Provider, tmp_path: Path, way: str
) -> None:
    told = gift(threads)
    FOUL[way](entries(told)[-1], hidden_recipe(capture))
    (tmp_path / "foul.json").write_text(json.dumps(make_document("gift", told["checkpoints"])))
    done = moa("threads", "import", str(tmp_path / "foul.json"), "--as", "u")
    assert (done.code, done.out, len(done.lines)) == (2, "", 1), done.err
    assert "the exported thread is damaged: " in done.err
    assert [name for name, _ in threads.names()] == ["gift"]


NAMES = ["two\nlines", "\x1b[2J", "a\0b", "\ud800", "turned \u202e"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_drives_a_terminal_is_refused(threads: Threads, name: str) -> None:
    told = gift(threads)
    with pytest.raises(UsageError, match=r"is no name for a thread: .* `--as NAME`") as refused:
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


# Threads that were in the store before origins were recorded.


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
    assert all(entry["metadata"][ORIGIN] == "local" for entry in entries(told))
    import_thread(threads, told, "u")
    with pytest.raises(NotTrusted):
        resume("u", threads)


def test_an_empty_checkpoint_of_another_app_is_no_record_of_trust(threads: Threads) -> None:
    ask("one", SPOKEN, thread="t", threads=threads)
    where: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": "inner"}}
    threads.put(where, empty_checkpoint(), {"source": "loop", "step": 0, "parents": {}}, {})
    assert read_trust(threads, "t") is None
    assert asyncio.run(open_thread(threads, "t")).trust.trusted


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
