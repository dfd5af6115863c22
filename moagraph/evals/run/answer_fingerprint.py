"""Fingerprint what determines an answer besides its question; a changed one is asked again."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Any

from moagraph.evals.dataset import digest
from moagraph.graphs.recipe.load import load_recipe
from moagraph.nodes.errors import UsageError
from moagraph.nodes.knowledge.sources import find_files
from moagraph.nodes.messages.fence import FENCE
from moagraph.nodes.models.address import split
from moagraph.nodes.models.recorded import fingerprint, locate
from moagraph.nodes.state import Json, recipe_parts
from moagraph.nodes.step_support.registry import parse_step
from moagraph.prompts import read

# No answer depends on these keys: descriptions, prices and limits of concurrency.
IGNORED_KEYS = {"name", "about", "one_at_a_time", "price", "limits", "api_key_env"}
NAME_KEYS = {"name"}  # ignored for the recipe only: steps refer to a seat by its name


def fingerprint_recipe(recipe: Json, enclosing: frozenset[str] = frozenset()) -> str:
    """Hash a resolved recipe with the prompts, files, recipes and records that it names.

    Args:
        recipe: The resolved recipe.
        enclosing: The names of the recipes that contain it, which are not hashed again.
    """
    parts = recipe_parts(recipe)
    return digest(
        [
            _without_ignored(recipe, IGNORED_KEYS),
            _prompt_texts(parts),
            _file_hashes(recipe),
            fingerprint_models(parts, enclosing),
        ]
    )


def fingerprint_models(calls: Iterable[Json], enclosing: frozenset[str] = frozenset()) -> Json:
    """Return the fingerprint of each model that is a recipe or a file of recorded answers.

    Args:
        calls: The calls that name the models.
        enclosing: The names of the recipes that contain the calls.
    """
    addresses = {address for call in calls for address in _model_addresses(call)}
    fingerprints: Json = {}
    for provider, name in sorted(map(split, addresses)):
        if provider == "recorded":
            fingerprints[f"recorded:{name}"] = fingerprint(locate(name)[1])
        elif provider == "moa" and name not in enclosing:
            nested = load_recipe(name).resolved()
            fingerprints[f"moa:{name}"] = fingerprint_recipe(nested, enclosing | {name})
    return fingerprints


def _without_ignored(value: Any, ignored: Set[str]) -> Any:
    nested = ignored - NAME_KEYS
    if isinstance(value, list):
        return [_without_ignored(item, nested) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_ignored(item, nested) for key, item in value.items() if key not in ignored
    }


def _prompt_texts(parts: Sequence[Json]) -> dict[str, str]:
    names = {part["prompt"] for part in parts if part.get("prompt")}
    if any(part.get("fence") for part in parts):
        names.add(FENCE)
    return {name: read(name) for name in sorted(names)}


def _file_hashes(recipe: Json) -> dict[str, str]:
    """Hash the content of each file that a step reads."""
    patterns = [pattern for step_patterns in _step_files(recipe) for pattern in step_patterns]
    files = find_files(patterns) if patterns else {}
    hashes = {}
    for path, name in files.items():
        try:
            with path.open("rb") as content:
                hashes[f"{name} {path}"] = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    return hashes


def _step_files(recipe: Json) -> Iterator[Sequence[str]]:
    """Yield the file patterns of each step."""
    for part in recipe_parts(recipe):
        if "step" in part:
            yield parse_step(part).files(recipe["name"])


def _model_addresses(call: Json) -> Iterator[str]:
    if "model" in call:
        yield call["model"]
    yield from (fallback["model"] for fallback in call.get("fallbacks", ()))
