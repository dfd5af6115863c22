"""Recipes in the terminal: the list, one recipe in full, and what its gates saved."""

from collections.abc import Iterator, Mapping, Sequence

from moagraph.cli.render.rows import counted
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes import node_names
from moagraph.nodes.models.call import Sampling
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.base import Step
from moagraph.threads.gate_savings import Runs

PRINTED_SETTINGS = (
    *("temperature", "top_p", "max_tokens", "context_window", "seed", "base_url"),
    *("reasoning_effort", "fence", "anonymise", "shuffle"),
    *("name", "by", "otherwise"),
)


def recipe_list(recipes: Sequence[Recipe]) -> Iterator[str]:
    """One line for each recipe."""
    width = max((len(recipe.name) for recipe in recipes), default=0)
    for recipe in recipes:
        yield f"{recipe.name:<{width}}  {max_calls(recipe):>3} calls  {recipe.about}"


def recipe_summary(recipe: Recipe) -> Json:
    """The recipe's entry in `moa recipes --json`."""
    return {
        "name": recipe.name,
        "about": recipe.about,
        "layers": len(recipe.layers),
        "calls": max_calls(recipe),
        "models": recipe.models,
    }


def recipe_lines(recipe: Recipe) -> Iterator[str]:
    """The recipe with every seat, step and default."""
    yield f"{recipe.name}: {recipe.about}"
    yield from _step_lines("ahead of the layers", recipe.before)
    for number, layer in enumerate(recipe.layers, 1):
        yield f"layer {number}: {len(layer.proposers)} seats, quorum {layer.quorum}"
        for seat, _, proposer in node_names.seats(number, layer.proposers):
            yield f"  {number}.{seat} {proposer.model}{_settings_text(proposer.model_dump())}"
        yield from _step_lines("", layer.aggregate)
    yield from _step_lines("behind the layers", recipe.after)


def savings_lines(recipe: str, savings: Runs) -> Iterator[str]:
    """How far the stored turns of a recipe went, and what that cost beside simpler ways."""
    yield f"{recipe}: {counted(savings.turns, 'kept turn')}"
    if not savings.turns:
        return
    for stage in savings.stages:
        calls = "" if stage.calls is None else f", {stage.calls:.1f} calls each"
        yield f"  layer {stage.layer}: {stage.reached} came to it, {stage.ended} ended there{calls}"
    yield f"  escalated beyond layer 1: {savings.escalated:.0%}"
    yield f"  took {_amount_text(savings.took)}"
    yield f"  through all layers every time: {_amount_text(savings.every)}"
    yield f"  the last layer alone every time: {_amount_text(savings.last)}"


def _step_lines(title: str, steps: Sequence[Step]) -> Iterator[str]:
    """Each step with its settings, and the judges that it asks."""
    if steps and title:
        yield title
    for step in steps:
        settings = step.model_dump()
        # A step without a model of its own has sampling settings too, but they have no effect.
        ignored = set() if settings.get("model") else set(Sampling.model_fields)
        effective = {key: value for key, value in settings.items() if key not in ignored}
        head = f"  {settings['step']} {settings.get('model') or ''}".rstrip()
        yield head + _settings_text(effective)
        for judge in settings.get("judges", ()):
            yield f"    asks {judge['model']}{_settings_text(judge)}"


def _settings_text(settings: Mapping[str, object]) -> str:
    printed = [f"{k} {settings[k]}" for k in PRINTED_SETTINGS if settings.get(k) is not None]
    return f" ({', '.join(printed)})" if printed else ""


def _amount_text(amount: Json | None) -> str:
    if amount is None:
        return "unknown: no turn has come to the last layer"
    price = "price unknown" if amount["cost_usd"] is None else f"${amount['cost_usd']:.4f}"
    return f"{amount['calls']:g} calls, {price}"
