"""`moa ask` and `moa chat`: a question in, a watched run, an answer out."""

import asyncio
import json
import sys

from langgraph.checkpoint.base import BaseCheckpointSaver

from graphs.build import build
from graphs.load import load_recipe
from graphs.recipe import Recipe
from moagraph.choose import choose
from moagraph.cli.display import watcher
from moagraph.cli.screen import clean, out, say
from moagraph.result import Result
from moagraph.run import run
from moagraph.threads import open_threads
from moagraph.turn import messages_of, new_thread
from nodes.conversation import checked
from nodes.errors import UsageError


def ask(
    question: str, recipe: str | None, thread: str | None, system: str | None, as_json: bool
) -> None:
    """Answer one question, by a named recipe or the best that can run."""
    asked = checked(_read_stdin() if question == "-" else question)
    chosen = pick(recipe)
    with open_threads() as threads:
        came = asyncio.run(_turn(chosen, asked, thread or new_thread(), system, threads, as_json))
    conclude(came, as_json)


def chat(recipe: str | None, thread: str | None, system: str | None) -> None:
    """Ask again and again on one thread."""
    chosen, name = pick(recipe), thread or new_thread()
    say(f"thread {name}; Ctrl-D ends")
    with open_threads() as threads:
        while (question := _next_line()) is not None:
            if question.strip():
                asyncio.run(_turn(chosen, checked(question), name, system, threads, False))
                system = None


def pick(recipe: str | None) -> Recipe:
    """The recipe, and a line that says which and why where none was named."""
    if recipe:
        return load_recipe(recipe)
    choice = choose()
    say(f"moa: recipe `{choice.recipe}`: {choice.why}")
    return load_recipe(choice.recipe)


def conclude(came: Result, as_json: bool) -> None:
    """Print what is still to be said, and exit as the run ended."""
    if as_json:
        out(json.dumps(came.as_json(), ensure_ascii=False))
    if came.status == "failed":
        say(f"moa: {came.error}; `moa retry {came.thread_id}` asks again only what failed")
        sys.exit(1)


async def _turn(
    recipe: Recipe,
    question: str,
    thread: str,
    system: str | None,
    threads: BaseCheckpointSaver[str],
    as_json: bool,
) -> Result:
    graph = build(recipe).compile(checkpointer=threads)
    with watcher(answers=not as_json) as watch:
        given = {"messages": messages_of(question, system)}
        came = await run(graph, recipe, given, {"configurable": {"thread_id": thread}}, watch)
        watch.ended(came)
    return came


def _read_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"standard input is not UTF-8 (byte {error.start}): convert it first, "
            "for example with `iconv -t UTF-8`"
        ) from error


def _next_line() -> str | None:
    if sys.stdin.isatty():
        sys.stderr.write("> ")
        sys.stderr.flush()
    line = sys.stdin.buffer.readline()
    return clean(line.decode("utf-8", "replace")) if line else None
