import asyncio
import json
import multiprocessing
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage

from moagraph.nodes.errors import StorageError
from moagraph.nodes.models.call import Call
from moagraph.nodes.storage import answer_cache
from moagraph.nodes.storage.data_dir import data_folder

TOOL = {"type": "function", "function": {"name": "look", "parameters": {}}}
CALL = Call(model="vllm:m", temperature=0.5)
HEARD: list[AnyMessage] = [SystemMessage("be brief"), HumanMessage("why?")]

OTHERS: dict[str, Any] = {
    "another model": {"model": "vllm:n"},
    "another provider": {"model": "ollama:m"},
    "another address": {"base_url": "http://127.0.0.1:9/v1"},
    "another key": {"api_key_env": "OTHER_KEY"},
    "another temperature": {"temperature": 0.6},
    "no temperature": {"temperature": None},
    "a limit": {"max_tokens": 7},
    "a seed": {"seed": 1},
    "a stop": {"stop": ["."]},
    "an effort": {"reasoning_effort": "low"},
    "a body": {"extra_body": {"top_k": 1}},
    "a format": {"response_format": {"type": "json_object"}},
    "tools": {"tools": [TOOL]},
    "a choice of tool": {"tool_choice": "auto"},
}


def call_of(**said: Any) -> Call:
    return Call.model_validate(CALL.model_dump(exclude_none=True) | said)


def answer(text: str, **said: Any) -> AIMessage:
    told = {"model_name": "m", "finish_reason": "stop", "token_usage": {"total_tokens": 3}}
    usage: Any = {"input_tokens": 2, "output_tokens": 1, "total_tokens": 3}
    return AIMessage(text, id="run-1", response_metadata=told, usage_metadata=usage, **said)


@pytest.mark.parametrize("said", OTHERS.values(), ids=OTHERS)
def test_a_call_that_is_sent_otherwise_has_another_key(said: dict[str, Any]) -> None:
    assert answer_cache.key(call_of(**said), HEARD, "1.01") != answer_cache.key(CALL, HEARD, "1.01")


@pytest.mark.parametrize(
    "said",
    [
        {"timeout": 1},
        {"attempts": 1},
        {"price": {"input": 1, "output": 1}},
        {"fallbacks": ["vllm:n"]},
        {"limits": {"max_concurrency": 1}},
    ],
    ids=str,
)
def test_what_is_not_sent_changes_no_key(said: dict[str, Any]) -> None:
    assert answer_cache.key(call_of(**said), HEARD, "1.01") == answer_cache.key(CALL, HEARD, "1.01")


def test_an_address_from_the_environment_is_a_part_of_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = answer_cache.key(CALL, HEARD, "1.01")
    monkeypatch.setenv("VLLM_BASE_URL", "http://127.0.0.1:9/v1")
    assert answer_cache.key(CALL, HEARD, "1.01") != before


def test_a_messages_id_is_no_part_of_the_key() -> None:
    named: list[AnyMessage] = [SystemMessage("be brief", id="1"), HumanMessage("why?", id="2")]
    assert answer_cache.key(CALL, named, "1.01") == answer_cache.key(CALL, HEARD, "1.01")


texts = some.text(max_size=20)
messages = some.lists(some.builds(HumanMessage, texts) | some.builds(AIMessage, texts), max_size=3)
calls = some.builds(
    call_of,
    model=some.sampled_from(["vllm:m", "vllm:n", "openai:m"]),
    temperature=some.sampled_from([None, 0.0, 1.0]),
    max_tokens=some.sampled_from([None, 1, 2]),
)
samples = some.sampled_from(["1.01", "1.02", "2.01", "1.L1_synthesize"])
asked = some.tuples(calls, messages, samples)


def told(call: Call, heard: list[AnyMessage], sample: str) -> Any:
    said = [(message.type, message.content) for message in heard]
    return call.model, call.temperature, call.max_tokens, said, sample


@given(one=asked, other=asked)
def test_two_calls_share_a_key_only_where_all_that_is_sent_is_the_same(
    one: Any, other: Any
) -> None:
    assert (answer_cache.key(*one) == answer_cache.key(*other)) == (told(*one) == told(*other))


