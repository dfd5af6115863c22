"""Which recipe answers when none is named: the best that this environment allows."""

import json
import os
import urllib.request
from dataclasses import dataclass
from urllib.error import URLError

from moagraph.graphs.recipe.load import load_recipe
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.models.address import split
from moagraph.nodes.models.providers import ollama_address


@dataclass(frozen=True)
class RecipeChoice:
    """A recipe and the reason for it, as a person reads it."""

    recipe: str
    why: str


def choose_recipe() -> RecipeChoice:
    """Together's key, OpenAI's key, a running Ollama that has the models, else `local`."""
    for recipe, variable in (("together", "TOGETHER_API_KEY"), ("openai", "OPENAI_API_KEY")):
        if os.environ.get(variable, "").strip():
            return RecipeChoice(recipe, f"{variable} is set")
    reason = "no TOGETHER_API_KEY or OPENAI_API_KEY is set"
    available = ollama_models()
    if available is None:
        return RecipeChoice("local", f"{reason}, and no Ollama answers")
    missing = missing_from_ollama(load_recipe("ollama"), available)
    if missing:
        return RecipeChoice("local", f"{reason}; Ollama answers, but has no {', '.join(missing)}")
    return RecipeChoice("ollama", f"{reason}, and Ollama answers")


def missing_from_ollama(recipe: Recipe, available: set[str]) -> list[str]:
    """The recipe's Ollama models that have not been pulled."""
    names = [split(model) for model in recipe.models]
    names_needed = [name for provider, name in names if provider == "ollama"]
    return [name for name in names_needed if not {name, f"{name}:latest"} & available]


def ollama_models() -> set[str] | None:
    """The models that this machine's Ollama has; None where none answers."""
    url = ollama_address(os.environ.get("OLLAMA_HOST", "")) + "/api/tags"
    try:
        with urllib.request.urlopen(url, timeout=0.5) as answer:
            return {model["name"] for model in json.load(answer)["models"]}
    except (URLError, OSError, ValueError, KeyError, TypeError):
        return None
