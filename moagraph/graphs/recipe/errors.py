"""Turn pydantic's errors into one line in the words of a recipe."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.errors import MoaError
from moagraph.nodes.hooks import check_class
from moagraph.nodes.step_support.base import Step
from moagraph.nodes.step_support.registry import step_class, suggestion

Path = tuple[str | int, ...]


def describe_error(document: Any, problem: Mapping[str, Any]) -> tuple[Path, str]:
    """Return the path in the document at which an error stands, and its message."""
    refused = problem.get("ctx", {}).get("error")
    path = tuple(_path_in(document, getattr(refused, "path", problem["loc"])))
    return path, _message(document, problem, path)


def _path_in(value: Any, location: Path) -> Iterator[str | int]:
    """Return the part of pydantic's location that the document writes: no tags, no shorthands."""
    for number, key in enumerate(location):
        is_last = number == len(location) - 1
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            if not is_last:
                continue
        yield key


def _message(document: Any, problem: Mapping[str, Any], path: Path) -> str:
    kind = problem["type"]
    key = next((str(part) for part in reversed(path) if isinstance(part, str)), "recipe")
    if kind == "extra_forbidden":
        fields = _model_at(document, path).model_fields.keys() - {"asks"}
        return f"`{key}`: {suggestion(key, fields)}"
    if kind == "step_unknown":
        return f"`step`: {problem['ctx']['reason']}"
    if kind == "step_missing":
        return f'`{key}`: a step says which it is, such as step = "synthesize"'
    if kind == "union_tag_invalid":
        tag, names = problem["ctx"]["tag"], problem["ctx"]["expected_tags"]
        hint = suggestion(tag, re.findall("'([^']*)'", names))
        return f"`by`: there is no check {tag!r}; {hint}"
    if kind == "union_tag_not_found":
        return f'`{key}`: a check says what it goes by, such as by = "regex"'
    if kind == "missing":
        return f"`{key}` is missing"
    if kind == "value_error":
        return str(problem["ctx"]["error"])
    if kind == "too_short":
        return f"`{key}` is empty: it needs at least one"
    invalid = problem["input"]
    value = "" if isinstance(invalid, dict | list) else f" {invalid!r}"
    if kind in ("model_type", "model_attributes_type"):
        return f"`{key}`{value}: this must be a table"
    return f"`{key}`{value}: {problem['msg'][:1].lower()}{problem['msg'][1:]}"


def _model_at(document: Any, path: Path) -> type[BaseModel]:
    """Return the model of the table that the last key of a path stands in."""
    model: type[BaseModel] = Recipe
    value = document
    for key in path[:-1]:
        value = value[key]
        if isinstance(key, str) and (field := _field(model, key)):
            candidates = list(_models_in(field))
        if isinstance(value, dict):
            model = _choose(value, candidates) or model
    return model


def _field(model: type[BaseModel], key: str) -> Any:
    field = model.model_fields.get(key)
    return field.annotation if field else None


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _choose(table: dict[str, Any], candidates: list[type[BaseModel]]) -> type[BaseModel] | None:
    """Return the model of a table: by its step, by its check, or the only one there is."""
    try:
        if Step in candidates:
            return step_class(str(table["step"]))
        if len(candidates) == 1:
            return candidates[0]
        check: type[BaseModel] = check_class(str(table["by"]))
        return check
    except (MoaError, KeyError):
        return None
