"""What leaves this machine, what is kept on it, and what a person gets to see."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from moagraph import Review, RunError, StorageError, UsageError, ask, open_threads, resume, retry
from moagraph.evals.adapters.conversation import open_system
from moagraph.evals.run.batch import batch
from moagraph.evals.run.evaluation import RunOptions
from moagraph.evals.sets.open import open_set
from moagraph.graphs.chat_model import ChatMoA
from moagraph.graphs.compile.build import build
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import load_recipe
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.models.scripted import ACTS
from moagraph.nodes.storage.data_dir import data_folder
from moagraph.threads.history import config_of
from moagraph.threads.open import Threads
from moagraph.threads.prune import delete_thread
from tests.faults import Hang, Status
from tests.integration.test_encryption import stored
from tests.langsmith import langsmith
from tests.provider import Call, Provider
from tests.runs import in_flight
from tests.serving import serving
from tests.terminal import MOA, environment, moa, saved, until

ROOT = Path(__file__).parents[2]
RECIPE = """
[defaults]
base_url = "{url}"
timeout = 20
[[before]]
step = "redact"
presidio = false
people = ["Anna Kowalska", "田中 太郎"]
deny = ["Zephyr"]
patterns = {{ CUSTOMER = 'K-\\d{{6}}' }}
{redact}
[[layers]]
{layer}
proposers = ["vllm:a", "vllm:b"]
aggregate = {{ step = "synthesize", model = "vllm:agg"{agg} }}
[[after]]
step = "restore"
"""
QUESTION = (
    "Write to ANNA kowalska (anna@example.org, +49 151 23456789) and to Frau Kowalska of "
    "Zephyr, K-123456: card 4111 1111 1111 1111, DE89 3704 0044 0532 0130 00, 田中さんも."
)
SECRETS = (
    "anna", "kowalska", "example.org", "23456789", "zephyr", "k-123456", "4111111111111111",
    "370400440532", "田中", "太郎",
)  # fmt: skip


@pytest.fixture
def recipe(provider: Provider, tmp_path: Path) -> str:
    return written(tmp_path, provider)


def written(folder: Path, provider: Provider, name: str = "p", **said: str) -> str:
    told = {"redact": "", "layer": "", "agg": "", **said}
    text = RECIPE.format(url=provider.base_url, **told)
    folder = data_folder() / "recipes"
    folder.mkdir(exist_ok=True)
    return saved(folder, text, f"{name}.toml")


def echo(call: Call) -> str:
    return f"You said: {call.messages[-1]['content']}"


def secrets_in(said: Any) -> list[str]:
    text = said if isinstance(said, str) else repr(said)
    text = text.casefold()
    squeezed = re.sub(r"[\s\-]", "", text)
    return [word for word in SECRETS if word in text or word.replace("-", "") in squeezed]


def heard(provider: Provider) -> str:
    return json.dumps([call.body for call in provider.calls], ensure_ascii=False)


def vaults() -> list[Path]:
    folder = data_folder() / "private"
    return sorted(folder.iterdir()) if folder.exists() else []


def kept(threads: Threads, thread_id: str, store: str) -> str:
    """All that the saver has of the thread, read back, and the bytes as they lie there."""
    read = list(threads.list(config_of(thread_id)))
    return f"{read!r}{stored(store)!r}"


def test_nothing_private_leaves_and_the_answer_has_it_again(
    provider: Provider, recipe: str
) -> None:
    provider.reply("agg", echo)
    came = ask(QUESTION, recipe)
    assert (came.status, came.answer) == ("done", f"You said: {QUESTION}")
    assert [call.model for call in provider.calls[:2]] in (["a", "b"], ["b", "a"])
    assert len(provider.calls) == came.usage["calls"] == max_calls(load_recipe(recipe)) == 3
    assert secrets_in(heard(provider)) == []
    question = provider.calls[0].messages[-1]["content"]
    assert question == (
        "Write to <PERSON_1b> (<EMAIL_1>, <PHONE_1>) and to Frau <PERSON_1c> of <SECRET_1>, "
        "<CUSTOMER_1>: card <CARD_1>, <IBAN_1>, <PERSON_2b>さんも."
    )
    assert "brackets included" in provider.calls[0].messages[0]["content"]
    redacted, restored = came.steps[0], came.steps[2]
    assert redacted["found"] == {
        "CARD": 1, "CUSTOMER": 1, "EMAIL": 1, "IBAN": 1, "PERSON": 2, "PHONE": 1, "SECRET": 1,
    }  # fmt: skip
    assert (restored["restored"], restored["lost"], restored["invented"]) == (9, [], [])


def test_what_is_kept_holds_nothing_private(provider: Provider, recipe: str, store: str) -> None:
    provider.reply("agg", echo)
    with open_threads() as threads:
        ask(QUESTION, recipe, thread="t", threads=threads, system="You serve Anna Kowalska.")
        came = ask("And what of Kowalska?", recipe, thread="t", threads=threads)
        assert came.answer == "You said: And what of Kowalska?"
        said = kept(threads, "t", store)
        assert "PERSON_1" in said
        assert secrets_in(said) == []
        [file] = vaults()
        assert b"Kowalska" in file.read_bytes()
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        assert file.name in said
        delete_thread(threads, "t")
    assert vaults() == []


def test_a_failed_run_keeps_nothing_private_either(
    provider: Provider, recipe: str, store: str
) -> None:
    provider.script("agg", Status(400, message="no"))
    with open_threads() as threads:
        assert ask(QUESTION, recipe, thread="t", threads=threads).status == "failed"
        assert secrets_in(kept(threads, "t", store)) == []
    provider.reply("agg", echo)
    with open_threads() as threads:  # as another process would
        assert retry("t", threads).answer == f"You said: {QUESTION}"


def test_sealed_the_originals_are_not_on_the_disk_at_all(
    provider: Provider, recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOA_ENCRYPTION_KEY", "k" * 32)
    provider.reply("agg", echo)
    with open_threads() as threads:
        ask(QUESTION, recipe, thread="t", threads=threads)
        [file] = vaults()
        assert secrets_in(file.read_bytes().decode("latin-1")) == []
        monkeypatch.setenv("MOA_ENCRYPTION_KEY", "o" * 32)
    with open_threads() as threads, pytest.raises(StorageError, match="encrypted"):
        ask("and?", recipe, thread="t", threads=threads)


def test_placeholders_are_the_same_in_every_turn_and_other_in_another_thread(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = written(tmp_path, provider, redact='mode = "placeholder"')
    provider.reply("agg", echo)
    with open_threads() as threads:
        ask("Mail eve@x.org", recipe, thread="t", threads=threads)
        ask("Mail bob@x.org", recipe, thread="u", threads=threads)
        ask("Mail bob@x.org and eve@x.org", recipe, thread="t", threads=threads)
        last = provider.calls[-1].messages
        assert [m["content"] for m in last if m["role"] == "user"] == [
            "Mail <EMAIL_1>", "Mail <EMAIL_2> and <EMAIL_1>",
        ]  # fmt: skip
        assert last[-2] == {"role": "assistant", "content": "You said: Mail <EMAIL_1>"}
        came = ask("Again", recipe, thread="u", threads=threads)
        delete_thread(threads, "u")
        assert len(vaults()) == 1
    assert came.answer == "You said: Again"
    assert "<EMAIL_1>" in heard(provider)
    assert "bob" not in heard(provider)


def test_what_becomes_private_later_is_taken_out_of_what_was_said(
    provider: Provider, recipe: str
) -> None:
    provider.reply("agg", echo)
    with open_threads() as threads:
        ask("Greet Eve Adler and Anna", recipe, thread="t", threads=threads)
        assert "Eve Adler" in heard(provider)
        before = len(provider.calls)
        Path(recipe).write_text(Path(recipe).read_text().replace('"Zephyr"', '"Eve Adler"'))
        came = ask("And now?", recipe, thread="t", threads=threads)
    assert came.answer == "You said: And now?"
    later = json.dumps([call.body for call in provider.calls[before:]])
    assert "Greet <SECRET_2> and <PERSON_1b>" in later
    assert "Eve" not in later


@pytest.mark.parametrize(
    ("answer", "shown", "record"),
    [
        (
            "Dear <person 2>, [PERSON_1] is in",
            "Dear 田中 太郎, Anna Kowalska is in",
            (2, [], []),
        ),
        ("Dear friend", "Dear friend", (0, ["<PERSON_1>", "<PERSON_2>"], [])),
        (
            "<PERSON_1>, <PERSON_2>, <PERSON_7> and <SECRET_1>",
            "Anna Kowalska, 田中 太郎, <PERSON_7?> and <SECRET_1?>\n\n"
            "[Made up by the model, and standing for nothing: <PERSON_7?>, <SECRET_1?>]",
            (0, [], ["<PERSON_7>", "<SECRET_1>"]),
        ),
    ],
)
def test_placeholders_that_are_bent_lost_or_made_up_are_told(
    provider: Provider, recipe: str, answer: str, shown: str, record: tuple[Any, ...]
) -> None:
    provider.reply("agg", answer)
    came = ask("Let Anna Kowalska greet 田中 太郎.", recipe)
    assert came.answer == shown
    told = next(step for step in came.steps if step["node"] == "L1_restore")
    assert (told["mangled"], told["lost"], told["invented"]) == record


def test_what_a_person_types_as_a_placeholder_stays_theirs(provider: Provider, recipe: str) -> None:
    provider.reply("agg", echo)
    said = "What does <PERSON_1> mean to Anna Kowalska? And <PERSON_2>?"
    assert ask(said, recipe).answer == f"You said: {said}"
    assert "What does <TEXT_1> mean to <PERSON_1>? And <TEXT_2>?" in heard(provider)


def test_a_gate_leads_past_the_layers_and_not_past_restore(
    provider: Provider, tmp_path: Path
) -> None:
    text = f"""
