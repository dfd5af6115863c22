"""The commands and their words; each imports what it needs when it runs."""

from typing import Annotated

import typer

app = typer.Typer(
    name="moa",
    help="Ask several language models at once and have one make the best of it.",
    no_args_is_help=True,
    add_completion=False,
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


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="The question; `-` reads standard input.")],
    recipe: RecipeOption = None,
    thread: ThreadOption = None,
    system: SystemOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask one question."""
    from moagraph.cli.ask import ask as command

    command(question, recipe, thread, system, as_json)


@app.command()
def chat(
    recipe: RecipeOption = None, thread: ThreadOption = None, system: SystemOption = None
) -> None:
    """Keep a conversation; end it with Ctrl-D."""
    from moagraph.cli.ask import chat as command

    command(recipe, thread, system)


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
    """Check keys, endpoints, models, the local engine and the data folder."""
    from moagraph.cli.doctor import doctor as command

    command(recipe, as_json)
