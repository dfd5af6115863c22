"""The process that runs the tests and reports the verdict; the code runs in another process."""

import builtins
import importlib
import json
import os
import sys
import types
from collections.abc import Iterator
from typing import Any

from moagraph.nodes.checks.sandbox.guest.channel import Channel, Closed
from moagraph.nodes.checks.sandbox.guest.remote_errors import origin
from moagraph.nodes.checks.sandbox.guest.remote_objects import is_function, is_module
from moagraph.nodes.checks.sandbox.guest.tested_answer import TESTS, TestedAnswer

FILE = "tests.py"
MODULE = "answer"  # what tests may import from
STARTED = b"{}\n"  # reported first: both sandboxes hold, and no code of the answer has run yet
MAX_COMPLAINT = 2000  # characters


def run(job: dict[str, Any]) -> None:
    """Wait for the code, run the tests, and report `passed`, `failed` or `gone`."""
    channel = Channel(*job["channel"])
    try:
        report = _judged(job, channel)
    except Closed:
        report = {"verdict": "gone"}
    if channel.broken:  # whatever the tests have made of that
        report = {"verdict": "gone"}
    os.write(job["report"][0], json.dumps(report).encode())


def _judged(job: dict[str, Any], channel: Channel) -> dict[str, Any]:
    if channel.receive() != {"ready": True}:
        raise channel.gone()
    os.write(job["report"][0], STARTED)
    answer = TestedAnswer(channel)
    loaded = channel.receive()
    sources = {"answer.py": job["code"], FILE: job["tests"]}
    if not isinstance(loaded, dict):
        raise channel.gone()
    if "failed" in loaded:
        return _failed(answer.error(loaded["failed"]), sources)
    try:
        _run_tests(job["tests"], answer, loaded)
    except Closed:
        raise
    except BaseException as error:  # tests and code may also exit
        return _failed(error, sources)
    return {"verdict": "passed", "why": ""}


class _Names(dict[str, Any]):
    """The global names of the tests: their own, then builtins, then the answer's."""

    def __init__(self, module: Any, defined: set[str]) -> None:
        super().__init__(__name__=TESTS, __builtins__=builtins)
        self._module, self._defined = module, defined
        self._functions: dict[str, Any] = {}  # asked for once; data is asked for each time

    def __missing__(self, name: str) -> Any:
        if name in self._functions:
            return self._functions[name]
        if not hasattr(builtins, name):
            return self._answers(name)
        if name in self._defined:
            raise NameError(
                f"the answer defines `{name}`, which is also Python's: "
                f"only `from {MODULE} import {name}` tells which is meant"
            )
        raise KeyError(name)

    def _answers(self, name: str) -> Any:
        """Return the answer's object of that name; a standard module is imported here instead."""
        try:
            value = getattr(self._module, name)
        except AttributeError:
            raise KeyError(name) from None
        if name in sys.stdlib_module_names and is_module(value):
            return importlib.import_module(name)
        if is_function(value):
            self._functions[name] = value
        return value


def _run_tests(tests: str, answer: TestedAnswer, loaded: dict[str, Any]) -> None:
    module: Any = answer.module(loaded["module"])
    sys.modules[MODULE] = module
    names = _Names(module, set(loaded["loaded"]))
    own = types.ModuleType(TESTS)
    sys.modules[TESTS] = own  # where dataclasses look for their module
    exec(compile(tests, FILE, "exec"), names)
    for name, test in list(names.items()):
        if name.startswith("test_") and callable(test):
            result = test()
            if isinstance(result, types.CoroutineType):
                import asyncio

                asyncio.run(result)


def _failed(error: BaseException, sources: dict[str, str]) -> dict[str, Any]:
    """Describe an error, with the lines of the tests and of the code that raised it."""
    what = f"{type(error).__name__}: {error}".removesuffix(": ")
    lines = [
        f"{file} line {number}: {text[number - 1].strip()}"
        for file, number in _places(error)
        if 0 < number <= len(text := sources[file].splitlines())
    ]
    complaint = f"{what} ({'; '.join(lines)})" if lines else what
    return {"verdict": "failed", "why": complaint[:MAX_COMPLAINT]}


def _places(error: BaseException) -> Iterator[tuple[str, int]]:
    frame = error.__traceback__
    while frame:
        if frame.tb_frame.f_code.co_filename == FILE:
            yield FILE, frame.tb_lineno
            break
        frame = frame.tb_next
    if (source := origin(error)) and isinstance(source.line, int):
        yield "answer.py", source.line
