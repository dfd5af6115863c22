"""What a long run needs before its first call: keys, and the embedded engine with its weights."""

from collections.abc import Sequence

from moagraph.cli.preflight import Progress
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.providers import check
from moagraph.nodes.state import Json, model_calls, widest_layer


async def stock(recipes: Sequence[Json], at_once: int) -> None:
    """Refuse a lacking key; fetch and load what the `local:` models need, with room for all."""
    asked = [call for recipe in recipes for call in model_calls(recipe)]
    for call in asked:
        told = {key: call[key] for key in call if key in Call.model_fields}
        check(Call.model_validate(told))
    slots = max([at_once, *map(widest_layer, recipes)])
    for provider, name in dict.fromkeys(split(call["model"]) for call in asked):
        if provider == "local":
            await _load(name, slots)


async def _load(name: str, slots: int) -> None:
    from moagraph.nodes.models.local.engine import endpoint

    progress = Progress(name)
    try:
        await endpoint(name, slots, progress)
    finally:
        progress.end()
