"""Read a recipe by name or path; what is wrong with it is said with its file and line."""

import re
import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from moagraph.nodes.step_support.registry import KINDS
from moagraph.graphs.recipe.toml_positions import error_line, line_of
from moagraph.graphs.recipe.schema import Defaults, Layer, Recipe
from moagraph.nodes.models.call import Call, Price
from moagraph.nodes.checks.settings import CHECKS
from moagraph.nodes.errors import RecipeError, UnknownName
from moagraph.nodes.storage.data_dir import data_folder
from moagraph.nodes.knowledge.sources import beside
from moagraph.nodes.steps.propose import Seat
from moagraph.nodes.steps.route import Example, Rule

TAGGED = {"step": "step", "by": "check"}  # what a recipe tells apart by such a key
HERE = Path(__file__).parent.parent / "recipes"


def load_recipe(name_or_path: str | Path) -> Recipe:
    """The recipe of that name, shipped or in the data folder, or the one in that file."""
    return _read(recipe_file(str(name_or_path)))


def recipe_names() -> list[str]:
    """The recipes that ship and those in the data folder."""
    return sorted({file.stem for folder in _folders() for file in folder.glob("*.toml")})


def from_state(kept: dict[str, Any]) -> Recipe:
    """The recipe that a run kept in its state, together with the prompts it spoke by."""
    said = {key: value for key, value in kept.items() if key in Recipe.model_fields}
    return Recipe.model_validate(said, context={"prompts": kept.get("prompts", {})})


def _folders() -> list[Path]:
    return [HERE, data_folder() / "recipes"]


def recipe_file(name: str) -> Path:
    """Where the recipe of that name lies; a path is taken as it is."""
    if "/" in name or "\\" in name or name.endswith(".toml"):
        return Path(name).expanduser()
    for folder in _folders():
        if (file := folder / f"{name}.toml").is_file():
            return file
    near = get_close_matches(name, recipe_names(), 1)
    hint = f"did you mean `{near[0]}`?" if near else "`moa recipes` lists them"
    raise UnknownName(f"no recipe is called {name!r}; {hint}")


def _read(file: Path) -> Recipe:
    text = _text(file)
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = error_line(error) or len(text.splitlines())  # "at end of document"
        raise RecipeError(f"{file}:{line}: not TOML: {error}") from error
    said.setdefault("name", file.stem)
    _settle(said, file.parent)
    try:
        return Recipe.model_validate(said)
    except ValidationError as error:
        raise RecipeError(_refusal(file, text, said, error)) from error


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{file}: not UTF-8: a recipe is a TOML text file") from error
    except OSError as error:
        raise UnknownName(f"cannot read the recipe {str(file)!r}: {error.strerror}") from error


def _settle(said: Any, folder: Path) -> None:
    """Make the paths of prompts and sources hold from anywhere: both lie beside the recipe."""
    for value in said.values() if isinstance(said, dict) else said:
        if isinstance(value, dict | list):
            _settle(value, folder)
    if not isinstance(said, dict):
        return
    prompt, source = said.get("prompt"), said.get("source")
    if isinstance(prompt, str) and len(prompt.split()) == 1 and (folder / prompt).is_file():
        said["prompt"] = str((folder / prompt).resolve())
    if isinstance(source, str):
        said["source"] = beside(folder, source)
    elif isinstance(source, list):
        said["source"] = [beside(folder, one) if isinstance(one, str) else one for one in source]


def _refusal(file: Path, text: str, said: dict[str, Any], error: ValidationError) -> str:
    # An unknown key first: it may be why another is missing.
    found = error.errors(include_url=False)
    first, *more = sorted(found, key=lambda one: one["type"] != "extra_forbidden")
    refused = first.get("ctx", {}).get("error")
    path = tuple(_written(said, getattr(refused, "path", first["loc"])))
    line = line_of(text, path) or 1
    others = f" (and {len(more)} more)" if more else ""
    return f"{file}:{line}: {_said(first['type'], first, path)}{others}"


def _written(said: Any, loc: tuple[str | int, ...]) -> Iterator[str | int]:
    """The part of pydantic's path that the file writes: without tags and shorthands."""
    for number, key in enumerate(loc):
        last = number == len(loc) - 1
        try:
            said = said[key]
        except (KeyError, IndexError, TypeError):
            if not last:
                continue
        yield key


def _said(kind: str, problem: Any, path: tuple[str | int, ...]) -> str:
    key = next((str(part) for part in reversed(path) if isinstance(part, str)), "recipe")
    if kind == "extra_forbidden":
        known = sorted(_place(problem["loc"]).model_fields.keys() - {"asks"})
        return f"`{key}`: {_nearest(key, known)}"
    if kind == "union_tag_invalid":
        tag, by = problem["ctx"]["tag"], problem["ctx"]["discriminator"].strip("'")
        known = re.findall("'([^']*)'", problem["ctx"]["expected_tags"])
        return f"`{by}`: there is no {TAGGED[by]} {tag!r}; {_nearest(tag, known)}"
    if kind == "union_tag_not_found":
        if problem["ctx"]["discriminator"] == "'by'":
            return f'`{key}`: a check says what it goes by, such as by = "regex"'
        return f'`{key}`: a step says which it is, such as step = "synthesize"'
    if kind == "missing":
        return f"`{key}` is missing"
    if kind == "value_error":
        return str(problem["ctx"]["error"])
    if kind == "too_short":
        return f"`{key}` is empty: it needs at least one"
    shown = problem["input"]
    value = "" if isinstance(shown, dict | list) else f" {shown!r}"
    if kind in ("model_type", "model_attributes_type"):
        return f"`{key}`{value}: this must be a table"
    return f"`{key}`{value}: {problem['msg'][:1].lower()}{problem['msg'][1:]}"


def _nearest(word: str, known: list[str]) -> str:
    near = get_close_matches(word, known, 1)
    return f"did you mean `{near[0]}`?" if near else f"unknown here; there are {', '.join(known)}"


def _place(path: tuple[str | int, ...]) -> type[BaseModel]:
    """The model whose key the path ends in; pydantic puts a step's kind into its path."""
    places: dict[str, type[BaseModel]] = {
        "defaults": Defaults,
        "layers": Layer,
        "proposers": Seat,
        "judges": Call,
        "rules": Rule,
        "examples": Example,
        "price": Price,
        **KINDS,
    }
    inside = [part for part in path[:-1] if isinstance(part, str)]
    if "checks" in inside[:-1]:
        return CHECKS[inside[-1]]
    return places.get(inside[-1], Recipe) if inside else Recipe
