"""Declare which fields of a recipe name resources outside of it, such as files and addresses.

A field declares it in its type, as in `source: Annotated[str, Names(FILES)]`. The list that a
person approves is built from these declarations, also for steps of other packages.
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
    """Something that a recipe names.

    Attributes:
        kind: Its kind, such as `files`.
        name: Its name, such as a path.
        where: The path of the field that names it.
    """

    kind: str
    name: str
    where: str


def listed(value: Any) -> Iterable[str]:
    """Return the names in a value: the text itself, or each item of a list."""
    return [value] if isinstance(value, str) else [str(name) for name in value]


@dataclass(frozen=True)
class Names:
    """Annotates a field whose value names resources.

    Attributes:
        kind: Their kind, or a function that returns it for the settings with the field.
        names_in: Returns the names in the field's value.
    """

    kind: Kind
    names_in: Callable[[Any], Iterable[str]] = listed

    def kind_in(self, settings: BaseModel) -> str:
        """Return the kind of what these settings name."""
        return self.kind if isinstance(self.kind, str) else self.kind(settings)


def _prompt_files(prompt: str) -> list[str]:
    return [prompt] if is_path(prompt) else []


def _tool_names(tools: Iterable[Mapping[str, Any]]) -> list[str]:
    return [str((tool.get("function") or tool).get("name", tool)) for tool in tools]


PromptFile = Names(PROMPT, _prompt_files)
ToolNames = Names(TOOL, _tool_names)
Prompt: TypeAlias = Annotated[str, PromptFile]


def declared(settings: BaseModel, where: str = "") -> Iterator[Resource]:
    """Yield what the settings and those nested in them name.

    Args:
        settings: The settings.
        where: Their path in the recipe.
    """
    for key, field in type(settings).model_fields.items():
        value, path = getattr(settings, key), f"{where}.{key}".lstrip(".")
        if value is None:
            continue
        for names in (mark for mark in field.metadata if isinstance(mark, Names)):
            kind = names.kind_in(settings)
            yield from (Resource(kind, name, path) for name in names.names_in(value))
        yield from _within(value, path)


def _within(value: Any, where: str) -> Iterator[Resource]:
    """Yield what settings in a list or a table name; list items count from 1."""
    if isinstance(value, BaseModel):
        yield from declared(value, where)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value, 1):
            yield from _within(item, f"{where}.{number}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _within(item, f"{where}.{key}")