def sent(one: Any) -> str:
    return str(told(*one))


@settings(max_examples=10, deadline=None)
@given(every=some.lists(asked, min_size=2, max_size=6, unique_by=sent))
def test_nothing_is_served_across_keys(every: list[Any]) -> None:
    async def through() -> list[Any]:
        answer_cache.clear()
        for number, one in enumerate(every[1:]):
            call, heard, sample = one
            await answer_cache.store_answer(call, heard, sample, answer(str(number)))
        return [await answer_cache.find_answer(*one) for one in every]

    first, *others = asyncio.run(through())
    assert first is None
    assert [message.text for message in others] == [str(n) for n in range(len(every) - 1)]


def test_an_answer_comes_back_whole_and_under_a_new_id() -> None:
    tool_call: Any = {"name": "look", "args": {"at": "it"}, "id": "1", "type": "tool_call"}

    async def twice() -> list[Any]:
        await answer_cache.store_answer(
            CALL, HEARD, "1.01", answer("yes \ud83d?", tool_calls=[tool_call])
        )
        return [await answer_cache.find_answer(CALL, HEARD, "1.01") for _ in range(2)]

    one, other = asyncio.run(twice())
    assert one.tool_calls == [tool_call]
    assert one.response_metadata == {"model_name": "m", "finish_reason": "stop"}
    assert one.usage_metadata is None
    assert len({one.id, other.id, "run-1", None}) == 4


def test_the_file_is_for_this_users_eyes_and_holds_no_key_and_no_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "not-for-the-cache")
    question: list[AnyMessage] = [HumanMessage("a very private question")]
    asyncio.run(answer_cache.store_answer(CALL, question, "1.01", answer("yes")))
    file = data_folder() / "cache.sqlite"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for one in data_folder().iterdir():
        assert b"not-for-the-cache" not in one.read_bytes()
        assert b"private" not in one.read_bytes()


def test_with_an_encryption_key_answers_are_encrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("Crypto")
    monkeypatch.setenv("MOA_ENCRYPTION_KEY", "k" * 32)
    asyncio.run(answer_cache.store_answer(CALL, HEARD, "1.01", answer("a secret answer")))
    assert b"secret" not in (data_folder() / "cache.sqlite").read_bytes()
    found = asyncio.run(answer_cache.find_answer(CALL, HEARD, "1.01"))
    assert found is not None
    assert found.text == "a secret answer"
    monkeypatch.setenv("MOA_ENCRYPTION_KEY", "l" * 32)
    assert asyncio.run(answer_cache.find_answer(CALL, HEARD, "1.01")) is None


def test_a_cache_is_counted_and_cleared() -> None:
    assert (answer_cache.size(), answer_cache.clear()) == ((0, 0), 0)
    for sample in ("1.01", "1.02", "1.02"):
        asyncio.run(answer_cache.store_answer(CALL, HEARD, sample, answer("yes")))
    assert answer_cache.size()[0] == 2
    assert answer_cache.clear() == 2
    assert answer_cache.size() == (0, 0)
    assert asyncio.run(answer_cache.find_answer(CALL, HEARD, "1.01")) is None


def test_a_file_that_is_damaged_costs_no_answer_and_is_told_beforehand() -> None:
    (data_folder() / "cache.sqlite").write_bytes(b"this is no database, " * 100)
    asyncio.run(answer_cache.store_answer(CALL, HEARD, "1.01", answer("yes")))
    assert asyncio.run(answer_cache.find_answer(CALL, HEARD, "1.01")) is None
    with pytest.raises(StorageError, match=r"cannot use .*cache\.sqlite.*: file is not a database"):
        answer_cache.check_usable()


def _fill(numbers: list[int]) -> None:
    async def fill() -> None:
        for number in numbers:
            await answer_cache.store_answer(CALL, HEARD, f"1.{number}", answer(json.dumps(number)))

    asyncio.run(fill())


def test_several_processes_share_the_file(own_environment: None, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_fill, args=([*range(n, 40, 4)],)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert answer_cache.size()[0] == 40
    found = asyncio.run(answer_cache.find_answer(CALL, HEARD, "1.17"))
    assert found is not None
    assert found.text == "17"
