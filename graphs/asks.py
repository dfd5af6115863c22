"""How often a turn asks a model at most, where nothing fails: recipes inside included."""

from collections import Counter
from typing import TYPE_CHECKING

from nodes.chat.address import split
from nodes.errors import MoaError
from nodes.state import Json, calls

if TYPE_CHECKING:
    from graphs.recipe import Recipe


def asks(recipe: "Recipe", outside: tuple[str, ...] = ()) -> int:
    """All calls; of seats among which a router chooses, those of the dearest name."""
    said = recipe.resolved()
    routed = any("otherwise" in step for step in said["before"])
    first = said["layers"][0]["proposers"]
    chosen = [seat for seat in first if routed and "name" in seat]
    named: Counter[str] = Counter()
    for seat in chosen:
        named[seat["name"]] += _calls(seat, outside)
    every = sum(_calls(call, outside) for call in calls(said))
    return every - named.total() + max(named.values(), default=0)


def _calls(call: Json, outside: tuple[str, ...]) -> int:
    """The call itself, or those of the recipe that sits there; one inside itself is refused."""
    times = int(call.get("asks", 1))
    provider, name = split(call["model"])
    if provider != "moa" or name in outside:
        return times
    from graphs.load import load_recipe

    try:
        return times * asks(load_recipe(name), (*outside, name))
    except MoaError:  # it is told when the recipe is run
        return times