[defaults]
base_url = "{provider.base_url}"
[[before]]
step = "redact"
people = ["Anna Kowalska"]
[[layers]]
proposers = ["vllm:a"]
aggregate = {{ step = "gate", by = "verify", checks = [{{ by = "regex", pattern = "Dear" }}] }}
[[layers]]
proposers = ["vllm:b"]
aggregate = {{ step = "synthesize", model = "vllm:agg" }}
[[after]]
step = "restore"
"""
    provider.reply("a", "Dear <PERSON_1>")
    came = ask("Greet Anna Kowalska", saved(tmp_path, text))
    assert (came.status, came.answer) == ("done", "Dear Anna Kowalska")
    assert [call.model for call in provider.calls] == ["a"]


def test_the_door_stops_what_slips_in_later(provider: Provider, tmp_path: Path) -> None:
    recipe = written(tmp_path, provider)
    with open_threads() as threads:
        ask("Who is it?", recipe, thread="t", threads=threads, pause_after=[1])
        before = len(provider.calls)
        came = resume("t", threads, Review(edit={"01": "It is a.n.n.a KOWALSKA of Zephyr"}))
    assert (came.status, len(provider.calls)) == ("failed", before)
    assert came.error == (
        "`L1_synthesize` got no answer from `vllm:agg`: "
        "would leak 1 PERSON, 1 SECRET: it was not sent"
    )


def test_a_passage_that_names_somebody_is_not_sent(provider: Provider, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("Marmots are kept by a n n a kowalska behind the hut.")
    recipe = written(tmp_path, provider)
    source = json.dumps(str(tmp_path / "notes.md"))
    told = f"[[before]]\nstep = 'retrieve'\nsource = {source}\n[[layers]]"
    Path(recipe).write_text(Path(recipe).read_text().replace("[[layers]]", told, 1))
    came = ask("Who keeps the marmots?", recipe)
    assert came.status == "failed"
    assert "layer 1 has 0 usable answers of 2" in str(came.error)
    assert [proposal["kind"] for proposal in came.layers[0]["proposals"]] == ["refused"] * 2
    assert "would leak 1 PERSON: it was not sent" in str(came.error)
    assert provider.calls == []


def test_a_model_at_home_stands_in_where_something_would_leak(
    provider: Provider, tmp_path: Path
) -> None:
    home = ', fallbacks = ["scripted:said at home"]'
    recipe = written(tmp_path, provider, agg=home)
    with open_threads() as threads:
        ask("Who is it?", recipe, thread="t", threads=threads, pause_after=[1])
        before = len(provider.calls)
        came = resume("t", threads, Review(edit={"01": "It is Kowalska"}))
    assert (came.status, came.answer, len(provider.calls)) == ("done", "said at home", before)
    synthesized = next(step for step in came.steps if step["node"] == "L1_synthesize")
    assert (synthesized["kind"], synthesized["attempts"]) == ("substituted", 1)


def test_every_call_to_elsewhere_passes_the_door(provider: Provider, recipe: str) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "f", "schema": {"title": "Kowalska"}}}
    chat = ChatMoA(recipe=recipe)
    with pytest.raises(Exception, match="would leak 1 PERSON: it was not sent"):
        chat.invoke("hello", response_format=form)
    assert secrets_in(heard(provider)) == []
    assert vaults() == []


def test_a_thread_that_began_in_private_stays_behind_the_door(
    provider: Provider, recipe: str, tmp_path: Path
) -> None:
    plain = saved(
        tmp_path,
        f"""
