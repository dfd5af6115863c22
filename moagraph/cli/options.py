"""Options and arguments that several commands share."""

from typing import Annotated

import typer

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

# Of the commands that answer many questions.
ConcurrencyOption = Annotated[
    int, typer.Option("--concurrency", metavar="N", min=1, help="How many are asked at once.")
]
CostOption = Annotated[
    float | None,
    typer.Option("--max-cost-usd", metavar="X", min=0, help="All runs into it together."),
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first rows.")
]
KeepOption = Annotated[
    bool, typer.Option("--keep-threads", help="Keep each answer's thread beside the results.")
]
