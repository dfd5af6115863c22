"""Fifty runs killed at any moment: every one goes on, and only what had no answer is asked."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from moagraph import ask, resume
from moagraph.graphs.usage import call_records
from moagraph.nodes.errors import UnknownName
from moagraph.nodes.models import event_loops
from moagraph.threads.history import open_thread
from moagraph.threads.open import Threads, open_threads
from tests.faults import Slow
from tests.provider import Call, Provider
from tests.runs import calls_of, cut, latest, read, recipe_file, said
from tests.terminal import environment, until

RUNS, LATENCY, PLANNED = 25, 0.1, 7
LONGEST = 0.8  # seconds; the calls of a run take 0.65
SLOWER = {"b": 0.1, "c": 0.2, "f": 0.15}
RECIPE = """
[defaults]
base_url = "{url}"
[[layers]]
proposers = ["vllm:{run}-a", "vllm:{run}-b", "vllm:{run}-c"]
[[layers]]
proposers = ["vllm:{run}-d", "vllm:{run}-e", "vllm:{run}-f"]
aggregate = {{ step = "synthesize", model = "vllm:{run}-agg" }}
"""
# `moa` as a process of its own each time, without the seconds that its imports take.
FORKER = """
import json, os, sys
import langchain_openai, moagraph.cli.running.live_run
import moagraph.threads.savers.postgres, moagraph.threads.savers.sqlite
from moagraph.cli import main

for line in sys.stdin:
    words, log = json.loads(line)
    child = os.fork()
    if not child:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.argv = ["moa", *words]
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        os._exit(code)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forker:
    """Runs one `moa` after another."""

    def __init__(self, given: IO[str], told: IO[str]) -> None:
        self.given, self.told = given, told

    def run(self, *words: str, log: Path, until: Callable[[], object] | None = None) -> int:
        """The exit code; a run that is given an end is killed when that has come."""
        self.given.write(json.dumps([words, str(log)]) + "\n")
        self.given.flush()
        child = int(self.told.readline())
        if until is not None:
            until()
            with suppress(ProcessLookupError):  # it had ended
                os.kill(child, signal.SIGKILL)
        return int(self.told.readline())


@contextmanager
def forker() -> Iterator[Forker]:
    words = [sys.executable, "-c", FORKER]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=environment()) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Forker(process.stdin, process.stdout)
        process.stdin.close()


@dataclass
class Moment:
    """When a run is killed: so long after its start, or after its first call."""

    asking: bool
    seconds: float

    def wait(self, provider: Provider, run: str) -> None:
        if self.asking:
            until(lambda: asked_by(provider, run))
        time.sleep(self.seconds)


@dataclass
class Crash:
    """What one run had asked and kept when it was killed, and what going on came to."""

    run: str
    asked: int
    unanswered: int
    kept: int
    again: int
    code: int
    log: str


def crashed(run: str, moment: Moment, it: Forker, provider: Provider, folder: Path) -> Crash:
    """Ask, kill, look what was kept, and go on: by `resume`, or anew where nothing was."""
    recipe, log = folder / f"{run}.toml", folder / f"{run}.log"
    recipe.write_text(RECIPE.format(url=provider.base_url, run=run))
    ask = ["ask", "--recipe", str(recipe), "--thread", run, f"why, {run}?"]
    for seat, late in SLOWER.items():
        provider.script(f"{run}-{seat}", Slow(late))
    it.run(*ask, log=log, until=lambda: moment.wait(provider, run))
    asked = all_asked_by(provider, run)
    unanswered = sum(call.finished is None for call in asked)
    kept = kept_of(run)
    code = it.run("resume", run, log=log)
    if "no thread is called" in log.read_text():
        code = it.run(*ask, log=log)
    elif f"{run!r} is done" in log.read_text():
        code = 0
    again = len(asked_by(provider, run)) - len(asked)
    return Crash(run, len(asked), unanswered, kept, again, code, log.read_text())


def asked_by(provider: Provider, run: str) -> list[Call]:
    return [call for call in list(provider.calls) if call.model.startswith(f"{run}-")]


