"""Read a recipe by name or path; a mistake is reported with its file and line."""

import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from moagraph.graphs.recipe.errors import describe_error
from moagraph.graphs.recipe.schema import Recipe
from moagraph.graphs.recipe.toml_positions import error_line, line_of
from moagraph.nodes.errors import ExtensionError, RecipeError, UnknownName
from moagraph.nodes.extensions import RECIPES, Extensions
from moagraph.nodes.storage.data_dir import data_folder
from moagraph.nodes.storage.paths import resolve_pattern

SHIPPED = Path(__file__).parent.parent / "recipes"
MAX_INSPECTED = 1_000_000  # bytes of a recipe that is only inspected
_PACKAGED = Extensions(RECIPES)  # each entry point names a package with .toml files


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Load a recipe.

    Args:
        name_or_path: The name of a shipped recipe, of one in the data folder's `recipes/` or of
            one that an installed package adds; or the path of a TOML file.

    Returns:
        The recipe, validated, with its defaults filled in.

    Raises:
        RecipeError: The file has a mistake; the message names its line.
        UnknownName: There is no such recipe.
    """
    return _load_file(recipe_file(str(name_or_path)))


def recipe_names() -> list[str]:
    """Return the names of all recipes: shipped, of packages, and of the data folder."""
    return sorted({file.stem for folder in _folders() for file in folder.glob("*.toml")})


def inspect_recipe(name: str) -> Recipe:
    """Load a recipe only to list what it names; the prompts that it names are not read."""
    file = recipe_file(name)
    if not file.is_file() or file.stat().st_size > MAX_INSPECTED:
        raise UnknownName(f"{str(file)!r} is not a file of at most {MAX_INSPECTED:,} bytes")
    return _load_file(file, read_prompts=False)


def recipe_from_state(stored: dict[str, Any], read_prompts: bool = True) -> Recipe:
    """Return the recipe that a run stored in its state, with the prompts that it used.

    Args:
        stored: The `recipe` of the graph's state.
        read_prompts: Whether files may be opened for prompts whose text was not stored.
    """
    fields = {key: value for key, value in stored.items() if key in Recipe.model_fields}
    context = {"prompts": stored.get("prompts", {}), "read_prompts": read_prompts}
    try:
        return Recipe.model_validate(fields, context=context)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise RecipeError(f"the thread's recipe cannot be used: {path}: {first['msg']}") from error


def recipe_file(name: str) -> Path:
    """Return the file of the recipe of that name; a path is returned as it is."""
    if "/" in name or "\\" in name or name.endswith(".toml"):
        return Path(name).expanduser()
    for folder in _folders():
        if (file := folder / f"{name}.toml").is_file():
            return file
    near = get_close_matches(name, recipe_names(), 1)
    hint = f"did you mean `{near[0]}`?" if near else "`moa recipes` lists them"
    raise UnknownName(f"no recipe is called {name!r}; {hint}")


def _folders() -> list[Path]:
    return [SHIPPED, data_folder() / "recipes", *_package_folders()]


def _package_folders() -> Iterator[Path]:
    for extension in _PACKAGED.all():
        try:
            package = extension.load()
        except ExtensionError:  # reported by `moa recipes`; other recipes work
            continue
        yield from (Path(folder) for folder in getattr(package, "__path__", ()))


def _load_file(file: Path, read_prompts: bool = True) -> Recipe:
    text = _text(file)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = error_line(error) or len(text.splitlines())  # "at end of document"
        raise RecipeError(f"{file}:{line}: not TOML: {error}") from error
    document.setdefault("name", file.stem)
    _resolve_paths(document, file.parent)
    try:
        return Recipe.model_validate(document, context={"read_prompts": read_prompts})
    except ValidationError as error:
        raise RecipeError(_message(file, text, document, error)) from error


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{file}: not UTF-8: a recipe is a TOML text file") from error
    except OSError as error:
        raise UnknownName(f"cannot read the recipe {str(file)!r}: {error.strerror}") from error


def _resolve_paths(value: Any, folder: Path) -> None:
    """Resolve the paths of prompts and sources, which are relative to the recipe's folder."""
    for item in value.values() if isinstance(value, dict) else value:
        if isinstance(item, dict | list):
            _resolve_paths(item, folder)
    if not isinstance(value, dict):
        return
    prompt, source = value.get("prompt"), value.get("source")
    if isinstance(prompt, str) and len(prompt.split()) == 1 and (folder / prompt).is_file():
        value["prompt"] = str((folder / prompt).resolve())
    if isinstance(source, str):
        value["source"] = resolve_pattern(folder, source)
    elif isinstance(source, list):
        value["source"] = [
            resolve_pattern(folder, item) if isinstance(item, str) else item for item in source
        ]


def _message(file: Path, text: str, document: dict[str, Any], error: ValidationError) -> str:
    # An unknown key comes first: it may be why another is missing.
    problems = error.errors(include_url=False)
    first, *rest = sorted(problems, key=lambda problem: problem["type"] != "extra_forbidden")
    path, message = describe_error(document, first)
    line = line_of(text, path) or 1
    others = f" (and {len(rest)} more)" if rest else ""
    return f"{file}:{line}: {message}{others}"
