"""`moa eval`: find out whether a recipe helps; one file for each sub-command."""

import typer

from moagraph.cli.eval.export import export
from moagraph.cli.eval.judge import judge
from moagraph.cli.eval.report import report
from moagraph.cli.eval.run import run
from moagraph.cli.eval.score import score
from moagraph.cli.eval.study import study

commands = typer.Typer(
    help="Find out whether a recipe helps, by how much, and at what cost.", no_args_is_help=True
)
commands.command("run")(run)
commands.command("judge")(judge)
commands.command("score")(score)
commands.command("report")(report)
commands.command("study")(study)
commands.command("export")(export)
