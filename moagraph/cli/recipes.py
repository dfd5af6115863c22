"""`moa recipes`: the recipes that can be run, and what is in each."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from moagraph.cli.options import JsonOption
from moagraph.cli.render.output import out, say
from moagraph.nodes.errors import RecipeError

if TYPE_CHECKING:
    from moagraph.graphs.recipe.schema import Recipe
    from moagraph.nodes.state import Json
    from moagraph.threads.open import Threads

commands = typer.Typer(help="List the recipes, or show one.", invoke_without_command=True)


@commands.callback()
def recipes(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the recipes: those that ship and your own."""
    if context.invoked_subcommand is None:
        _list(as_json)


@commands.command("show")
def show(
    name: str,
    runs: Annotated[
        bool, typer.Option("--runs", help="What its gates have saved, over the kept threads.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show one recipe with every seat and default spelled out."""
    from moagraph.cli.render.recipe import recipe_lines
    from moagraph.graphs.recipe.load import load_recipe

    recipe = load_recipe(name)
    if runs:
        _show_runs(recipe.name, as_json)
    elif as_json:
        out(json.dumps(recipe.resolved(), ensure_ascii=False))
    else:
        out("\n".join(recipe_lines(recipe)))


def _list(as_json: bool) -> None:
    from moagraph.cli.render.recipe import recipe_list, recipe_summary
    from moagraph.graphs.recipe.load import recipe_names

    recipes = [recipe for name in recipe_names() if (recipe := _load_or_report(name))]
    if as_json:
        out(json.dumps([recipe_summary(recipe) for recipe in recipes], ensure_ascii=False))
        return
    for line in recipe_list(recipes):
        out(line)


def _load_or_report(name: str) -> "Recipe | None":
    """The recipe; one that cannot be read is reported, and the others are listed."""
    from moagraph.graphs.recipe.load import load_recipe

    try:
        return load_recipe(name)
    except RecipeError as error:
        say(f"moa: {error}")
        return None


def _show_runs(recipe: str, as_json: bool) -> None:
    """How far the stored turns of the recipe went, and what its gates saved."""
    import asyncio

    from moagraph.cli.render.recipe import savings_lines
    from moagraph.threads.answered_turns import kept_turns
    from moagraph.threads.gate_savings import runs
    from moagraph.threads.open import open_threads

    async def load_turns(threads: "Threads") -> "list[Json]":
        turns = [turn async for turn in kept_turns(threads)]
        return [turn for turn in turns if turn["recipe"]["name"] == recipe]

    with open_threads() as threads:
        savings = runs(recipe, asyncio.run(load_turns(threads)))
    if as_json:
        out(json.dumps(savings.as_json(), ensure_ascii=False))
    else:
        out("\n".join(savings_lines(recipe, savings)))
