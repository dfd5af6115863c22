"""What a stranger's thread can reach on this machine: nothing, until its owner says so."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from moagraph import (
    NotTrusted,
    ask,
    build,
    open_threads,
    replay,
    resume,
    retry,
)
from moagraph.nodes.state import Json
from moagraph.threads.archive import export_thread, import_thread
from moagraph.threads.history import config_of
from moagraph.threads.open import Threads
from tests.provider import Provider
from tests.stranger import HI, SPOKEN, exported, given, recipe_of, written
from tests.terminal import MIX, moa, saved

KEY, WORDS = "sk-of-this-machine", "words of this machine's owner"


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
    graph: Any = build(recipe).compile(checkpointer=threads)
    with pytest.raises(NotTrusted):
        graph.invoke({"messages": [HumanMessage("Write to anna@example.org")]}, config_of("u"))
    assert not (tmp_path / "home" / "private").exists()
