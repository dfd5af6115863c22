"""What settings can reach outside of a recipe: a field that names such a thing says so.

A step's settings declare it beside the type, as in `source: Annotated[str, Names(FILES)]`; whoever
has to tell a person what a recipe reaches reads it there, also for steps that come later.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel

from moagraph.prompts import is_path

ADDRESS, KEY, FILES, PROMPT = "address", "key variable", "files", "prompt"
DATABASE, GRAPH, CODE, TOOL = "database", "graph", "code", "tool"
MODEL, RECIPE, WEIGHTS, VAULT = "model", "recipe", "model file", "private words"

Kind: TypeAlias = str | Callable[[Any], str]


@dataclass(frozen=True)
class Resource:
    """One thing that a recipe names: its kind, its name, and the settings that name it."""

    kind: str
    name: str
    where: str


def listed(value: Any) -> Iterable[str]:
    """The names in a value: the text itself, or each of a list."""
    return [value] if isinstance(value, str) else [str(name) for name in value]


@dataclass(frozen=True)
class Names:
    """Beside a field's type: its value names things of that kind.

    `kind` may hang on the settings that hold the field; `read` finds the names in its value.
    """

    kind: Kind
    read: Callable[[Any], Iterable[str]] = listed

    def kind_in(self, settings: BaseModel) -> str:
        """The kind of what these settings name."""
        return self.kind if isinstance(self.kind, str) else self.kind(settings)


def _prompt_files(prompt: str) -> list[str]:
    return [prompt] if is_path(prompt) else []


def _tool_names(tools: Iterable[Mapping[str, Any]]) -> list[str]:
    return [str((tool.get("function") or tool).get("name", tool)) for tool in tools]


PromptFile = Names(PROMPT, _prompt_files)
ToolNames = Names(TOOL, _tool_names)
Prompt: TypeAlias = Annotated[str, PromptFile]


def declared(settings: BaseModel, where: str = "") -> Iterator[Resource]:
    """All that the settings name, and the settings within them; `where` is the path to them."""
    for key, field in type(settings).model_fields.items():
        value, path = getattr(settings, key), f"{where}.{key}".lstrip(".")
        if value is None:
            continue
        for names in (mark for mark in field.metadata if isinstance(mark, Names)):
            kind = names.kind_in(settings)
            yield from (Resource(kind, name, path) for name in names.read(value))
        yield from _within(value, path)


def _within(value: Any, where: str) -> Iterator[Resource]:
    """What settings in a list or a table name; lists count from 1."""
    if isinstance(value, BaseModel):
        yield from declared(value, where)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value, 1):
            yield from _within(item, f"{where}.{number}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _within(item, f"{where}.{key}")
