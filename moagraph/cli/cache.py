"""`moa cache`: the size of the answer cache, and clearing it."""

import json

import typer

from moagraph.cli.options import JsonOption
from moagraph.cli.render.output import out, say

commands = typer.Typer(
    help="Tell what the cache of `moa ask --cache` holds, or clear it.", invoke_without_command=True
)


@commands.callback()
def cache(context: typer.Context, as_json: JsonOption = False) -> None:
    """Tell how many answers are kept, and where."""
    if context.invoked_subcommand is None:
        _print_size(as_json)


@commands.command("clear")
def clear() -> None:
    """Forget every answer."""
    from moagraph.nodes.storage import answer_cache

    say(f"moa: {answer_cache.clear()} answers forgotten")


def _print_size(as_json: bool) -> None:
    from moagraph.nodes.storage import answer_cache
    from moagraph.nodes.storage.data_dir import data_folder

    answers, size = answer_cache.size()
    file = str(data_folder() / "cache.sqlite")
    if as_json:
        out(json.dumps({"file": file, "answers": answers, "bytes": size}))
        return
    out(f"{answers} answers, {size / 1000:.1f} kB, in {file}")
