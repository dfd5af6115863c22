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
        variable, url = _unpaired(call)
        if not variable or not url:
            continue
        if not _confirm(variable, url):
            return  # the check that follows refuses the call, and says why
        remember(variable, url)
        say(f"moa: remembered in {FILE} in the data folder")


def _unpaired(call: Call) -> tuple[str | None, str | None]:
    """The variable of the call's key and the URL it goes to, if a person may pair the two."""
    variable, _ = key_variable(call)
    url = destination(call)
    if not variable or not url or not os.environ.get(variable, "").strip():
        return None, None
    return (variable, url) if can_be_paired(variable, url) else (None, None)


def _confirm(variable: str, url: str) -> bool:
    sys.stderr.write(f"moa: may the key in {variable} be sent to {address_of(url)}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
