"""`moa cache`: what is kept of answers that were paid for, and forgetting it."""

import json

from moagraph.cli.screen import out, say
from nodes.chat import cache
from nodes.folder import data_folder


def told(as_json: bool) -> None:
    """How many answers are kept, their bytes, and where."""
    answers, size = cache.size()
    file = str(data_folder() / "cache.sqlite")
    if as_json:
        out(json.dumps({"file": file, "answers": answers, "bytes": size}))
        return
    out(f"{answers} answers, {size / 1000:.1f} kB, in {file}")


def clear() -> None:
    """Forget every answer."""
    say(f"moa: {cache.clear()} answers forgotten")
