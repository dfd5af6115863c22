"""A function of one's own as a judge: `python:package.module:function`.

It is given one mapping with `id`, `turn`, `category`, `question`, `answer`, `reference`, `row`,
`system`, and the `baseline`'s answer where there is one, and returns a number, a bool, or None.
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

from moagraph.evals.judge import Case, Ruling, Trial, Verdict
from moagraph.nodes.errors import UnknownName, UsageError
from moagraph.nodes.state import Json

MOST = 1e100  # beyond it, sums and squares of scores are no longer finite


@dataclass(frozen=True)
class Python:
    """A function that scores an answer; what it raises is its verdict's text."""

    name: str
    function: Callable[[Json], Any]
    source: str  # a hash of the files that it stands in
    compares: bool = False
    method: str = "python"
    recipe: Json | None = None

    def trials(self, case: Case) -> Sequence[Trial]:
        """One; what is changed in the function's file judges anew."""
        told = {
            "id": case.item.id,
            "turn": case.turn,
            "category": case.item.category,
            "question": case.questions[-1],
            "answer": case.answers[-1],
            "reference": case.reference,
            "row": dict(case.item.row),
            "system": case.system,
            "baseline": case.against[-1] if case.against else None,
        }
        return [Trial(case, told, self.source)]

    async def rule(self, trial: Trial) -> Ruling:
        """Call it, away from the loop."""
        try:
            said = await to_thread(self.function, dict(trial.said))
            score = None if said is None else float(said)
        except (Exception, SystemExit) as error:  # whatever the function of a user raises
            return Ruling([Verdict(parsed=False)], f"{type(error).__name__}: {error}")
        if score is None or not abs(score) <= MOST:
            return Ruling([Verdict(parsed=False)], f"the function returned {said!r}")
        return Ruling([Verdict(score=score)])


def python(name: str, path: str) -> Python:
    """The function at `package.module:function`, also of a file in the working folder."""
    module, colon, attribute = path.partition(":")
    if not colon or not module or not attribute:
        raise UsageError(f"{name!r}: a function is named as `python:package.module:function`")
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a module of a user may raise whatever it likes
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise UnknownName(f"{name!r} cannot be imported: {told}") from error
    finally:
        sys.path.remove(here)
    if not callable(function):
        raise UsageError(f"{name!r} is no function")
    return Python(name, function, _source({module, getattr(function, "__module__", module)}))


def _source(modules: Iterable[str]) -> str:
    """A hash of their files, so that a function whose helper is mended is another one."""
    files = {getattr(sys.modules.get(module), "__file__", None) for module in modules}
    said = [Path(file).read_bytes() for file in sorted(filter(None, files)) if Path(file).is_file()]
    return hashlib.sha256(b"\0".join(said)).hexdigest()[:12] if said else ""
