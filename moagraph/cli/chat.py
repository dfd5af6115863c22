"""`moa chat`: ask again and again on one thread."""

import sys

from moagraph.cli.options import RecipeOption, SystemOption, ThreadOption, TrustOption
from moagraph.cli.render.output import say
from moagraph.nodes.texts.printable import clean


def chat(
    recipe: RecipeOption = None,
    thread: ThreadOption = None,
    system: SystemOption = None,
    trust: TrustOption = False,
) -> None:
    """Keep a conversation; end it with Ctrl-D."""
    from moagraph.api.ask import new_thread
    from moagraph.cli.running.live_run import new_turn, pick_recipe, run_live

    name, thread_id = pick_recipe(recipe), thread or new_thread()
    say(f"moa: thread {thread_id}; Ctrl-D ends")
    while (question := _read_question()) is not None:
        if question.strip():
            run = new_turn(question, name, thread_id, system, trust=trust)
            result = run_live(run, False, thread_id)
            system = None  # only the first turn of a thread takes one
            if result.status == "failed":  # the conversation stays open
                say(f"moa: {result.error}")


def _read_question() -> str | None:
    """The next line of input; None at its end."""
    if sys.stdin.isatty():
        sys.stderr.write("> ")
        sys.stderr.flush()
    line = sys.stdin.buffer.readline()
    return clean(line.decode("utf-8", "replace")).rstrip("\r\n") if line else None
