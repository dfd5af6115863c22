"""The real `langgraph dev`, without a network, driven as Studio and chat pages drive it."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import APIError

from moagraph.graphs.studio_form import SHIPPED
from tests.conftest import PRIVATE
from tests.provider import Provider

ROOT = Path(__file__).parents[2]
OWN: dict[str, Any] = {"proposers": ["openai:a", "together:b"], "aggregator": "openai:agg"}
HI = {"messages": [{"role": "user", "content": "hi"}]}


def cli(*said: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "langgraph_cli", *said]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def heard() -> Iterator[Provider]:
    with Provider(latency=0.02) as provider:
        yield provider


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio") / "server.log"


@pytest.fixture(scope="module")
def url(heard: Provider, log: Path) -> Iterator[str]:
    """A server for all tests of this file; it takes some seconds to start."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["dev", "--no-browser", "--no-reload", "--port", str(port)]
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "langgraph_cli", *command, "--n-jobs-per-worker", "8"],
            cwd=ROOT,
            env=_environment(heard, log.parent),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            yield _ready(f"http://127.0.0.1:{port}", server, log)
        finally:
            server.terminate()
            server.wait(timeout=20)


@pytest.fixture(autouse=True)
def nothing_blocks(log: Path) -> Iterator[None]:
    """The server refuses whatever would hold up its event loop, and says so."""
    yield
    assert not log.exists() or "BlockingError" not in log.read_text()


def _environment(provider: Provider, home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}
    return kept | {
        "TOGETHER_API_KEY": "together-key",
        "TOGETHER_API_BASE": provider.base_url,
        "OPENAI_API_KEY": "openai-key",
        "OPENAI_BASE_URL": provider.base_url,
        "MOA_HOME": str(home / "data"),
        "LANGSMITH_TRACING": "false",
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "LANGGRAPH_NO_VERSION_CHECK": "1",
    }


