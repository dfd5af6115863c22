"""What to run for the papers' studies: recipes by name, and single models beside them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.errors import UsageError

COUNTS = (1, 2, 3, 6)
DEPTHS = (1, 2, 3, 4)
SETTINGS = {"temperature": 0.7, "max_tokens": 2048}
Told = dict[str, Any]  # a recipe's words, as a file has them


def proposers(models: Sequence[str], aggregator: str) -> Iterator[Told]:
    """More proposers, different ones against samples of the first: Table 3."""
    for count in COUNTS:
        if count <= len(models):
            yield _told(f"mixed-{count}", [list(models[:count])], aggregator)
        yield _told(f"single-{count}", [[_times(models[0], count)]], aggregator)


def roles(models: Sequence[str], aggregator: str) -> Iterator[Told]:
    """Each model as the aggregator of all, and as the one that proposes: Table 4."""
    for number, model in enumerate(models, 1):
        yield _told(f"aggregates-{number}", [list(models)], model, about=model)
        yield _told(f"proposes-{number}", [[_times(model, len(models))]], aggregator, about=model)


def depths(models: Sequence[str], aggregator: str) -> Iterator[Told]:
    """From one layer in the paper's count, the model alone, to four; and samples for as many calls.

    A model alone has no recipe: it is run as `provider:model`.
    """
    for depth in DEPTHS[1:]:
        layers = [list(models) for _ in range(depth - 1)]
        yield _told(f"layers-{depth}", layers, aggregator)
        samples = len(models) * (depth - 1)
        yield _told(f"same-calls-{depth}", [[_times(models[0], samples)]], aggregator)


def choosers(models: Sequence[str], aggregator: str) -> Iterator[Told]:
    """The aggregator's blend, and the answer that the same model ranks first."""
    yield _told("blends", [list(models)], aggregator)
    yield _told("ranks", [list(models)], aggregator, step="rank")


STUDIES: dict[str, Callable[[Sequence[str], str], Iterator[Told]]] = {
    "proposers": proposers,
    "roles": roles,
    "depths": depths,
    "choosers": choosers,
}


def recipes(name: str, models: Sequence[str], aggregator: str) -> list[Recipe]:
    """The study's recipes, read and checked."""
    if not models:
        raise UsageError("name the models that propose, best first: --models A,B,C")
    try:
        return [Recipe.model_validate(told) for told in STUDIES[name](models, aggregator)]
    except ValidationError as error:
        raise UsageError(error.errors()[0]["msg"].removeprefix("Value error, ")) from error


def alone(name: str, models: Sequence[str], aggregator: str) -> list[str]:
    """The single models that the recipes are compared with."""
    others = [aggregator] if name == "depths" else []
    return list(dict.fromkeys([*models, *others]))


def toml(told: Told) -> str:
    """The recipe as a file that a person can read and change."""
    lines = [
        f"name  = {_quoted(told['name'])}",
        f"about = {_quoted(told['about'])}",
        "",
        "[defaults]",
    ]
    lines += [f"{key} = {value}" for key, value in told["defaults"].items()]
    for layer in told["layers"]:
        lines += ["", "[[layers]]", "proposers = ["]
        lines += [f"  {_seat(seat)}," for seat in layer["proposers"]]
        lines += ["]"]
        if step := layer.get("aggregate"):
            keys = ", ".join(f"{key} = {_quoted(value)}" for key, value in step.items())
            lines.append(f"aggregate = {{ {keys} }}")
    return "\n".join(lines) + "\n"


def _told(
    name: str,
    layers: Sequence[Sequence[Any]],
    aggregator: str,
    about: str = "",
    step: str = "synthesize",
) -> Told:
    rows: list[Told] = [{"proposers": list(seats)} for seats in layers]
    rows[-1]["aggregate"] = {"step": step, "model": aggregator}
    return {"name": name, "about": about, "defaults": dict(SETTINGS), "layers": rows}


def _times(model: str, count: int) -> dict[str, Any]:
    return {"model": model, "count": count}


def _seat(seat: Any) -> str:
    if isinstance(seat, str):
        return _quoted(seat)
    return f"{{ model = {_quoted(seat['model'])}, count = {seat['count']} }}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
