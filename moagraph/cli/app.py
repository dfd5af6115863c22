"""The `moa` application: it finds a command by its name and imports only that one.

The core's commands are in `BUILT_IN`. Those of optional modules and of other packages are entry
points of the group `moagraph.commands`: each names a function with typer's annotations, or a
`typer.Typer` with sub-commands.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from moagraph.cli.render.output import out, say
from moagraph.nodes.errors import ExtensionError
from moagraph.nodes.extensions import COMMANDS, Extension, Extensions

BUILT_IN = {
    "ask": "moagraph.cli.ask:ask",
    "chat": "moagraph.cli.chat:chat",
    "resume": "moagraph.cli.resume:resume",
    "retry": "moagraph.cli.retry:retry",
    "show": "moagraph.cli.show:show",
    "replay": "moagraph.cli.replay:replay",
    "threads": "moagraph.cli.threads:commands",
    "recipes": "moagraph.cli.recipes:commands",
    "graph": "moagraph.cli.graph:graph",
    "models": "moagraph.cli.models:models",
    "steps": "moagraph.cli.steps:steps",
    "doctor": "moagraph.cli.doctor:doctor",
    "cache": "moagraph.cli.cache:commands",
}


class CommandGroup(TyperGroup):
    """The commands by name; a command's module is imported when it is run or listed."""

    def __init__(self, **settings: Any) -> None:
        """Read the names; until a command is loaded, an empty one stands for it."""
        super().__init__(**settings)
        self._extensions = Extensions(COMMANDS, BUILT_IN)
        names = dict.fromkeys([*BUILT_IN, *self._extensions.names()])
        self.commands = {name: TyperCommand(name) for name in names}
        self._loaded: set[str] = set()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command for a listing: without one that cannot be loaded, which is reported."""
        try:
            return self._load(cmd_name)
        except ExtensionError as error:
            if not ctx.resilient_parsing:  # a line would disturb the shell's completion
                say(f"moa: {error}")
            return None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is run; one that cannot be loaded is an error."""
        if not ctx.resilient_parsing:
            self._load(args[0])
        return super().resolve_command(ctx, args)

    def _load(self, name: str) -> Any:
        """Import the command at its first use; None if there is none of that name."""
        if name in self.commands and name not in self._loaded:
            extension = self._extensions.find(name)
            if extension:
                self.commands[name] = _build_command(extension)
            self._loaded.add(name)
        return self.commands.get(name)


def _build_command(extension: Extension) -> Any:
    target = extension.load()
    parent = typer.Typer(rich_markup_mode=None)
    try:
        if isinstance(target, typer.Typer):
            parent.add_typer(target, name=extension.name)
        else:
            parent.command(extension.name)(target)
        return get_group(parent).commands[extension.name]
    except Exception as error:  # typer raises various errors for what it cannot read
        raise ExtensionError(
            f"{extension.label} of the package {extension.package!r} has to be a `typer.Typer` or "
            f"a function with typer's annotations: {extension.target!r} is neither "
            f"({' '.join(str(error).split()) or type(error).__name__})"
        ) from error


app = typer.Typer(
    name="moa",
    cls=CommandGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        try:
            out(f"moagraph {version('moagraph')}")
        except PackageNotFoundError:  # a checkout that is on the path, but not installed
            out("moagraph, version unknown: it is not installed")
        raise typer.Exit


@app.callback()
def moa(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Ask several language models at once and have one make the best of it."""