def _ready(url: str, server: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(1200):  # a busy machine takes more than half a minute
        try:
            with urllib.request.urlopen(f"{url}/ok", timeout=1):
                return url
        except OSError:
            assert server.poll() is None, log.read_text()[-2000:]
            time.sleep(0.1)
    raise AssertionError(log.read_text()[-2000:])


class Session:
    """A client, and the steps that most tests begin with."""

    def __init__(self, client: LangGraphClient) -> None:
        self.client = client

    async def assistant(self, **context: Any) -> str:
        made = await self.client.assistants.create("mixture", context={**OWN, **context})
        return str(made["assistant_id"])

    async def thread(self) -> str:
        return str((await self.client.threads.create())["thread_id"])

    async def wait(self, thread: str, assistant: str, given: Any = HI, **how: Any) -> Any:
        return await self.client.runs.wait(thread, assistant, input=given, **how)

    async def stream(self, thread: str, assistant: str, given: Any, *modes: Any) -> list[Any]:
        parts = self.client.runs.stream(thread, assistant, input=given, stream_mode=list(modes))
        return [part async for part in parts]


def drive(url: str, story: Any) -> Any:
    """Tell the story to a client of its own."""

    async def told() -> Any:
        async with get_client(url=url) as client:
            return await story(Session(client))

    return asyncio.run(told())


def test_every_recipe_that_ships_is_a_graph_of_its_own() -> None:
    named = json.loads((ROOT / "langgraph.json").read_text())["graphs"]
    assert sorted(named) == sorted([*SHIPPED, "mixture"])
    assert all(said["path"].startswith("./moagraph/graphs/studio.py:") for said in named.values())


def test_no_text_in_langgraph_json_would_end_a_line_of_the_dockerfile() -> None:
    assert "'" not in (ROOT / "langgraph.json").read_text()


def test_the_configuration_is_valid() -> None:
    done = cli("validate")
    assert done.returncode == 0, done.stderr
    assert "is valid" in done.stdout


def test_the_configuration_makes_a_dockerfile(tmp_path: Path) -> None:
    done = cli("dockerfile", str(tmp_path / "Dockerfile"))
    assert done.returncode == 0, done.stderr
    written = (tmp_path / "Dockerfile").read_text()
    assert "LANGSERVE_GRAPHS" in written
    assert '"pickle_fallback": false' in written


def test_each_recipe_is_an_assistant(url: str) -> None:
    async def story(session: Session) -> set[str]:
        return {found["graph_id"] for found in await session.client.assistants.search(limit=100)}

    assert drive(url, story) >= {*SHIPPED, "mixture"}


def test_a_drawing_has_a_box_for_each_proposer(url: str) -> None:
    async def story(session: Session) -> list[str]:
        drawn = await session.client.assistants.get_graph(
            await session.assistant(samples=2, layers=2)
        )
        return [str(node["id"]) for node in drawn["nodes"]]

    seats = ["01_a", "02_a", "03_b", "04_b"]
    for layer in ("L1", "L2"):
        assert {f"{layer}_{seat}" for seat in (*seats, "join")} <= set(drive(url, story))


def test_the_form_explains_itself(url: str) -> None:
    async def story(session: Session) -> Any:
        [found] = await session.client.assistants.search(graph_id="mixture", limit=1)
        return await session.client.assistants.get_schemas(found["assistant_id"])

    form = drive(url, story)["context_schema"]["properties"]
    assert form["recipe"]["enum"] == SHIPPED
    assert (form["layers"]["minimum"], form["layers"]["maximum"]) == (1, 4)
    assert [name for name, field in form.items() if not field.get("description")] == []


@pytest.mark.parametrize(
    ("context", "named"),
    [
        ({"layers": 9}, "layers"),
        ({"recipe": "nope"}, "recipe"),
        ({"proposers": ["x"]}, "proposers"),
    ],
)
def test_a_form_that_is_filled_in_wrongly_names_the_field(
    url: str, context: dict[str, Any], named: str
) -> None:
    async def story(session: Session) -> None:
        await session.client.assistants.get_graph(await session.assistant(**context))

    with pytest.raises(APIError, match=named):
        drive(url, story)


@pytest.mark.parametrize(
    "given",
    [
        HI,
        {"messages": "hi"},
        {"messages": [{"type": "human", "content": [{"type": "text", "text": "hi"}]}]},
    ],
    ids=["messages", "a plain text", "content blocks"],
)
def test_a_run_answers(url: str, heard: Provider, given: Any) -> None:
    heard.reply("Qwen/Qwen1.5-72B-Chat", "the answer")

    async def story(session: Session) -> Any:
        return await session.wait(await session.thread(), "moa-lite", given)

    state = drive(url, story)
    assert [message["type"] for message in state["messages"]] == ["human", "ai"]
    assert state["messages"][-1]["content"] == "the answer"
    assert len(state["layers"]["1"]) == 6


def test_a_second_turn_keeps_each_message_once_and_its_id(url: str) -> None:
    async def story(session: Session) -> Any:
        assistant, thread = await session.assistant(), await session.thread()
        return [await session.wait(thread, assistant) for _ in range(2)]

    first, second = ([m["id"] for m in state["messages"]] for state in drive(url, story))
    assert second[:2] == first
    assert len(set(second)) == len(second) == 4


def test_a_stream_has_the_answer_once_and_under_its_own_id(url: str, heard: Provider) -> None:
    heard.reply("agg", "one two three four five")

    async def story(session: Session) -> Any:
        return await session.stream(
            await session.thread(), await session.assistant(), HI, "messages-tuple", "values"
        )

    parts = drive(url, story)
    pieces = [part.data[0] for part in parts if part.event == "messages"]
    state = [part.data for part in parts if part.event == "values"][-1]
    assert "".join(piece["content"] for piece in pieces) == "one two three four five"
    assert len([piece for piece in pieces if piece["content"]]) > 1
    assert {piece["id"] for piece in pieces} == {state["messages"][-1]["id"]}


def test_a_person_reviews_a_layer_and_the_run_goes_on(url: str, heard: Provider) -> None:
    async def story(session: Session) -> Any:
        assistant, thread = await session.assistant(review=True), await session.thread()
        paused = await session.wait(thread, assistant)
        state = await session.client.threads.get_state(thread)
        said = {"drop": ["01"], "add": ["my own answer"]}
        done = await session.client.runs.wait(thread, assistant, command={"resume": said})
        return paused, state, done

    paused, state, done = drive(url, story)
    [asked] = paused["__interrupt__"]
    assert set(asked["value"]["answers"]) == {"01", "02"}
    assert set(asked["response_schema"]["properties"]) >= {"edit", "drop", "add", "abort"}
    assert state["next"] == ["L1_join"]
    assert done["messages"][-1]["type"] == "ai"
    told = [call for call in heard.calls if call.model == "agg"][-1].messages[0]["content"]
    assert "2. my own answer" in told


def test_a_fork_with_an_edited_proposal_runs_only_what_follows(url: str, heard: Provider) -> None:
    async def story(session: Session) -> Any:
        assistant, thread = await session.assistant(), await session.thread()
        await session.wait(thread, assistant)
        history = await session.client.threads.get_history(thread)
        before = next(state for state in history if state["next"] == ["L1_join"])
        values: Any = before["values"]
        edited = {**values["layers"]["1"]["02"], "text": "edited by hand"}
        fork = await session.client.threads.update_state(
            thread,
            {"layers": {"1": {"02": edited}}},
            as_node="L1_02_b",
            checkpoint=before["checkpoint"],
        )
        asked = len(heard.calls)
        state = await session.wait(thread, assistant, None, checkpoint=fork["checkpoint"])
        return [call.model for call in heard.calls[asked:]], state

    models, state = drive(url, story)
    assert models == ["agg"]
    assert "2. edited by hand" in heard.calls[-1].messages[0]["content"]
    assert state["layers"]["1"]["02"]["text"] == "edited by hand"


def test_two_assistants_run_different_mixtures_at_once(url: str) -> None:
    async def story(session: Session) -> Any:
        wide = await session.assistant(proposers=["openai:w"], samples=4)
        deep = await session.assistant(proposers=["openai:d"], layers=3, aggregator="")
        runs = [session.wait(await session.thread(), one) for one in (wide, deep, wide, deep)]
        return await asyncio.gather(*runs)

    shapes = [
        {layer: len(seats) for layer, seats in state["layers"].items()}
        for state in drive(url, story)
    ]
    assert shapes == [{"1": 4}, {"1": 1, "2": 1, "3": 1}] * 2


def test_what_the_form_says_of_the_last_step_reaches_it(url: str, heard: Provider) -> None:
    async def story(session: Session) -> None:
        assistant = await session.assistant(temperature=0.1, max_tokens=7)
        await session.wait(await session.thread(), assistant)

    drive(url, story)
    seat, answer = (
        [call for call in heard.calls if call.model == model][-1].body for model in ("b", "agg")
    )
    assert (seat["temperature"], answer["temperature"]) == (0.7, 0.1)
    assert answer.get("max_completion_tokens", answer.get("max_tokens")) == 7


def test_the_same_server_speaks_openais_protocol(url: str) -> None:
    with urllib.request.urlopen(f"{url}/v1/models", timeout=10) as answer:
        assert "moa/moa-lite" in {model["id"] for model in json.load(answer)["data"]}
