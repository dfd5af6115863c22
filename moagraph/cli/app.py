"""The commands and their words; each imports what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from moagraph.cli.eval import evals
from moagraph.cli.runs import batch

app = typer.Typer(
    name="moa",
    help="Ask several language models at once and have one make the best of it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RecipeOption = Annotated[
    str | None,
    typer.Option("--recipe", "-r", metavar="NAME|FILE", help="Default: the best that can run."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]
SystemOption = Annotated[
    str | None, typer.Option("--system", metavar="TEXT", help="A system message for all models.")
]
ThreadOption = Annotated[
    str | None, typer.Option("--thread", metavar="ID", help="Name a new thread, or go on with one.")
]


EditOption = Annotated[
    list[str], typer.Option("--edit", metavar="L.S=TEXT|@FILE", help="Change a seat's answer.")
]
DropOption = Annotated[
    list[str], typer.Option("--drop", metavar="L.S", help="Leave a seat's answer out.")
]
TrustOption = Annotated[
    bool, typer.Option("--trust", help="Let a thread run that was imported, from now on.")
]
ThreadArgument = Annotated[str, typer.Argument(metavar="THREAD", help="The thread's name.")]


@app.command()
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
    if only_estimate:
        from moagraph.cli.ask import estimate

        estimate(question, recipe, system, as_json)
        return
    from moagraph.cli.ask import ask as command

    command(question, recipe, thread, pause_after, system, cache, explain, trust, as_json)


@app.command()
def chat(
    recipe: RecipeOption = None,
    thread: ThreadOption = None,
    system: SystemOption = None,
    trust: TrustOption = False,
) -> None:
    """Keep a conversation; end it with Ctrl-D."""
    from moagraph.cli.ask import chat as command

    command(recipe, thread, system, trust)


@app.command()
def resume(
    thread: ThreadArgument,
    edit: EditOption = [],  # noqa: B006
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
    from moagraph.cli.ask import resume as command

    command(thread, edit, drop, add, pin, abort, trust, as_json)


@app.command()
def retry(thread: ThreadArgument, trust: TrustOption = False, as_json: JsonOption = False) -> None:
    """Ask again only what failed."""
    from moagraph.cli.ask import retry as command

    command(thread, trust, as_json)


@app.command()
def show(
    thread: Annotated[
        str | None, typer.Argument(metavar="THREAD", help="A thread, or a fork of it: THREAD@2.")
    ] = None,
    turn: Annotated[
        int | None, typer.Option("--turn", metavar="N", help="Counted from 1; default: the last.")
    ] = None,
    layer: Annotated[
        int | None, typer.Option("--layer", metavar="N", help="Only this layer.")
    ] = None,
    sent: Annotated[bool, typer.Option("--sent", help="Also what each was sent.")] = False,
    forks: Annotated[
        bool, typer.Option("--forks", help="List the thread's forks: each replay makes one.")
    ] = False,
    diff: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--diff", metavar="A B", help="Compare two threads or, given THREAD, its forks A and B."
        ),
    ] = None,
    html: Annotated[
        str | None,
        typer.Option("--html", metavar="FILE", help="Write a page to read side by side."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what each seat of a turn said, or how two runs differ."""
    from moagraph.cli.show import show as command

    command(thread, turn, layer, sent, forks, diff, html, as_json)


