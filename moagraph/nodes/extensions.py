"""Entry points: how installed packages add steps, providers, recipes, commands and more.

A package declares what it adds in its `pyproject.toml`, for example

    [project.entry-points."moagraph.steps"]
    shout = "my_package.shout:Shout"

moagraph's own optional modules are registered in the same way. Nothing is imported before it is
used; a broken package is reported when its extension is used, and does not affect the others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from moagraph.nodes.errors import ExtensionError

STEPS = "moagraph.steps"
PROVIDERS = "moagraph.providers"
RECIPES = "moagraph.recipes"
MODEL_KINDS = "moagraph.model_kinds"
COMMANDS = "moagraph.commands"
SERVER_ROUTES = "moagraph.server_routes"
HOOKS = "moagraph.hooks"
GROUPS = (STEPS, PROVIDERS, RECIPES, MODEL_KINDS, COMMANDS, SERVER_ROUTES, HOOKS)


@dataclass(frozen=True)
class Extension:
    """Something that a package adds under a name.

    Attributes:
        group: The entry-point group, such as `moagraph.steps`.
        name: The name that recipes or commands use.
        package: The distribution that provides it.
        target: `module:attribute`.
        load_object: Imports the target.
    """

    group: str
    name: str
    package: str
    target: str
    load_object: Callable[[], Any] = field(compare=False, repr=False)

    def load(self) -> Any:
        """Import the target; any failure becomes one line that names the package."""
        try:
            return self.load_object()
        except ExtensionError:
            raise
        except BaseException as error:  # importing runs a package's own code, which may do anything
            if isinstance(error, KeyboardInterrupt):
                raise
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ExtensionError(
                f"{self.label} of the package {self.package!r} cannot be imported from "
                f"{self.target!r}: {reason}"
            ) from error

    @property
    def label(self) -> str:
        """What it is, for messages: "the step 'shout'"."""
        return f"the {KIND_OF_GROUP[self.group]} {self.name!r}"


KIND_OF_GROUP = {
    STEPS: "step",
    PROVIDERS: "provider",
    RECIPES: "recipe",
    MODEL_KINDS: "model kind",
    COMMANDS: "command",
    SERVER_ROUTES: "server route",
    HOOKS: "hook",
}


class Extensions:
    """The extensions of one group: built-in ones, those of installed packages, and registered."""

    def __init__(self, group: str, built_in: Mapping[str, str] | None = None) -> None:
        """Start from moagraph's own core; `built_in` maps a name to `module:attribute`."""
        self.group = group
        self._built_in = dict(built_in or {})
        self._registered: dict[str, Extension] = {}

    def register(self, name: str, value: Any, package: str = "this session") -> None:
        """Add an object under a name, as a notebook does.

        Args:
            name: The name that recipes use.
            value: The object itself, already imported.
            package: Who provides it, for listings and messages.
        """
        mine = self._registered.get(name)
        for provider in self._providers(name):
            if provider is not mine:
                raise ExtensionError(_duplicate(provider, package))
        target = f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', name)}"
        self._registered[name] = Extension(self.group, name, package, target, lambda: value)

    def names(self) -> list[str]:
        """Return every name, sorted."""
        installed = {extension.name for extension in _installed(self.group)}
        return sorted({*self._built_in, *installed, *self._registered})

    def find(self, name: str) -> Extension | None:
        """Return the extension of that name; two packages that provide it are refused."""
        providers = self._providers(name)
        if len(providers) > 1:
            raise ExtensionError(_duplicate(providers[0], providers[1].package))
        return providers[0] if providers else None

    def all(self) -> list[Extension]:
        """Return one extension for each name; of duplicates, each."""
        return [extension for name in self.names() for extension in self._providers(name)]

    def _providers(self, name: str) -> list[Extension]:
        own = [self._registered[name]] if name in self._registered else []
        if target := self._built_in.get(name):
            point = EntryPoint(name, target, self.group)
            own.append(Extension(self.group, name, "moagraph", target, point.load))
        return [*own, *(item for item in _installed(self.group) if item.name == name)]


@cache
def _installed(group: str) -> tuple[Extension, ...]:
    return tuple(
        Extension(
            group, point.name, point.dist.name if point.dist else "?", point.value, point.load
        )
        for point in sorted(entry_points(group=group))
    )


def _duplicate(extension: Extension, package: str) -> str:
    return (
        f"{extension.label} is provided by two packages, {extension.package!r} and {package!r}: "
        "uninstall one of them"
    )
