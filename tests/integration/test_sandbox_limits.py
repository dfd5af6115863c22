"""What code of a stranger may take, and that nothing of it is left when its time is up."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.sandboxing import BOXES, Box

# Each is code that says in `taken` how much it got of something, and how much that is to be.
BOMBS = {
    "processes": (
        """
import os
def taken():
    started = 0
    for _ in range(300):
        try:
            if os.fork() == 0:
                os.pause()
            started += 1
        except OSError:
            return started
    return started
""",
        (0, 0),
    ),
    "threads": (
        """
import threading
def taken():
    stop, started = threading.Event(), 0
    threading.stack_size(32768)
    try:
        for _ in range(5000):
            threading.Thread(target=stop.wait, daemon=True).start()
            started += 1
    except RuntimeError:
        pass
    stop.set()
    return started
""",
        (128, 256),
    ),
    "megabytes of memory": (
        """
def taken():
    held = []
    try:
        while len(held) < 4096:
            held.append(b'x' * 2**20)
    except MemoryError:
        pass
    return len(held)
""",
        (100, 256),
    ),
    "megabytes of memory by files without a name": (
        """
import os
def taken():
    written = 0
    try:
        for number in range(600):
            file = os.memfd_create(str(number))
            written += os.write(file, b'x' * 2**20)
    except OSError:
        pass
    return written >> 20
""",
        (0, 0),
    ),
    "megabytes of disk": (
        """
def taken():
    written = 0
    for number in range(4096):
        try:
            with open(str(number), 'wb', buffering=0) as file:
                for _ in range(16):
                    written += file.write(b'x' * 2**16)
        except OSError:
            continue
    return written >> 20
""",
        (32, 64),
    ),
    "megabytes of disk that no folder shows": (
        """
import os
def taken():
    held, written = [], 0
    for number in range(4096):
        try:
            file = open('hidden', 'wb', buffering=0)
            held.append(file)
            os.unlink('hidden')
            for _ in range(16):
                written += file.write(b'x' * 2**16)
        except OSError:
            continue
    return written >> 20
""",
        (16, 64),
    ),
    "megabytes of one file": (
        """
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def taken():
    written = 0
    try:
        with open('large', 'wb') as file:
            for _ in range(4096):
                written += file.write(b'x' * 2**20)
                file.flush()
    except OSError:
        pass
    return written >> 20
""",
        (0, 64),
    ),
    "files": (
        """
def taken():
    made = 0
    try:
        for number in range(20_000):
            open(str(number), 'w').close()
            made += 1
    except OSError:
        pass
    return made
""",
        (100, 1024),
    ),
    "descriptors": (
        """
import os
def taken():
    held = []
    try:
        while len(held) < 5000:
            held.append(os.pipe())
    except OSError:
        pass
    return len(held)
""",
        (16, 128),
    ),
}


@pytest.mark.parametrize("box", BOXES, ids=str)
@pytest.mark.parametrize("what", BOMBS)
def test_code_can_only_take_so_much(box: Box, what: str) -> None:
    code, (least, most) = BOMBS[what]
    tests = f"got = taken()\nassert {least} <= got <= {most}, got"
    report = box.run(code, tests, memory_mb=256)
    assert report == {"verdict": "passed", "why": ""}


ENDLESS = {
    "it computes": "while True: pass",
    "it waits": "import time\ntime.sleep(600)",
    "it ignores signals": """
import signal, time
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
while True:
    time.sleep(600)
""",
    "its threads go on": """
import threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
""",
    "it stops itself": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
}


@pytest.fixture
def checkout() -> Iterator[Path]:
    """This checkout under a name by which the processes that run from it are found."""
    root = Path(__file__).parent.parent.parent
    link = Path("/var/tmp") / f"moa-{uuid4().hex}"
    link.symlink_to(root)
    yield link
    link.unlink()


def running(checkout: Path) -> list[int]:
    """The processes that were started from it."""
    name, pids = checkout.name.encode(), []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and name in (folder / "cmdline").read_bytes():
                pids.append(int(folder.name))
        except OSError:
            continue
    return pids


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it comes to hold; a machine under load needs its time."""
    deadline = time.monotonic() + 60
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize("box", BOXES, ids=str)
@pytest.mark.parametrize("code", ENDLESS.values(), ids=ENDLESS)
def test_nothing_is_left_of_code_when_its_time_is_up(box: Box, code: str, checkout: Path) -> None:
    report = box.run(code, "assert never_defined", seconds=2, checkout=checkout)
    assert report["verdict"] == "failed"
    assert "did not end within 2 s" in report["why"] or code == ENDLESS["its threads go on"]
    assert eventually(lambda: running(checkout) == [])


@pytest.mark.parametrize("box", BOXES, ids=str)
def test_code_ends_with_the_process_that_wants_its_verdict(box: Box, checkout: Path) -> None:
    process = box.start("import time\ntime.sleep(600)", "assert True", checkout=checkout)
    with process:
        # The supervisor and the code, of the code and of the tests; bubblewrap has its own two.
        assert eventually(lambda: len(running(checkout)) >= 5)
        process.send_signal(signal.SIGKILL)
    assert eventually(lambda: running(checkout) == [])
