import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from moagraph.threads.archive import export_thread, import_thread
from moagraph.threads.history import check_trust, open_thread
from moagraph.threads.open import open_threads
from tests.faults import Always, Status
from tests.provider import Provider
from tests.serving import HI, Served, save, serving


@pytest.fixture
def served(provider: Provider) -> Iterator[Served]:
    save("mix", ["openai:a"], defaults={"attempts": 1})
    provider.reply("agg", "first answer", "second answer", "third answer")
    with serving("alice", "bob") as served:
        yield served


def ask(served: Served, key: str, thread: str, *messages: Any) -> str:
    said: Any = [{"role": role, "content": text} for role, text in messages]
    with served.client(key) as client:
        answered = client.chat.completions.create(
            model="mix", messages=said, metadata={"thread_id": thread}
        )
    return answered.choices[0].message.content or ""


def heard(provider: Provider) -> list[tuple[str, str]]:
    """The conversation that the newest proposer heard."""
    [*_, call] = [call for call in provider.calls if call.model == "a"]
    return [(message["role"], message["content"]) for message in call.messages]


FIRST = ("user", "first")
SECOND = ("user", "second")


def test_a_thread_goes_on_where_it_was(served: Served, provider: Provider) -> None:
    assert ask(served, "alice", "t", ("system", "be brief"), FIRST) == "first answer"
    assert ask(served, "alice", "t", SECOND) == "second answer"
    conversation = [("system", "be brief"), FIRST, ("assistant", "first answer"), SECOND]
    assert heard(provider) == conversation
    ask(served, "alice", "t", ("system", "be long"), ("user", "third"))
    assert heard(provider) == [
        ("system", "be long"),
        *conversation[1:],
        ("assistant", "second answer"),
        ("user", "third"),
    ]


def test_a_client_may_bring_the_conversation_along(served: Served, provider: Provider) -> None:
    ask(served, "alice", "t", FIRST)
    ask(served, "alice", "t", FIRST, ("assistant", "first answer"), SECOND)
    assert heard(provider) == [FIRST, ("assistant", "first answer"), SECOND]
    edited = [("user", "changed"), ("assistant", "made up"), ("user", "third")]
    ask(served, "alice", "t", *edited)
    assert heard(provider) == edited


def test_another_keys_thread_is_out_of_reach(served: Served, provider: Provider) -> None:
    ask(served, "alice", "t", FIRST)
    ask(served, "bob", "t", SECOND)
    assert heard(provider) == [SECOND]
    with open_threads() as threads:
        names = {item.config["configurable"]["thread_id"] for item in threads.list(None)}
    assert len(names) == 2
    assert all(name.startswith("api-") and name.endswith("-t") for name in names)
    for name in names:
        ask(served, "bob", name, SECOND)
        assert heard(provider) == [SECOND]


def test_no_key_is_part_of_a_name(served: Served) -> None:
    ask(served, "alice", "t", FIRST)
    with open_threads() as threads:
        assert not any("alice" in str(item.config) for item in threads.list(None))


def test_a_kept_thread_is_one_like_any_other(served: Served) -> None:
    ask(served, "alice", "t", FIRST)
    with open_threads() as threads:
        [name] = {item.config["configurable"]["thread_id"] for item in threads.list(None)}
        thread = asyncio.run(open_thread(threads, name))
    assert thread.recipe.name == "mix"
    assert [message.text for message in thread.state.values["messages"]] == [
        "first",
        "first answer",
    ]


def test_a_turn_without_an_answer_counts_as_not_asked(served: Served, provider: Provider) -> None:
    ask(served, "alice", "t", FIRST)
    provider.script("agg", Always(Status(500)))
    with pytest.raises(openai.InternalServerError):
        ask(served, "alice", "t", SECOND)
    provider.script("agg")
    assert ask(served, "alice", "t", SECOND) == "second answer"
    assert heard(provider) == [FIRST, ("assistant", "first answer"), SECOND]


def test_tools_go_on_in_a_thread(served: Served, provider: Provider) -> None:
    tool: Any = {"type": "function", "function": {"name": "look"}}
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    provider.reply("agg", {"tool_calls": [call]}, "it is blue")
    with served.client() as client:
        said: Any = {"model": "mix", "tools": [tool], "metadata": {"thread_id": "t"}}
        asked = client.chat.completions.create(messages=HI, **said)
        assert asked.choices[0].finish_reason == "tool_calls"
        result: Any = [{"role": "tool", "tool_call_id": "c1", "content": "blue"}]
        answered = client.chat.completions.create(messages=result, **said)
    assert answered.choices[0].message.content == "it is blue"
    roles = [role for role, _ in heard(provider)]
    assert roles == ["user", "assistant", "tool"]


def test_one_request_at_a_time_has_a_thread(served: Served, provider: Provider) -> None:
    provider.latency = 1.0
    with ThreadPoolExecutor() as pool:
        asking = [pool.submit(ask, served, "alice", "t", FIRST) for _ in range(2)]
        failed = [str(one.exception()) for one in asking if one.exception()]
    assert len(failed) == 1
    assert "409" in failed[0]
    assert "busy" in failed[0]
    assert ask(served, "alice", "t", SECOND) == "second answer"


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 129, "ü", "a|b", "a:b"])
def test_a_threads_name_is_plain(served: Served, name: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(served, "alice", name, FIRST)
    assert refused.value.param == "metadata.thread_id"


def test_a_streamed_turn_is_kept_too(served: Served, provider: Provider) -> None:
    served.stream(metadata={"thread_id": "t"})
    ask(served, "alice", "t", SECOND)
    assert heard(provider) == [("user", "hi"), ("assistant", "first answer"), SECOND]


def test_a_thread_that_was_imported_is_not_continued_before_it_is_trusted(
    served: Served, provider: Provider
) -> None:
    ask(served, "alice", "t", FIRST)
    with open_threads() as threads:
        [name] = {item.config["configurable"]["thread_id"] for item in threads.list(None)}
        told = export_thread(threads, name)
        threads.delete_thread(name)
        import_thread(threads, told, name)
        with pytest.raises(openai.PermissionDeniedError, match="has not trusted it yet"):
            ask(served, "alice", "t", SECOND)
        assert len(provider.calls) == 2
        asyncio.run(check_trust(threads, name, trust=True))
    assert ask(served, "alice", "t", SECOND) == "second answer"
