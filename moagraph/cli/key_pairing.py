"""Ask a person, once, whether a key may be sent to a server that no known provider owns."""

import os
import sys

from moagraph.cli.render.output import say
from moagraph.graphs.recipe.calls import every_call
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.key_addresses import FILE, address_of, can_be_paired, remember
from moagraph.nodes.models.providers import destination, key_variable


def ask_for_pairings(recipe: Recipe) -> None:
    """Ask about each key of the recipe without an address; without a terminal, ask nothing."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    for call in every_call(recipe):
        variable, where = _unpaired(call)
        if not variable or not where:
            continue
        if not _confirms(variable, where):
            return  # the check that follows refuses the call, and says why
        remember(variable, where)
        say(f"moa: remembered in {FILE} in the data folder")


def _unpaired(call: Call) -> tuple[str | None, str | None]:
    """The call's variable and its address, where a person may pair the two."""
    variable, _ = key_variable(call)
    where = destination(call)
    if not variable or not where or not os.environ.get(variable, "").strip():
        return None, None
    return (variable, where) if can_be_paired(variable, where) else (None, None)


def _confirms(variable: str, where: str) -> bool:
    sys.stderr.write(f"moa: may the key in {variable} be sent to {address_of(where)}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
