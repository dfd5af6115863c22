"""`moa route fit`: learn which of a recipe's seats a question needs."""

import asyncio
import json
from collections.abc import Sequence

from moagraph.cli.render.output import out, say
from moagraph.graphs.recipe.load import load_recipe
from moagraph.nodes.step_support.learned_route import keep
from moagraph.routing.fitting import (
    ScoredRoute,
    fit_router,
    learned_routes,
    read_rows,
    rows_from_turns,
)
from moagraph.threads.answered_turns import kept_turns
from moagraph.threads.open import open_threads


def fit(name: str, files: Sequence[str], as_json: bool) -> None:
    """Fit the recipe's route, keep it, and say what it is worth."""
    recipe = load_recipe(name)
    names, slack = learned_routes(recipe)
    own = _from_threads(names)
    rows = own + [row for file in files for row in read_rows(file, names)]
    router, worth = fit_router(rows, names, slack)
    file = keep(recipe.name, router)
    if as_json:
        told = {"recipe": recipe.name, "routes": names, "rows": len(rows), **worth.as_json()}
        out(json.dumps(told, ensure_ascii=False))
        return
    out(f"{recipe.name}: {len(rows)} rows ({len(own)} from kept cascades), {', '.join(names)}")
    out(f"on {worth.questions} questions, each routed by what the others taught:")
    out(f"  learned          {worth.learned:.3f}, {worth.share:.0%} of them to `{names[-1]}`")
    out(f"  always {names[-1]:<9} {worth.dearest:.3f}")
    out(f"  always {names[0]:<9} {worth.cheapest:.3f}")
    out(f"  by chance        {worth.mix:.3f}, as many of them to `{names[-1]}`")
    if worth.learned <= worth.mix:
        out("it is no better than chance at the same share: more rows, or another route")
    say(f"moa: kept in {file}")


def _from_threads(names: Sequence[str]) -> list[ScoredRoute]:
    with open_threads() as threads:

        async def read() -> list[ScoredRoute]:
            return rows_from_turns([turn async for turn in kept_turns(threads)], names)

        return asyncio.run(read())
