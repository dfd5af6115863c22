"""`moa resume`: continue after a pause, a crash or Ctrl-C."""

from typing import TYPE_CHECKING, Annotated

import typer

from moagraph.cli.options import DropOption, EditOption, JsonOption, ThreadArgument, TrustOption

if TYPE_CHECKING:
    from moagraph.cli.render.live import Display
    from moagraph.threads.open import Threads
    from moagraph.threads.result import Result


def resume(
    thread: ThreadArgument,
    edit: EditOption = [],  # noqa: B006 (typer copies it)
    drop: DropOption = [],  # noqa: B006
    add: Annotated[
        list[str], typer.Option("--add", metavar="TEXT|@FILE", help="Add an answer of your own.")
    ] = [],  # noqa: B006
    pin: Annotated[
        list[str], typer.Option("--pin", metavar="L.S", help="No step may leave it out.")
    ] = [],  # noqa: B006
    abort: Annotated[bool, typer.Option("--abort", help="Stop the run here.")] = False,
    trust: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Go on after a pause, a crash or Ctrl-C."""
    from moagraph.api.resume import aresume
    from moagraph.cli.running.live_run import report, run_live
    from moagraph.cli.running.option_values import ReviewOptions, parse_review
    from moagraph.cli.running.preflight import prepare
    from moagraph.cli.running.review import ask_for_review
    from moagraph.cli.running.trust import allow_run
    from moagraph.threads.history import open_thread

    options = ReviewOptions(edit, drop, add, pin, abort)

    async def run(threads: "Threads", display: "Display") -> "Result":
        await allow_run(threads, thread, trust)
        opened_thread = await open_thread(threads, thread)
        interrupts = opened_thread.state.interrupts
        review = parse_review(opened_thread, options) if options else None
        if interrupts and not options:
            review = ask_for_review(interrupts[0].value)
        await prepare(opened_thread.recipe)
        return await aresume(thread, threads, review, display)

    report(run_live(run, as_json, thread), as_json)