@app.command()
def replay(
    thread: ThreadArgument,
    from_layer: Annotated[
        int | None,
        typer.Option("--from-layer", metavar="N", help="Its answers stand; default: the last."),
    ] = None,
    edit: EditOption = [],  # noqa: B006
    drop: DropOption = [],  # noqa: B006
    again: Annotated[
        list[str], typer.Option("--again", metavar="L.S", help="Ask a seat anew.")
    ] = [],  # noqa: B006
    put: Annotated[
        list[str],
        typer.Option(
            "--set", metavar="PATH=VALUE", help="Change the recipe: layers.2.aggregate.model=…"
        ),
    ] = [],  # noqa: B006
    trust: TrustOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run everything behind a layer anew, in a fork."""
    from moagraph.cli.ask import replay as command

    command(thread, from_layer, edit, drop, again, put, trust, as_json)


app.add_typer(evals, name="eval")

recipes = typer.Typer(help="List the recipes, or show one.", invoke_without_command=True)
app.add_typer(recipes, name="recipes")


@recipes.callback()
def recipes_list(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the recipes: those that ship and your own."""
    from moagraph.cli.recipes import listing

    if context.invoked_subcommand is None:
        listing(as_json)


@recipes.command("show")
def recipes_show(
    name: str,
    runs: Annotated[
        bool, typer.Option("--runs", help="What its gates have saved, over the kept threads.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show one recipe with every seat and default spelled out."""
    from moagraph.cli.recipes import show, show_runs

    (show_runs if runs else show)(name, as_json)


route = typer.Typer(help="Learn a recipe's route from what was answered before.")
app.add_typer(route, name="route")


@route.callback()
def route_group() -> None:
    """Learn a recipe's route from what was answered before."""


@route.command("fit")
def route_fit(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="One that routes by `learned`.")],
    files: Annotated[
        list[str],
        typer.Option("--from", metavar="FILE", help="JSON lines: question, route and score."),
    ] = [],  # noqa: B006
    as_json: JsonOption = False,
) -> None:
    """Fit its route on the kept turns of cascades and on scored results, and say its worth."""
    from moagraph.cli.route import fit

    fit(recipe, files, as_json)


threads = typer.Typer(
    help="List the threads, or prune, delete, export or import them.", invoke_without_command=True
)
app.add_typer(threads, name="threads")


@threads.callback()
def threads_list(
    context: typer.Context,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="How many at most.")
    ] = 20,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON array, nothing else.")
    ] = False,
) -> None:
    """List the threads, newest first: what was asked last, and what came of it."""
    from moagraph.cli.threads import listing

    if context.invoked_subcommand is None:
        listing(limit, as_json)


@threads.command("prune")
def threads_prune(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="Not used for 30d, 12h or 45m.")
    ],
    keep_latest: Annotated[
        bool, typer.Option("--keep-latest", help="Keep each one's last turn and conversation.")
    ] = False,
) -> None:
    """Delete threads that were not used for long, or all but their last turns."""
    from moagraph.cli.threads import prune

    prune(older_than, keep_latest)


@threads.command("delete")
def threads_delete(
    names: Annotated[list[str], typer.Argument(metavar="THREAD...", help="The threads' names.")],
) -> None:
    """Forget these threads."""
    from moagraph.cli.threads import remove

    remove(names)


@threads.command("export")
def threads_export(
    thread: ThreadArgument,
    file: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Default: print it.")
    ] = None,
) -> None:
    """Write a thread as one JSON document."""
    from moagraph.cli.threads import export

    export(thread, file)


@threads.command("import")
def threads_import(
    file: Annotated[str, typer.Argument(metavar="FILE", help="`-` reads standard input.")],
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Another name for it.")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Let it run: resume, retry, replay, ask.")
    ] = False,
) -> None:
    """Read a thread that was exported, here or on another machine."""
    from moagraph.cli.threads import take_in

    take_in(file, name, trust)


cache_app = typer.Typer(
    help="Tell what the cache of `moa ask --cache` holds, or clear it.", invoke_without_command=True
)
app.add_typer(cache_app, name="cache")


@cache_app.callback()
def cache_size(context: typer.Context, as_json: JsonOption = False) -> None:
    """Tell how many answers are kept, and where."""
    from moagraph.cli.cache import told

    if context.invoked_subcommand is None:
        told(as_json)


@cache_app.command("clear")
def cache_clear() -> None:
    """Forget every answer."""
    from moagraph.cli.cache import clear

    clear()


app.command()(batch)


@app.command()
def graph(
    recipe: RecipeOption = None,
    form: Annotated[str, typer.Option("--format", help="mermaid, or png.")] = "mermaid",
) -> None:
    """Draw a recipe's graph."""
    from moagraph.cli.recipes import draw

    draw(recipe, form)


@app.command()
def models(as_json: JsonOption = False) -> None:
    """List the providers, their variables, and what each still needs."""
    from moagraph.cli.doctor import models as command

    command(as_json)


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Beyond this machine only with API keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    api_keys: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="One key a line; MOA_API_KEYS holds them with commas."),
    ] = None,
    running: Annotated[int, typer.Option(min=1, help="How many requests run at once.")] = 64,
    waiting: Annotated[int, typer.Option(min=0, help="How many may wait for their turn.")] = 256,
    body_mb: Annotated[int, typer.Option(min=1, help="How large a request may be.")] = 4,
) -> None:
    """Serve the recipes to every client that speaks OpenAI's protocol."""
    from moagraph.cli.serve import serve as command

    command(host, port, api_keys, running, waiting, body_mb)


@app.command()
def doctor(recipe: RecipeOption = None, as_json: JsonOption = False) -> None:
    """Check keys, addresses, models and the data folder."""
    from moagraph.cli.doctor import doctor as command

    command(recipe, as_json)
