"""`moa ask`: answer one question, by a named recipe or the best that can run."""

import sys
from typing import Annotated

import typer

from moagraph.cli.options import JsonOption, RecipeOption, SystemOption, ThreadOption, TrustOption
from moagraph.cli.render.output import out, say
from moagraph.nodes.errors import UsageError


def ask(
    question: Annotated[
        str,
        typer.Argument(metavar="QUESTION", help="The question; `-` reads it from standard input."),
    ],
    recipe: RecipeOption = None,
    thread: ThreadOption = None,
    pause_after: Annotated[
        list[str], typer.Option("--pause-after", metavar="N|all", help="Stop behind a layer.")
    ] = [],  # noqa: B006 (typer copies it)
    system: SystemOption = None,
    cache: Annotated[
        bool, typer.Option("--cache", help="What was asked before is not asked again.")
    ] = False,
    only_estimate: Annotated[
        bool, typer.Option("--estimate", help="Say what it would cost at most, and ask nobody.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say why each gate and router decided so.")
    ] = False,
    trust: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Ask one question."""
    from moagraph.api.ask import new_thread
    from moagraph.cli.running.live_run import new_turn, pick_recipe, report, run_live
    from moagraph.nodes.messages.compose import check_question

    text = check_question(_read_stdin() if question == "-" else question)
    name = pick_recipe(recipe)
    if only_estimate:
        _print_estimate(text, name, system, as_json)
        return
    thread_id = thread or new_thread()
    run = new_turn(text, name, thread_id, system, pause_after, cache, trust)
    result = run_live(run, as_json, thread_id)
    if explain:
        _explain(result.steps)
    report(result, as_json)


def _print_estimate(question: str, recipe: str, system: str | None, as_json: bool) -> None:
    """Print the most that a question can take; no model is called."""
    import asyncio
    import json

    from moagraph.api.estimate import estimate_turn
    from moagraph.graphs.recipe.load import load_recipe

    estimate = asyncio.run(estimate_turn(question, load_recipe(recipe), system))
    if as_json:
        out(json.dumps(estimate, ensure_ascii=False))
        return
    cost, unpriced = estimate["cost_usd"], ", ".join(estimate["unpriced"])
    price = f"unknown: no price for {unpriced}" if cost is None else f"${cost:.4f}"
    calls, tokens = estimate["calls"], estimate["tokens"]
    out(f"{estimate['recipe']}: {calls} calls, {tokens:,} tokens at most, {price}")
    say(f"moa: {estimate['note']}")


def _explain(steps: list[dict[str, object]]) -> None:
    from moagraph.cli.render.text import verdict_text

    for step in steps:
        if "why" in step:
            say(f"moa: {step['node']} {verdict_text(step)}")


def _read_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"standard input is not UTF-8 (byte {error.start}): convert it first, "
            "for example with `iconv -t UTF-8`"
        ) from error
