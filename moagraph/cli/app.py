"""The commands and their words; each imports what it needs when it runs."""

from typing import Annotated

import typer

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
    as_json: JsonOption = False,
) -> None:
    """Ask one question."""
    from moagraph.cli.ask import ask as command

    command(question, recipe, thread, pause_after, system, as_json)


@app.command()
def chat(
    recipe: RecipeOption = None, thread: ThreadOption = None, system: SystemOption = None
) -> None:
    """Keep a conversation; end it with Ctrl-D."""
    from moagraph.cli.ask import chat as command

    command(recipe, thread, system)


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
    as_json: JsonOption = False,
) -> None:
    """Go on after a pause, a crash or Ctrl-C."""
    from moagraph.cli.ask import resume as command

    command(thread, edit, drop, add, pin, abort, as_json)


@app.command()
def retry(thread: ThreadArgument, as_json: JsonOption = False) -> None:
    """Ask again only what failed."""
    from moagraph.cli.ask import retry as command

    command(thread, as_json)


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
    as_json: JsonOption = False,
) -> None:
    """Run everything behind a layer anew, in a fork."""
    from moagraph.cli.ask import replay as command

    command(thread, from_layer, edit, drop, again, put, as_json)


recipes = typer.Typer(help="List the recipes, or show one.", invoke_without_command=True)
app.add_typer(recipes, name="recipes")


@recipes.callback()
def recipes_list(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the recipes: those that ship and your own."""
    from moagraph.cli.recipes import listing

    if context.invoked_subcommand is None:
        listing(as_json)


@recipes.command("show")
def recipes_show(name: str, as_json: JsonOption = False) -> None:
    """Show one recipe with every seat and default spelled out."""
    from moagraph.cli.recipes import show

    show(name, as_json)


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
def doctor(recipe: RecipeOption = None, as_json: JsonOption = False) -> None:
    """Check keys, addresses, models and the data folder."""
    from moagraph.cli.doctor import doctor as command

    command(recipe, as_json)
