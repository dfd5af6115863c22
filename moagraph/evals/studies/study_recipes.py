"""The recipes and single models that a study of the papers runs."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.errors import UsageError

COUNTS = (1, 2, 3, 6)
DEPTHS = (1, 2, 3, 4)
SETTINGS = {"temperature": 0.7, "max_tokens": 2048}
RecipeJson = dict[str, Any]  # a recipe as its file has it


def plan_proposers(models: Sequence[str], aggregator: str) -> Iterator[RecipeJson]:
    """More proposers: different models, or samples of the first model (MoA, Table 3)."""
    for count in COUNTS:
        if count <= len(models):
            yield _recipe(f"mixed-{count}", [list(models[:count])], aggregator)
        yield _recipe(f"single-{count}", [[_samples(models[0], count)]], aggregator)


def plan_roles(models: Sequence[str], aggregator: str) -> Iterator[RecipeJson]:
    """Each model as aggregator of all models, and as the only proposer (MoA, Table 4)."""
    for number, model in enumerate(models, 1):
        yield _recipe(f"aggregates-{number}", [list(models)], model, about=model)
        samples = [[_samples(model, len(models))]]
        yield _recipe(f"proposes-{number}", samples, aggregator, about=model)


def plan_depths(models: Sequence[str], aggregator: str) -> Iterator[RecipeJson]:
    """Two to four layers, counted as in the paper, and as many calls to the first model.

    One layer is a single model, which has no recipe: it runs as `provider:model`.
    """
    for depth in DEPTHS[1:]:
        layers = [list(models) for _ in range(depth - 1)]
        yield _recipe(f"layers-{depth}", layers, aggregator)
        samples = len(models) * (depth - 1)
        yield _recipe(f"same-calls-{depth}", [[_samples(models[0], samples)]], aggregator)


def plan_choosers(models: Sequence[str], aggregator: str) -> Iterator[RecipeJson]:
    """The aggregator's synthesis, and the proposal that the same model ranks first."""
    yield _recipe("blends", [list(models)], aggregator)
    yield _recipe("ranks", [list(models)], aggregator, step="rank")


STUDIES: dict[str, Callable[[Sequence[str], str], Iterator[RecipeJson]]] = {
    "proposers": plan_proposers,
    "roles": plan_roles,
    "depths": plan_depths,
    "choosers": plan_choosers,
}


def build_study_recipes(study: str, models: Sequence[str], aggregator: str) -> list[Recipe]:
    """Build and validate the study's recipes.

    Args:
        study: A key of `STUDIES`.
        models: The proposers as `provider:model`, the best first.
        aggregator: The aggregator as `provider:model`.
    """
    if not models:
        raise UsageError("name the models that propose, the best first: --models A,B,C")
    try:
        return [Recipe.model_validate(recipe) for recipe in STUDIES[study](models, aggregator)]
    except ValidationError as error:
        raise UsageError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error


def single_models(study: str, models: Sequence[str], aggregator: str) -> list[str]:
    """Return the single models that the study compares with the recipes."""
    additional = [aggregator] if study == "depths" else []
    return list(dict.fromkeys([*models, *additional]))


def render_recipe_toml(recipe: RecipeJson) -> str:
    """Render a recipe as a TOML file, with one proposer per line."""
    lines = [
        f"name  = {_quoted(recipe['name'])}",
        f"about = {_quoted(recipe['about'])}",
        "",
        "[defaults]",
    ]
    lines += [f"{key} = {value}" for key, value in recipe["defaults"].items()]
    for layer in recipe["layers"]:
        lines += ["", "[[layers]]", "proposers = ["]
        lines += [f"  {_proposer(proposer)}," for proposer in layer["proposers"]]
        lines += ["]"]
        if step := layer.get("aggregate"):
            keys = ", ".join(f"{key} = {_quoted(value)}" for key, value in step.items())
            lines.append(f"aggregate = {{ {keys} }}")
    return "\n".join(lines) + "\n"


def _recipe(
    name: str,
    layers: Sequence[Sequence[Any]],
    aggregator: str,
    about: str = "",
    step: str = "synthesize",
) -> RecipeJson:
    rows: list[RecipeJson] = [{"proposers": list(proposers)} for proposers in layers]
    rows[-1]["aggregate"] = {"step": step, "model": aggregator}
    return {"name": name, "about": about, "defaults": dict(SETTINGS), "layers": rows}


def _samples(model: str, count: int) -> dict[str, Any]:
    return {"model": model, "count": count}


def _proposer(proposer: Any) -> str:
    if isinstance(proposer, str):
        return _quoted(proposer)
    return f"{{ model = {_quoted(proposer['model'])}, count = {proposer['count']} }}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
