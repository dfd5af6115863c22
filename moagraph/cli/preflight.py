"""Before the first call: what is refused at once, and what takes long, shown as it goes."""

import sys
import time
from typing import Self

from moagraph.cli.key_pairing import ask_for_pairings
from moagraph.cli.render.output import say
from moagraph.cli.render.terminal_lines import room
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.providers import check
from moagraph.nodes.state import model_calls, widest_layer


async def prepare(recipe: Recipe) -> None:
    """Refuse a lacking key; fetch and load what the recipe's `local:` models need."""
    ask_for_pairings(recipe)
    for call in asked(recipe):
        check(call)
    for provider, name in map(split, recipe.models):
        if provider == "local":
            from moagraph.nodes.models.local.engine import endpoint

            progress = Progress(name)
            try:
                await endpoint(name, widest_layer(recipe.resolved()), progress)
            finally:
                progress.end()


def asked(recipe: Recipe) -> list[Call]:
    """Every call of the recipe, as the door to models takes it."""
    known = Call.model_fields
    return [
        Call.model_validate({key: said[key] for key in said if key in known})
        for said in model_calls(recipe.resolved())
    ]


class Progress:
    """How much of the weights is here: a line in place on a terminal, else one every 5 s."""

    def __init__(self, name: str) -> None:
        """Nothing is shown before the first bytes."""
        self.name, self.told, self.every = name, 0.0, 0.2 if sys.stderr.isatty() else 5.0
        self.open = False

    def __enter__(self) -> Self:
        """Ready to be told."""
        return self

    def __exit__(self, *_: object) -> None:
        """What comes next begins a line."""
        if self.open:
            sys.stderr.write("\n")
        self.open = False

    def __call__(self, done: int, total: int) -> None:
        """Tell of the bytes so far, not too often."""
        now = time.monotonic()
        if now - self.told < self.every and done < total:
            return
        self.told = now
        text = f"moa: fetching local:{self.name}, {done / 1e6:.0f} of {total / 1e6:.0f} MB"
        if not sys.stderr.isatty():
            say(text)
            return
        longest = max(0, min(30, room()[0] - len(text) - 2))
        bar = "━" * int(longest * done / total)
        sys.stderr.write(f"\r{text} {bar:<{longest}}")
        sys.stderr.flush()
        self.open = True

    def end(self) -> None:
        """Leave the bar's line, so that what follows has one of its own."""
        if self.open:
            sys.stderr.write("\n")
            sys.stderr.flush()
