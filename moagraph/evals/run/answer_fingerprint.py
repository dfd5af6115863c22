"""What an answer hangs on beside its question, in a hash: whoever changes it is asked again."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Any

from moagraph.evals.dataset import digest
from moagraph.graphs.recipe.load import load_recipe
from moagraph.nodes.errors import UsageError
from moagraph.nodes.knowledge.sources import found
from moagraph.nodes.messages.fence import FENCE
from moagraph.nodes.models.address import split
from moagraph.nodes.models.recorded import fingerprint, where
from moagraph.nodes.state import Json, recipe_parts
from moagraph.nodes.step_support.registry import parse_step
from moagraph.prompts import read

# What no answer hangs on: what things are called, cost, and how much is asked at once.
UNHEARD = {"name", "about", "one_at_a_time", "price", "limits", "api_key_env"}
NAMED = {"name"}  # but a seat's name is what steps know it by


def version(recipe: Json, around: frozenset[str] = frozenset()) -> str:
    """A hash of what a resolved recipe says, and of the prompts, files and recipes that it names.

    Recipes around it are not looked at again.
    """
    told = recipe_parts(recipe)
    return digest([_heard(recipe, UNHEARD), _prompts(told), _files(recipe), behind(told, around)])


def behind(calls: Iterable[Json], around: frozenset[str] = frozenset()) -> Json:
    """What lies behind the models' names, where they are recipes or records."""
    names = {name for call in calls for name in _models(call)}
    lies: Json = {}
    for provider, name in sorted(map(split, names)):
        if provider == "recorded":
            lies[f"recorded:{name}"] = fingerprint(where(name)[1])
        elif provider == "moa" and name not in around:
            inner = load_recipe(name).resolved()
            lies[f"moa:{name}"] = version(inner, around | {name})
    return lies


def _heard(said: Any, unheard: Set[str]) -> Any:
    if isinstance(said, list):
        return [_heard(one, unheard - NAMED) for one in said]
    if not isinstance(said, dict):
        return said
    return {key: _heard(one, unheard - NAMED) for key, one in said.items() if key not in unheard}


def _prompts(told: Sequence[Json]) -> dict[str, str]:
    names = {part["prompt"] for part in told if part.get("prompt")}
    if any(part.get("fence") for part in told):
        names.add(FENCE)
    return {name: read(name) for name in sorted(names)}


def _files(recipe: Json) -> dict[str, str]:
    """The content of each file that a step reads."""
    patterns = [pattern for one in _steps(recipe) for pattern in one]
    files = found(patterns) if patterns else {}
    hashes = {}
    for path, name in files.items():
        try:
            with path.open("rb") as content:
                hashes[f"{name} {path}"] = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    return hashes


def _steps(recipe: Json) -> Iterator[Sequence[str]]:
    for part in recipe_parts(recipe):
        if "step" in part:
            yield parse_step(part).files(recipe["name"])


def _models(call: Json) -> Iterator[str]:
    if "model" in call:
        yield call["model"]
    yield from (other["model"] for other in call.get("fallbacks", ()))
