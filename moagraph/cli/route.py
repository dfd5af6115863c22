"""`moa route`: learn which of a recipe's seats a question needs."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from moagraph.cli.options import JsonOption
from moagraph.cli.render.output import out, say

if TYPE_CHECKING:
    from moagraph.routing.fitting import RouterEvaluation, ScoredRoute

commands = typer.Typer(help="Learn a recipe's route from what was answered before.")


@commands.callback()
def route() -> None:
    """Learn a recipe's route from what was answered before."""


@commands.command("fit")
def fit(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="One that routes by `learned`.")],
    files: Annotated[
        list[str],
        typer.Option("--from", metavar="FILE", help="JSON lines: question, route and score."),
    ] = [],  # noqa: B006 (typer copies it)
    as_json: JsonOption = False,
) -> None:
    """Fit its route on the kept turns of cascades and on scored results, and say its worth."""
    from moagraph.graphs.recipe.load import load_recipe
    from moagraph.nodes.step_support.learned_route import keep
    from moagraph.routing.fitting import fit_router, learned_routes, read_rows

    loaded = load_recipe(recipe)
    routes, slack = learned_routes(loaded)
    cascade_rows = _read_cascades(routes)
    rows = cascade_rows + [row for file in files for row in read_rows(file, routes)]
    router, evaluation = fit_router(rows, routes, slack)
    file = keep(loaded.name, router)
    if as_json:
        summary = {"recipe": loaded.name, "routes": routes, "rows": len(rows)}
        out(json.dumps(summary | evaluation.as_json(), ensure_ascii=False))
        return
    sources = f"{len(rows)} rows ({len(cascade_rows)} from kept cascades), {', '.join(routes)}"
    out(f"{loaded.name}: {sources}")
    for line in _evaluation_lines(evaluation, routes):
        out(line)
    say(f"moa: kept in {file}")


def _read_cascades(routes: Sequence[str]) -> "list[ScoredRoute]":
    """The rows that the stored turns of cascades give."""
    import asyncio

    from moagraph.routing.fitting import rows_from_turns
    from moagraph.threads.answered_turns import kept_turns
    from moagraph.threads.open import open_threads

    with open_threads() as threads:

        async def load_rows() -> "list[ScoredRoute]":
            return rows_from_turns([turn async for turn in kept_turns(threads)], routes)

        return asyncio.run(load_rows())


def _evaluation_lines(evaluation: "RouterEvaluation", routes: Sequence[str]) -> Iterator[str]:
    cheapest, dearest = routes[0], routes[-1]
    yield f"on {evaluation.questions} questions, each routed by what the others taught:"
    share = f"{evaluation.share:.0%} of them to `{dearest}`"
    yield f"  learned          {evaluation.learned:.3f}, {share}"
    yield f"  always {dearest:<9} {evaluation.dearest:.3f}"
    yield f"  always {cheapest:<9} {evaluation.cheapest:.3f}"
    yield f"  by chance        {evaluation.mix:.3f}, as many of them to `{dearest}`"
    if evaluation.learned <= evaluation.mix:
        yield "it is no better than chance at the same share: more rows, or another route"
