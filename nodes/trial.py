"""Try an answer by a rule, in another process: one that hangs is ended, one that raises is told."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CODE = Path(__file__).with_name("tried.py")


@dataclass(frozen=True)
class Tried:
    """Whether the answer holds and why it does not; `usable` tells of the rule itself."""

    holds: bool
    why: str = ""
    usable: bool = True


async def tried(rule: dict[str, Any], text: str, question: str, seconds: float) -> Tried:
    """What the rule says of the answer, within so many seconds."""
    path = os.pathsep.join([os.getcwd(), *(folder for folder in sys.path if folder)])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", str(CODE)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": path},
        start_new_session=True,
    )
    told = json.dumps({"rule": rule, "text": text, "question": question}).encode()
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate(told)
        return Tried(**json.loads(said.splitlines()[-1]))
    except TimeoutError:
        return Tried(False, f"the check did not end within {seconds:g} s")
    except (IndexError, ValueError, TypeError):
        return Tried(False, f"the check ended without a verdict (exit code {process.returncode})")
    finally:
        await _ended(process)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End it together with what it has started."""
    if process.returncode is None:
        try:
            os.killpg(process.pid, 9)
        except ProcessLookupError:
            return
        await process.wait()
