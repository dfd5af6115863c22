"""`moa graph`: draw a recipe's graph."""

import sys
from typing import Annotated

import typer

from moagraph.cli.options import RecipeOption
from moagraph.cli.render.output import out
from moagraph.nodes.errors import MissingExtra, UsageError


def graph(
    recipe: RecipeOption = None,
    form: Annotated[str, typer.Option("--format", help="mermaid, or png.")] = "mermaid",
) -> None:
    """Draw a recipe's graph."""
    if form not in ("mermaid", "png"):
        raise UsageError(f"--format {form!r}: there are mermaid and png")
    from moagraph.api.default_recipe import choose_recipe
    from moagraph.graphs.compile.build import build
    from moagraph.graphs.recipe.load import load_recipe

    drawable = build(load_recipe(recipe or choose_recipe().recipe)).compile().get_graph()
    if form == "mermaid":
        out(drawable.draw_mermaid())
        return
    if sys.stdout.isatty():
        raise UsageError("a PNG is not for a terminal: `moa graph --format png > graph.png`")
    try:
        sys.stdout.buffer.write(drawable.draw_png(None) or b"")
    except ImportError as error:
        raise MissingExtra(
            "drawing a PNG needs pygraphviz: `apt install graphviz libgraphviz-dev` and "
            "`pip install 'moagraph[png]'` (or `--format mermaid`)"
        ) from error
