"""What every test stands on: no live call, no keys, a data folder of its own."""

import os
import signal

# Otherwise each of the hundreds of processes that the tests start compiles our modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"  # read when langgraph is imported

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guard import guarded
from tests.provider import Provider

# A shell starts what runs in its background with Ctrl-C ignored, and children would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

PRIVATE = ("TOGETHER_", "OPENAI_", "LANGSMITH_", "LANGCHAIN_", "OLLAMA_", "VLLM_", "MOA_")


@pytest.fixture(autouse=True)
def no_live_call(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Reaching another machine is an error, also where the code swallows it."""
    with guarded(on=request.node.get_closest_marker("registry") is None) as refused:
        yield refused
        assert not refused, f"a live call was tried: {refused}"


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key and no setting of the person who runs the tests, and an empty data folder."""
    for name in [name for name in os.environ if name.startswith(PRIVATE)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LANGSMITH_TRACING", "false")
    monkeypatch.setenv("MOA_HOME", str(tmp_path / "home"))


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch, own_environment: None) -> Iterator[Provider]:
    """A provider on this machine that Together's and OpenAI's variables point to."""
    with Provider() as provider:
        monkeypatch.setenv("TOGETHER_API_KEY", "together-key")
        monkeypatch.setenv("TOGETHER_API_BASE", provider.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "openai-key")
        monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
        yield provider