[defaults]
base_url = "{provider.base_url}"
[[layers]]
proposers = ["vllm:a"]
aggregate = {{ step = "synthesize", model = "vllm:agg" }}
""",
        "plain.toml",
    )
    with open_threads() as threads:
        ask("Who is Anna Kowalska?", recipe, thread="t", threads=threads)
        came = ask("And Kowalska's card?", plain, thread="t", threads=threads)
        assert came.status == "failed"
        assert "would leak 1 PERSON" in str(came.error)
    assert secrets_in(heard(provider)) == []


def test_a_recipe_in_a_seat_stays_behind_the_door_too(provider: Provider, tmp_path: Path) -> None:
    """What a seat at home gives away inside another recipe does not leave from there either."""
    inner = f"""
[[layers]]
proposers = ["scripted:It is kowalska"]
aggregate = {{ step = "synthesize", model = "vllm:inner", base_url = "{provider.base_url}" }}
"""
    outer = f"""
[[before]]
step = "redact"
people = ["Anna Kowalska"]
[[layers]]
proposers = ["moa:{saved(tmp_path, inner, "inner.toml")}"]
aggregate = {{ step = "synthesize", model = "scripted:echo" }}
"""
    came = ask("Greet Anna Kowalska", saved(tmp_path, outer, "outer.toml"))
    assert came.status == "failed"
    assert "would leak 1 PERSON: it was not sent" in str(came.error)
    assert provider.calls == []


@pytest.mark.parametrize("way", ["whole", "stream"])
def test_a_trace_holds_no_word(provider: Provider, recipe: str, way: str) -> None:
    said = load_recipe(recipe).resolved()
    said["before"][0] |= {"deny": ["secret question"], "model": "scripted:echo"}
    provider.reply("agg", echo)
    with langsmith() as traces:
        told = {
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_ENDPOINT": traces.url,
            "LANGSMITH_API_KEY": "key",
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.child.traced", json.dumps(said), way],
            cwd=ROOT, env=os.environ | told, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    sent = b"".join(body for _, body in traces.bodies).decode()
    assert not [word for word in ("secret", "question", "You said", "Kowalska") if word in sent]
    assert traces.named("p")["inputs"] == {}
    assert traces.metadata("L1_01_a")["output_tokens"] > 0
    assert "<SECRET_1>" in heard(provider)
    assert vaults() == []


def test_a_conversation_that_a_client_brings_along_is_redacted_whole(
    provider: Provider, recipe: str
) -> None:
    provider.reply("agg", echo)
    said = [
        SystemMessage("Serve Anna Kowalska, anna@example.org."),
        HumanMessage("I am Kowalska", name="anna"),
        AIMessage("Hello Kowalska, of Zephyr!"),
        HumanMessage("Who am I?"),
    ]
    chat = ChatMoA(recipe=recipe)
    assert chat.invoke(said).text == "You said: Who am I?"
    assert secrets_in(heard(provider)) == []
    assert "Hello <PERSON_1b>, of <SECRET_1>!" in heard(provider)
    assert vaults() == []


def test_only_restored_words_are_streamed(provider: Provider, recipe: str) -> None:
    provider.reply("agg", echo)
    pieces = [piece.text for piece in ChatMoA(recipe=recipe).stream("Greet Anna Kowalska, now")]
    assert [piece for piece in pieces if piece] == ["You said: Greet Anna Kowalska, now"]
    with serving() as served:
        said: Any = [{"role": "user", "content": "Greet Anna Kowalska, now"}]
        chunks = served.stream("p", messages=said)
        told = [chunk.choices[0].delta.content or "" for chunk in chunks]
        assert "".join(told) == "You said: Greet Anna Kowalska, now"
        whole = served.ask("p", messages=said)
        assert whole.choices[0].message.content == "You said: Greet Anna Kowalska, now"
    assert secrets_in(heard(provider)) == []
    assert vaults() == []


@pytest.mark.parametrize("way", ["invoke", "values", "messages"])
def test_an_app_gets_the_originals_from_the_graph(
    provider: Provider, recipe: str, way: str
) -> None:
    provider.reply("agg", echo)
    graph: Any = build(load_recipe(recipe)).compile()
    given = {"messages": [("user", "Greet Anna Kowalska")]}
    if way == "invoke":
        said = graph.invoke(given)["messages"]
    elif way == "values":
        said = list(graph.stream(given, stream_mode="values"))[-1]["messages"]
    else:
        parts = list(graph.stream(given, stream_mode="messages"))
        said = [message for message, place in parts if place["role"] == "restore"]
    assert said[-1].text == "You said: Greet Anna Kowalska"
    assert vaults() == []


def test_a_thread_of_the_server_goes_on(provider: Provider, recipe: str) -> None:
    provider.reply("agg", echo)
    first: Any = {"role": "user", "content": "I am Anna Kowalska"}
    second: Any = {"role": "user", "content": "Who is Kowalska?"}
    with serving() as served:
        came = served.ask("p", messages=[first], metadata={"thread_id": "t"})
        answer: Any = {"role": "assistant", "content": came.choices[0].message.content}
        for said in ([second], [first, answer, second]):
            came = served.ask("p", messages=said, metadata={"thread_id": "t"})
            assert came.choices[0].message.content == "You said: Who is Kowalska?"
    users = [m["content"] for m in provider.calls[-1].messages if m["role"] == "user"]
    assert users[0] == "I am <PERSON_1>"
    assert secrets_in(heard(provider)) == []
    assert len(vaults()) == 1


def test_the_command_line_shows_the_originals_and_what_was_sent(
    provider: Provider, recipe: str
) -> None:
    provider.reply("agg", echo)
    done = moa("ask", "--recipe", "p", "--thread", "t", "Greet Anna Kowalska")
    assert (done.code, done.out) == (0, "You said: Greet Anna Kowalska\n")
    shown = moa("show", "t", "--sent")
    assert "question\n  Greet Anna Kowalska" in shown.out
    assert shown.out.count("You said: Greet Anna Kowalska") == 1
    assert "Greet <PERSON_1>" in shown.out
    told = json.loads(moa("show", "t", "--json").out)
    assert (told["question"], told["answer"]) == (
        "Greet Anna Kowalska", "You said: Greet Anna Kowalska",
    )  # fmt: skip
    assert "Greet Anna Kowalska" in moa("threads").out
    exported = moa("threads", "export", "t").out
    assert secrets_in(exported) == []
    assert moa("threads", "delete", "t").code == 0
    assert vaults() == []
    moa("threads", "import", "-", given=exported.encode())
    assert "You said: Greet <PERSON_1>" in moa("show", "t").out
    done = moa("ask", "--recipe", "p", "--thread", "t", "--trust", "And now?")
    assert (done.code, done.lines[-1]) == (
        2,
        "moa: what this thread's placeholders stand for is not on this machine: begin a new thread",
    )


def test_a_run_that_was_killed_goes_on_with_its_map(provider: Provider, recipe: str) -> None:
    provider.script("agg", Hang())
    command = [MOA, "ask", "--recipe", "p", "--thread", "t", "Greet Anna Kowalska"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment()) as process:
        until(lambda: any(call.model == "agg" for call in provider.calls) and in_flight(provider))
        process.send_signal(signal.SIGKILL)
    provider.reply("agg", echo)
    done = moa("resume", "t")
    assert (done.code, done.out) == (0, "You said: Greet Anna Kowalska\n")
    assert [call.model for call in provider.calls].count("a") == 1


@pytest.mark.parametrize(
    ("redact", "why"),
    [
        ("patterns = { X = 'x*' }", "matches an empty text"),
        ("patterns = { X = '(' }", "is no pattern"),
        ("patterns = { x = 'a' }", "names no kind"),
        ('deny = [" "]', "cannot be kept private"),
        ('model = "openai:gpt"', "asks no model elsewhere"),
        ('mode = "rewrite"', "needs a `model"),
    ],
)
def test_what_cannot_redact_is_refused(redact: str, why: str, tmp_path: Path) -> None:
    text = f"""
