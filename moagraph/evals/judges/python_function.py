"""The `python` judge: a user's own function, as `python:package.module:function`.

The function takes one mapping with `id`, `turn`, `category`, `question`, `answer`, `reference`,
`row`, `system`, and the `baseline`'s answer if there is one. It returns a number, a bool, or None.
"""

import hashlib
import importlib
import os
import sys
from asyncio import to_thread
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moagraph.evals.judge import JudgeCase, JudgeVerdict, Ruling, Trial
from moagraph.nodes.errors import UnknownName, UsageError
from moagraph.nodes.state import Json

MAX_SCORE = 1e100  # sums and squares of larger scores overflow


@dataclass(frozen=True)
class PythonFunctionJudge:
    """A function that scores an answer; an exception becomes the text of an unparsed verdict."""

    name: str
    function: Callable[[Json], Any]
    source: str  # a hash of the function's source files
    compares: bool = False
    method: str = "python"
    recipe: Json | None = None

    def trials(self, case: JudgeCase) -> Sequence[Trial]:
        """Return one trial; its key includes the source hash, so an edited function is rerun."""
        argument = {
            "id": case.item.id,
            "turn": case.turn,
            "category": case.item.category,
            "question": case.questions[-1],
            "answer": case.answers[-1],
            "reference": case.reference,
            "row": dict(case.item.row),
            "system": case.system,
            "baseline": case.baseline_answers[-1] if case.baseline_answers else None,
        }
        return [Trial(case, argument, self.source)]

    async def rule(self, trial: Trial) -> Ruling:
        """Call the function in a thread."""
        try:
            returned = await to_thread(self.function, dict(trial.inputs))
            score = None if returned is None else float(returned)
        except (Exception, SystemExit) as error:  # a user's function may raise anything
            return Ruling([JudgeVerdict(parsed=False)], f"{type(error).__name__}: {error}")
        if score is None or not abs(score) <= MAX_SCORE:
            return Ruling([JudgeVerdict(parsed=False)], f"the function returned {returned!r}")
        return Ruling([JudgeVerdict(score=score)])


def load_function_judge(name: str, path: str) -> PythonFunctionJudge:
    """Import the function; the working directory is searched first.

    Args:
        name: The judge's name, as the user wrote it.
        path: The function, as `package.module:function`.
    """
    module, colon, attribute = path.partition(":")
    if not colon or not module or not attribute:
        raise UsageError(f"{name!r}: a function is named as `python:package.module:function`")
    directory = os.getcwd()
    sys.path.insert(0, directory)
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UnknownName(f"{name!r} cannot be imported: {reason}") from error
    finally:
        sys.path.remove(directory)
    if not callable(function):
        raise UsageError(f"{name!r} is not a function")
    modules = {module, getattr(function, "__module__", module)}
    return PythonFunctionJudge(name, function, _source_hash(modules))


def _source_hash(modules: Iterable[str]) -> str:
    """Hash the whole files, so that a change in a helper function counts as well."""
    files = {getattr(sys.modules.get(module), "__file__", None) for module in modules}
    paths = [Path(file) for file in sorted(filter(None, files))]
    sources = [path.read_bytes() for path in paths if path.is_file()]
    return hashlib.sha256(b"\0".join(sources)).hexdigest()[:12] if sources else ""
