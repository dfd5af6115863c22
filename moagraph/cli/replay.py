"""`moa replay`: keep a layer's answers, with changes, and run everything after it in a fork."""

from typing import TYPE_CHECKING, Annotated

import typer

from moagraph.cli.options import DropOption, EditOption, JsonOption, ThreadArgument, TrustOption

if TYPE_CHECKING:
    from moagraph.cli.render.live import Display
    from moagraph.threads.open import Threads
    from moagraph.threads.result import Result


def replay(
    thread: ThreadArgument,
    from_layer: Annotated[
        int | None,
        typer.Option("--from-layer", metavar="N", help="Its answers stand; default: the last."),
    ] = None,
    edit: EditOption = [],  # noqa: B006 (typer copies it)
    drop: DropOption = [],  # noqa: B006
    again: Annotated[
        list[str], typer.Option("--again", metavar="L.S", help="Ask a seat anew.")
    ] = [],  # noqa: B006
    settings: Annotated[
        list[str],
        typer.Option(
            "--set", metavar="PATH=VALUE", help="Change the recipe: layers.2.aggregate.model=…"
        ),
    ] = [],  # noqa: B006
    trust: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run everything behind a layer anew, in a fork."""
    from moagraph.api.resume import areplay
    from moagraph.cli.running.live_run import open_prepared, report, run_live
    from moagraph.cli.running.option_values import parse_edits, parse_settings

    new_texts, new_settings = parse_edits(edit), parse_settings(settings)

    async def run(threads: "Threads", display: "Display") -> "Result":
        await open_prepared(threads, thread, trust)
        return await areplay(
            thread,
            threads,
            from_layer=from_layer,
            edit=new_texts,
            drop=drop,
            again=again,
            put=new_settings,
            watch=display,
        )

    report(run_live(run, as_json, thread), as_json)