def all_asked_by(provider: Provider, run: str) -> list[Call]:
    """The calls of a run that was killed, those included that were still on their way."""
    before = -1
    while (now := len(asked_by(provider, run))) != before:
        before = now
        time.sleep(0.2)
    return asked_by(provider, run)


def kept_of(run: str) -> int:
    """How many calls' answers the thread has, those of an unfinished layer as well."""
    with open_threads() as threads:
        try:
            state = event_loops.run(open_thread(threads, run)).state
        except UnknownName:
            return 0
    written = [task.result for task in state.tasks if task.result and task.name != "begin"]
    return len(
        {record["model"] for one in (state.values, *written) for record in call_records(one)}
    )


def crashes(provider: Provider, store: str, folder: Path) -> list[Crash]:
    """Kill so many runs, most of them while their models answer."""
    chance = random.Random(store)
    moments = [Moment(number % 4 > 0, chance.uniform(0, LONGEST)) for number in range(RUNS)]

    def some(it: Forker, first: int) -> list[Crash]:
        return [
            crashed(f"r{number:02d}", moments[number], it, provider, folder)
            for number in range(first, RUNS, 2)
        ]

    with forker() as one, forker() as other, ThreadPoolExecutor(2) as pool:
        return [crash for part in pool.map(some, (one, other), (0, 1)) for crash in part]


def test_runs_that_were_killed_go_on(provider: Provider, store: str, tmp_path: Path) -> None:
    provider.latency = LATENCY
    ended = crashes(provider, store, tmp_path)
    for crash in ended:
        assert crash.code == 0, crash
        assert crash.again == PLANNED - crash.kept, crash
        in_flight = crash.asked - crash.kept
        assert crash.asked + crash.again <= PLANNED + in_flight, crash
    with open_threads() as threads:
        for crash in ended:
            values = latest(threads, crash.run)
            question, answer = said(values)
            assert question == f"why, {crash.run}?"
            assert answer.startswith(f"{crash.run}-agg says: this is answer number ")
            assert [record["ok"] for record in call_records(values)] == [True] * PLANNED
    cut = [crash for crash in ended if 0 < crash.kept < PLANNED]
    assert cut, f"no run was killed in its midst: {ended}"


def test_a_run_goes_on_from_every_step_at_which_it_can_be_cut(
    provider: Provider, threads: Threads, tmp_path: Path
) -> None:
    """A kill leaves the first checkpoints; of the newest, what its nodes wrote or not."""
    recipe = recipe_file(tmp_path, provider.base_url)
    ask("why?", recipe, thread="whole", threads=threads)
    steps = len(read(threads, "whole"))
    asked = {}
    for step, wrote in itertools.product(range(steps - 1), (True, False)):
        thread = f"{step}, {wrote}"
        ask("why?", recipe, thread=thread, threads=threads)
        cut(threads, thread, step, wrote)
        asked[step, wrote] = "".join(calls_of(provider, partial(resume, thread, threads)))
        assert len(said(latest(threads, thread))) == 2
        assert len(call_records(latest(threads, thread))) == PLANNED
    everything, second = "aaggbcdef", "aggdef"
    assert asked == {
        **{(0, True): everything, (0, False): everything},
        **{(1, True): everything, (1, False): everything},
        **{(2, True): second, (2, False): everything},
        **{(3, True): second, (3, False): second},
        **{(4, True): "agg", (4, False): second},
        **{(5, True): "agg", (5, False): "agg"},
        **{(6, True): "", (6, False): "agg"},
    }


def test_an_answer_that_was_only_just_written_is_kept_when_the_next_question_comes(
    provider: Provider, threads: Threads, tmp_path: Path
) -> None:
    recipe = recipe_file(tmp_path, provider.base_url)
    first = ask("why?", recipe, thread="t", threads=threads)
    cut(threads, "t", len(read(threads, "t")) - 2, wrote=True)
    asked = calls_of(provider, partial(ask, "and then?", recipe, thread="t", threads=threads))
    assert "".join(asked) == "aaggbcdef"
    assert [m.text for m in latest(threads, "t")["messages"]][:3] == [
        "why?",
        first.answer,
        "and then?",
    ]
