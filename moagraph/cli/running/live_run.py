"""Run a recipe while its display shows it, and report how it ended."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence

from moagraph.api.ask import aask
from moagraph.api.default_recipe import choose_recipe
from moagraph.cli.render.live import Display, open_display
from moagraph.cli.render.output import out, say
from moagraph.cli.running.option_values import parse_pauses
from moagraph.cli.running.preflight import prepare
from moagraph.cli.running.trust import allow_run
from moagraph.graphs.recipe.load import load_recipe
from moagraph.nodes.messages.compose import check_question
from moagraph.nodes.policies.budget_report import exceeded_line
from moagraph.threads.history import Thread, open_thread
from moagraph.threads.open import Threads, open_threads
from moagraph.threads.result import Result

Run = Callable[[Threads, Display], Awaitable[Result]]


def pick_recipe(recipe: str | None) -> str:
    """The recipe's name; if none is given, the best that can run, with a line that says why."""
    if recipe:
        return recipe
    choice = choose_recipe()
    say(f"moa: recipe `{choice.recipe}`: {choice.why}")
    return choice.recipe


def new_turn(
    question: str,
    recipe: str,
    thread: str,
    system: str | None,
    pause_after: Sequence[str] = (),
    cache: bool = False,
    trust: bool = False,
) -> Run:
    """The run of one turn, preflight included.

    Args:
        question: The user's question.
        recipe: A recipe's name or file.
        thread: A new thread's name, or that of one to continue.
        system: A system message for all models.
        pause_after: The values of `--pause-after`.
        cache: Whether answers are taken from the answer cache.
        trust: Whether the user trusts an imported thread from now on.
    """

    async def run(threads: Threads, display: Display) -> Result:
        await allow_run(threads, thread, trust)
        loaded = load_recipe(recipe)
        await prepare(loaded)
        return await aask(
            check_question(question),
            recipe,
            system=system,
            thread=thread,
            threads=threads,
            pause_after=parse_pauses(pause_after, len(loaded.layers)),
            cache=cache,
            watch=display,
            trust=trust,
        )

    return run


async def open_prepared(threads: Threads, name: str, trust: bool) -> Thread:
    """Open a thread that may run, and do the preflight of its recipe."""
    await allow_run(threads, name, trust)
    thread = await open_thread(threads, name)
    await prepare(thread.recipe)
    return thread


def run_live(run: Run, as_json: bool, thread: str) -> Result:
    """Run under a display; Ctrl-C leaves a thread that can be resumed."""
    has_begun = False

    async def run_displayed() -> Result:
        nonlocal has_begun
        async with open_display(prints_answer=not as_json) as display:
            try:
                result = await run(threads, display)
            finally:
                has_begun = bool(display.rows)
            display.finish(result)
            return result

    with open_threads() as threads:
        try:
            return asyncio.run(run_displayed())
        except KeyboardInterrupt:
            advice = (
                f"`moa resume {thread}` goes on from here" if has_begun else "nothing was asked"
            )
            say(f"moa: stopped; {advice}")
            raise


def report(result: Result, as_json: bool) -> None:
    """Print what the display has not printed yet, and exit with 1 if the run failed."""
    if as_json:
        out(json.dumps(result.as_json(), ensure_ascii=False))
    for entry in result.over_budget:
        say(f"moa: {exceeded_line(entry)}")
    if result.status == "paused" and not as_json:
        say(f"moa: paused; `moa show {result.thread_id}` shows it, `moa resume {result.thread_id}`")
    if result.status == "failed":
        say(f"moa: {result.error}; `moa retry {result.thread_id}` asks again only what failed")
        sys.exit(1)
