import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from langchain_core.messages import AIMessageChunk
from langchain_openai.chat_models.base import BaseChatOpenAI

from moagraph.nodes.errors import EngineError, MissingExtra, UnknownName
from moagraph.nodes.models.local import engine as local_engine
from moagraph.nodes.models.local.engine import Endpoint, endpoint

pytestmark = pytest.mark.weights

MODEL = "smollm2-135m"
PASSIVE = {"OMP_WAIT_POLICY": "passive"}
BUSY = """
import asyncio, sys, httpx
from moagraph.nodes.models.local.engine import endpoint

async def main():
    engine = await endpoint(sys.argv[1], 2)
    said = {"stream": True, "messages": [{"role": "user", "content": "Tell a long story. " * 200}]}
    key = {"Authorization": f"Bearer {engine.api_key}"}
    print("asking", flush=True)
    where = {"base_url": engine.base_url, "headers": key, "trust_env": False}
    async with httpx.AsyncClient(**where, timeout=60) as client:
        await asyncio.gather(*(client.post("/chat/completions", json=said) for _ in range(2)))

asyncio.run(main())
"""
QUIET = """
import asyncio, sys
from moagraph.nodes.models.local.engine import endpoint

for model in sys.argv[1:]:
    try:
        asyncio.run(endpoint(model, 1))
    except Exception as error:
        print(error)
"""
LOADED = """
import asyncio, os, sys
from moagraph.nodes.models.local.engine import endpoint

before = dict(os.environ)
asyncio.run(endpoint(sys.argv[1], 1))
assert dict(os.environ) == before
"""


@pytest.fixture(scope="session")
def engine(gguf: Path) -> Endpoint:
    return asyncio.run(endpoint(str(gguf), 3))


@pytest.fixture
def cut_short(gguf: Path, tmp_path: Path) -> Path:
    with gguf.open("rb") as whole:
        (tmp_path / "short.gguf").write_bytes(whole.read(3_000_000))
    return tmp_path / "short.gguf"


async def asked(engine: Endpoint, *questions: str) -> list[AIMessageChunk]:
    """The streamed answers, all at once."""
    async with httpx.AsyncClient(trust_env=False) as client:
        model = BaseChatOpenAI(
            model=engine.model,
            base_url=engine.base_url,
            api_key=engine.api_key,
            http_async_client=client,
            stream_usage=True,
            max_tokens=16,
            use_responses_api=False,
        )
        return await asyncio.gather(*(streamed(model, question) for question in questions))


async def streamed(model: BaseChatOpenAI, question: str) -> AIMessageChunk:
    chunks = [chunk async for chunk in model.astream(question)]
    assert len(chunks) > 3
    return sum(chunks[1:], chunks[0])


def test_the_engine_streams_an_answer_and_its_usage(engine: Endpoint) -> None:
    [answer] = asyncio.run(asked(engine, "What is the capital of France?"))
    assert answer.text.strip()
    assert answer.usage_metadata is not None
    assert 0 < answer.usage_metadata["output_tokens"] <= 16
    assert answer.response_metadata["model_name"] == engine.model


def test_three_are_answered_side_by_side(engine: Endpoint) -> None:
    answers = asyncio.run(asked(engine, "Name a fruit.", "Name a city.", "Name a river."))
    assert all(answer.text.strip() for answer in answers)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_nobody_without_the_key_is_answered(engine: Endpoint, headers: dict[str, str]) -> None:
    said = {"messages": [{"role": "user", "content": "Hi"}]}
    with httpx.Client(base_url=engine.base_url, headers=headers, trust_env=False) as client:
        reply = client.post("/chat/completions", json=said)
    assert reply.status_code == 401


def test_the_key_is_not_printed(engine: Endpoint) -> None:
    assert engine.api_key not in repr(engine)


def test_callers_in_several_loops_share_one_engine(engine: Endpoint, gguf: Path) -> None:
    found: list[Endpoint] = []

    def call() -> None:
        found.append(asyncio.run(endpoint(str(gguf), 6)))

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == [engine] * 3


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send on Windows")
def test_a_busy_engine_ends_with_its_process_at_ctrl_c(gguf: Path) -> None:
    command = [sys.executable, "-c", BUSY, str(gguf)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"asking\n"
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert err.rstrip().endswith(b"KeyboardInterrupt")


def test_the_engine_prints_nothing_whatever_happens(gguf: Path, cut_short: Path) -> None:
    command = [sys.executable, "-c", QUIET, str(cut_short), str(gguf)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    assert done.stderr == ""
    [line] = done.stdout.splitlines()
    assert line.startswith(f"{str(cut_short)!r} cannot be loaded: cut short")


@pytest.mark.skipif(sys.platform != "linux", reason="the wheels for others are built otherwise")
@pytest.mark.parametrize(
    ("said", "count"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), (PASSIVE, "0")]
)
def test_its_threads_spin_for_each_other_only_so_long(
    gguf: Path, said: dict[str, str], count: str
) -> None:
    command = [sys.executable, "-c", LOADED, str(gguf)]
    env = {**os.environ, "OMP_DISPLAY_ENV": "VERBOSE", **said}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=90, check=True)
    assert f"GOMP_SPINCOUNT = '{count}'" in done.stderr


def test_the_engine_is_the_one_for_the_model_by_its_name(
    gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOA_HOME", str(gguf.parent.parent))
    assert asyncio.run(endpoint(MODEL, 1)) == asyncio.run(endpoint(str(gguf), 1))


def test_a_file_that_is_no_model_is_one_line(tmp_path: Path) -> None:
    other = tmp_path / "notes.gguf"
    other.write_text("hello")
    with pytest.raises(EngineError, match=r"is not a GGUF file$"):
        asyncio.run(endpoint(str(other), 1))
    assert "is not a GGUF file" in (local_engine.available(str(other)) or "")


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"^there is no file "):
        asyncio.run(endpoint(str(tmp_path / "absent.gguf"), 1))


def test_a_name_of_nothing_says_what_there_is() -> None:
    with pytest.raises(UnknownName, match="`local:smollm2-135m`"):
        asyncio.run(endpoint("llama", 1))


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match="pip install huggingface_hub"):
        asyncio.run(endpoint("hf/owner/repo/model.gguf", 1))
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(MissingExtra, match=r"moagraph\[local\]"):
        asyncio.run(endpoint(MODEL, 1))
    assert "moagraph[local]" in (local_engine.available(MODEL) or "")
