"""A process that is stopped, as by Ctrl-Z, gives its models the time that it was stopped."""

import json
import signal
import subprocess
import threading
import time
from pathlib import Path

from tests.faults import Gate
from tests.provider import Provider
from tests.terminal import MOA, environment, until

RECIPE = """
[defaults]
base_url = "{url}"
timeout = 4
attempts = 1
[[layers]]
proposers = ["vllm:a", "vllm:b"]
aggregate = {{ step = "synthesize", model = "vllm:agg" }}
"""
STOPPED = 6.0  # longer than the timeout


def test_answers_that_arrive_while_the_process_is_stopped_are_in_time(
    provider: Provider, tmp_path: Path
) -> None:
    """The models begin to answer, the process is stopped for longer than they have, and goes on."""
    opened = threading.Event()
    for model in ("a", "b"):
        provider.script(model, Gate(opened))
    (tmp_path / "mix.toml").write_text(RECIPE.format(url=provider.base_url))
    words = [MOA, "ask", "--json", "--recipe", str(tmp_path / "mix.toml"), "why?"]
    with subprocess.Popen(
        words, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        until(lambda: len(provider.calls) == 2)
        process.send_signal(signal.SIGSTOP)
        time.sleep(STOPPED)
        process.send_signal(signal.SIGCONT)
        opened.set()
        told, _ = process.communicate()
    came = json.loads(told)
    proposals = came["layers"][0]["proposals"]
    assert [one["error"] for one in proposals] == [None, None]
    assert came["status"] == "done"
    assert all(one["seconds"] < STOPPED for one in proposals)
