"""`moa recipes` and `moa graph`: what can be run, and how it is drawn."""

import asyncio
import json
import sys
from collections.abc import Sequence

from moagraph.api.default_recipe import choose
from moagraph.cli.render.output import out, say
from moagraph.cli.render.rows import counted
from moagraph.graphs.compile.build import build
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import load_recipe, recipe_names
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes import node_names
from moagraph.nodes.errors import MissingExtra, RecipeError, UsageError
from moagraph.nodes.models.call import Sampling
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.base import Step
from moagraph.threads.answered_turns import kept_turns
from moagraph.threads.gate_savings import runs
from moagraph.threads.open import Threads, open_threads


def listing(as_json: bool) -> None:
    """Every recipe with what it is about; one that cannot be read is named, and not hidden."""
    found = [_load(name) for name in recipe_names()]
    recipes = [recipe for recipe in found if recipe]
    if as_json:
        out(json.dumps([_summary(recipe) for recipe in recipes], ensure_ascii=False))
        return
    width = max(len(recipe.name) for recipe in recipes)
    for recipe in recipes:
        out(f"{recipe.name:<{width}}  {max_calls(recipe):>3} calls  {recipe.about}")


def show(name: str, as_json: bool) -> None:
    """One recipe, resolved."""
    recipe = load_recipe(name)
    if as_json:
        out(json.dumps(recipe.resolved(), ensure_ascii=False))
        return
    out(f"{recipe.name}: {recipe.about}")
    _steps("ahead of the layers", recipe.before)
    for number, layer in enumerate(recipe.layers, 1):
        out(f"layer {number}: {len(layer.proposers)} seats, quorum {layer.quorum}")
        for seat, _, said in node_names.seats(number, layer.proposers):
            out(f"  {number}.{seat} {said.model}{_settings(said.model_dump())}")
        _steps("", layer.aggregate)
    _steps("behind the layers", recipe.after)


def _steps(title: str, steps: Sequence[Step]) -> None:
    """Each step, and the judges that it asks."""
    if steps and title:
        out(title)
    for step in steps:
        told = step.model_dump()
        unasked = set(Sampling.model_fields) if not told.get("model") else set()
        said = {key: value for key, value in told.items() if key not in unasked}
        out(f"  {told['step']} {told.get('model') or ''}".rstrip() + _settings(said))
        for judge in told.get("judges", ()):
            out(f"    asks {judge['model']}{_settings(judge)}")


def show_runs(name: str, as_json: bool) -> None:
    """How far the kept turns of the recipe went, and what that saved."""

    async def read(threads: Threads) -> list[Json]:
        every = [turn async for turn in kept_turns(threads)]
        return [turn for turn in every if turn["recipe"]["name"] == called]

    called = load_recipe(name).name
    with open_threads() as threads:
        found = runs(called, asyncio.run(read(threads)))
    if as_json:
        out(json.dumps(found.as_json(), ensure_ascii=False))
        return
    out(f"{called}: {counted(found.turns, 'kept turn')}")
    if not found.turns:
        return
    for stage in found.stages:
        each = "" if stage.calls is None else f", {stage.calls:.1f} calls each"
        out(f"  layer {stage.layer}: {stage.reached} came to it, {stage.ended} ended there{each}")
    out(f"  escalated beyond layer 1: {found.escalated:.0%}")
    out(f"  took {_amount(found.took)}")
    out(f"  through all layers every time: {_amount(found.every)}")
    out(f"  the last layer alone every time: {_amount(found.last)}")


def _amount(took: Json | None) -> str:
    if took is None:
        return "unknown: no turn has come to the last layer"
    price = "price unknown" if took["cost_usd"] is None else f"${took['cost_usd']:.4f}"
    return f"{took['calls']:g} calls, {price}"


def draw(name: str | None, form: str) -> None:
    """The graph as mermaid text, or as a PNG on standard output."""
    if form not in ("mermaid", "png"):
        raise UsageError(f"--format {form!r}: there are mermaid and png")
    graph = build(load_recipe(name or choose().recipe)).compile().get_graph()
    if form == "mermaid":
        out(graph.draw_mermaid())
        return
    if sys.stdout.isatty():
        raise UsageError("a PNG is not for a terminal: `moa graph --format png > graph.png`")
    try:
        sys.stdout.buffer.write(graph.draw_png(None) or b"")
    except ImportError as error:
        raise MissingExtra(
            "drawing a PNG needs pygraphviz: `apt install graphviz libgraphviz-dev` and "
            "`pip install 'moagraph[png]'` (or `--format mermaid`)"
        ) from error


def _load(name: str) -> Recipe | None:
    try:
        return load_recipe(name)
    except RecipeError as error:
        say(f"moa: {error}")
        return None


def _summary(recipe: Recipe) -> dict[str, object]:
    return {
        "name": recipe.name,
        "about": recipe.about,
        "layers": len(recipe.layers),
        "calls": max_calls(recipe),
        "models": recipe.models,
    }


def _settings(said: dict[str, object]) -> str:
    shown = (
        *("temperature", "top_p", "max_tokens", "context_window", "seed", "base_url"),
        *("reasoning_effort", "fence", "anonymise", "shuffle"),
        *("name", "by", "otherwise"),
    )
    told = [f"{key} {said[key]}" for key in shown if said.get(key) is not None]
    return f" ({', '.join(told)})" if told else ""