[[before]]
step = "redact"
{redact}
[[layers]]
proposers = ["scripted:echo"]
aggregate = {{ step = "synthesize", model = "scripted:echo" }}
"""
    with pytest.raises(UsageError, match=re.escape(why)):
        load_recipe(saved(tmp_path, text))


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (["redact", "redact"], [], "stands once"),
        (["gate", "redact"], [], "stands"),
        ([], ["restore"], "needs a step"),
        (["redact"], ["restore", "restore"], "stands last"),
    ],
)
def test_the_border_has_two_sides(before: list[str], after: list[str], why: str) -> None:
    layer = {
        "proposers": ["scripted:echo"],
        "aggregate": {"step": "synthesize", "model": "scripted:echo"},
    }
    with pytest.raises(ValueError, match=why):
        Recipe.model_validate({"name": "x", "before": before, "layers": [layer], "after": after})


def test_nothing_is_sent_where_nothing_is_left_to_ask(provider: Provider, tmp_path: Path) -> None:
    recipe = written(tmp_path, provider).replace("p.toml", "all.toml")
    text = (data_folder() / "recipes" / "p.toml").read_text()
    Path(recipe).write_text(text.replace("CUSTOMER = 'K-\\d{6}'", "ALL = '(?s).+'"))
    with pytest.raises(UsageError, match="nothing of the question is left"):
        ask("Greet Anna", recipe)
    assert provider.calls == []
    assert vaults() == []


def test_a_picture_is_refused(provider: Provider, recipe: str) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    with pytest.raises(UsageError, match="no pictures"):
        ChatMoA(recipe=recipe).invoke([HumanMessage([{"type": "text", "text": "who?"}, picture])])
    assert provider.calls == []
    assert vaults() == []


def test_a_local_model_lists_names_that_nothing_else_knows(
    provider: Provider, tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = "PERSON: Eve Adler\n- place: `Gdańsk`\nPERSON: Nobody\nDETAIL: the\nand so on"
    monkeypatch.setitem(ACTS, "lister", lambda _: listed)
    recipe = written(tmp_path, provider, redact='model = "scripted:lister"')
    provider.reply("agg", echo)
    with open_threads() as threads:
        came = ask("the Eve Adler of Gdańsk", recipe, thread="t", threads=threads)
        assert came.answer == "You said: the Eve Adler of Gdańsk"
        assert provider.calls[0].messages[-1]["content"] == "the <PERSON_3> of <PLACE_1>"
        said = kept(threads, "t", store)
    # Whole words: packed bytes hold any three letters now and then.
    city = "Gdańsk"
    spelled = ("Eve Adler", "Adler", city, str(city.encode())[2:-1], ascii(city)[1:-1])
    assert not [word for word in spelled if word in said]
    [call] = came.steps[0]["calls"].values()
    assert (call["text"], call["parsed"], came.usage["calls"]) == ("", True, 4)
    assert max_calls(load_recipe(recipe)) == 4


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        ("How is a friend greeted?", "How is a friend greeted?"),
        ("How is Kowalska greeted?", "How is <PERSON_1> greeted?"),
        ("How is <PERSON_9> greeted?", "How is <PERSON_1> greeted?"),
    ],
)
def test_a_respelledquestion_goes_out_unless_it_tells(
    provider: Provider, tmp_path: Path, answer: str, asked: str
) -> None:
    recipe = written(tmp_path, provider, redact=f'mode = "rewrite"\nmodel = "scripted:{answer}"')
    came = ask("How is Anna Kowalska greeted?", recipe)
    assert provider.calls[0].messages[-1]["content"] == asked
    assert came.steps[0]["rewritten"] == (asked == answer)
    assert secrets_in(heard(provider)) == []


def test_presidio_finds_more_and_stays_offline(provider: Provider, tmp_path: Path) -> None:
    pytest.importorskip("presidio_analyzer")
    recipe = written(tmp_path, provider)
    text = Path(recipe).read_text().replace("presidio = false", "presidio = true")
    Path(recipe).write_text(text)
    provider.reply("agg", echo)
    said = "Born 1999-12-01, wallet 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa, anna@example.org: who?"
    came = ask(said, recipe)
    assert came.answer == f"You said: {said}"
    assert "1A1z" not in heard(provider)
    assert "CRYPTO_1" in heard(provider)


def test_presidio_is_named_where_it_lacks(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = written(tmp_path, provider)
    Path(recipe).write_text(Path(recipe).read_text().replace("= false", "= true"))
    monkeypatch.setattr("moagraph.nodes.privacy.presidio.installed", lambda: False)
    with pytest.raises(UsageError, match=re.escape("pip install 'moagraph[privacy]'")):
        ask("who?", recipe)
    assert provider.calls == []
    assert os.listdir(data_folder() / "private") == []


async def test_a_batch_leaves_behind_what_is_hidden_only_with_a_thread_that_is_kept(
    provider: Provider, recipe: str, tmp_path: Path
) -> None:
    provider.reply("agg", echo)
    given = tmp_path / "in.jsonl"
    given.write_text(json.dumps({"prompt": QUESTION}))
    for keep in (False, True):
        out = tmp_path / f"{keep}.jsonl"
        assert await batch(open_set(str(given)), recipe, out, RunOptions(keep_threads=keep)) == 1
        assert bool(vaults()) is keep


async def test_a_talk_leaves_nothing_hidden_behind_however_it_ends(
    provider: Provider, recipe: str
) -> None:
    provider.reply("agg", echo)
    await open_system(recipe).answer([("user", QUESTION)])
    assert vaults() == []
    provider.script("agg", Status(400))
    with pytest.raises(RunError):
        await open_system(recipe).answer([("user", QUESTION)])
    assert vaults() == []
