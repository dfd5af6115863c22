"""Whether the Python code in an answer passes tests."""

import traceback
from typing import Any

from moagraph.nodes.checks.block import blocks

FILES = ("answer.py", "tests.py")


def check(said: dict[str, Any], question: str, answer: str) -> str | None:
    """Run the code, the tests, and the functions in these that are called `test_…`."""
    code = "\n".join(blocks(answer, "python", "py", "python3"))
    sources = dict(zip(FILES, (code, said["tests"]), strict=True))
    world: dict[str, Any] = {"__name__": "answer"}
    try:
        for name, source in sources.items():
            exec(compile(source, name, "exec"), world)
        for name, test in list(world.items()):
            if name.startswith("test_") and callable(test):
                test()
    except BaseException as error:  # the code may also exit
        return _told(error, sources)
    return None


def _told(error: BaseException, sources: dict[str, str]) -> str:
    """What was raised, and the line of the code or of the tests that raised it."""
    what = f"{type(error).__name__}: {error}".removesuffix(": ")
    places = [f for f in traceback.extract_tb(error.__traceback__) if f.filename in sources]
    if not places:
        return what
    lines = [
        f"{f.filename} line {f.lineno}: {sources[f.filename].splitlines()[f.lineno - 1].strip()}"
        for f in (places[0], *places[1:][-1:])
        if f.lineno and f.lineno <= len(sources[f.filename].splitlines())
    ]
    return f"{what} ({'; '.join(lines)})"
