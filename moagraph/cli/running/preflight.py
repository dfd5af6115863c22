"""Before the first call: refuse what cannot work, then fetch and load local models."""

from collections.abc import Sequence

from moagraph.cli.render.download import DownloadProgress
from moagraph.cli.running.key_pairing import ask_for_pairings
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.models.address import split
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.providers import check
from moagraph.nodes.state import Json, model_calls, widest_layer


async def prepare(recipe: Recipe) -> None:
    """Ask about unpaired keys, refuse a missing one, and load the `local:` models."""
    ask_for_pairings(recipe)
    await prepare_all([recipe.resolved()])


async def prepare_all(recipes: Sequence[Json], concurrency: int = 1) -> None:
    """Do the same for several recipes, before a long run.

    Args:
        recipes: Resolved recipes.
        concurrency: How many questions run at once; the local engine gets as many slots.
    """
    calls = [call for recipe in recipes for call in parse_calls(recipe)]
    for call in calls:
        check(call)
    slots = max([concurrency, *map(widest_layer, recipes)])
    for provider, model in dict.fromkeys(split(call.model) for call in calls):
        if provider == "local":
            await _load_local(model, slots)


def parse_calls(recipe: Json) -> list[Call]:
    """Every model call of a resolved recipe, in the form that providers take."""
    fields = Call.model_fields
    return [
        Call.model_validate({key: value for key, value in call.items() if key in fields})
        for call in model_calls(recipe)
    ]


async def _load_local(model: str, slots: int) -> None:
    from moagraph.nodes.models.local.engine import endpoint

    progress = DownloadProgress(model)
    try:
        await endpoint(model, slots, progress)
    finally:
        progress.end()
