"""`moa cache`: what is kept of answers that were paid for, and forgetting it."""

import json

from moagraph.cli.render.output import out, say
from moagraph.nodes.storage import answer_cache
from moagraph.nodes.storage.data_dir import data_folder


def told(as_json: bool) -> None:
    """How many answers are kept, their bytes, and where."""
    answers, size = answer_cache.size()
    file = str(data_folder() / "cache.sqlite")
    if as_json:
        out(json.dumps({"file": file, "answers": answers, "bytes": size}))
        return
    out(f"{answers} answers, {size / 1000:.1f} kB, in {file}")


def clear() -> None:
    """Forget every answer."""
    say(f"moa: {answer_cache.clear()} answers forgotten")
