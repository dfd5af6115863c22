"""What is made from the recipes that ship and their schema: `python -m tests.catalog --write`.

`docs/recipes.md` draws each recipe, `docs/keys.md` lists what one may say, and `langgraph.json`
names a graph for each.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from moagraph.graphs.compile.build import build
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.schema import Layer, Recipe
from moagraph.graphs.studio_form import SHIPPED, load_shipped
from moagraph.nodes.checks.settings import CHECKS, CheckSettings
from moagraph.nodes.messages.fence import Reading
from moagraph.nodes.models.call import Call, Limits
from moagraph.nodes.policies.budget import Amounts
from moagraph.nodes.step_support.registry import step_classes
from moagraph.nodes.steps.propose import Seat

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "recipes.md"
KEYS = ROOT / "docs" / "keys.md"
STUDIO = ROOT / "langgraph.json"
HEAD = """# The recipes that ship

Each is a file in [`graphs/recipes`](../graphs/recipes): copy one, change its models, and run it
with `moa ask --recipe FILE`. Solid lines are always taken, dotted ones as a step decides; there is
no way back in any of them, so every run ends.
"""
KEYS_HEAD = """# What a recipe may say

A recipe is a TOML file. An unknown key, an impossible number or a missing model is refused before
any call, with its line. Paths and prompts are written as seen from the recipe's file.
"""
HIDDEN = {"asks", "step"}
MIXTURE = "A mixture of your own: choose its models in the form of its assistant."


def page() -> str:
    """Every recipe: what it is about, what it asks, and its drawing."""
    return "\n".join([HEAD, *(part for name in SHIPPED for part in _entry(name))])


def keys() -> str:
    """Every table of a recipe, and every key of each."""
    call = {*Call.model_fields} - {"model"}
    tables: list[tuple[str, type[BaseModel], set[str]]] = [
        ("The recipe", Recipe, set()),
        ("`[defaults]`, and every seat, step and judge that asks a model", Call, set()),
        ("How answers are shown to a reader", Reading, set()),
        ("`[[layers]]`", Layer, {*Reading.model_fields}),
        ("A seat of `proposers`", Seat, {*call, *Reading.model_fields}),
        ("`[budget]`, and `[budget.thread]`", Amounts, set()),
        ("`[limits.PROVIDER]`", Limits, set()),
    ]
    parts = [_table(f"## {title}", model, hidden) for title, model, hidden in tables]
    steps = [
        _table(f"### `{name}`", model, {*call, *Reading.model_fields})
        for name, model in step_classes().items()
    ]
    every = {*CheckSettings.model_fields, "by"}
    checks = [_table("## The `checks` of `verify` and `gate`", CheckSettings, {"by"})]
    checks += [_table(f'### `by = "{by}"`', model, every) for by, model in CHECKS.items()]
    return "\n".join([KEYS_HEAD, *parts, "## Steps\n", *steps, *checks])


def _table(title: str, model: type[BaseModel], hidden: set[str]) -> str:
    """What the model is, and its keys."""
    positions = [f"`{position}`" for position in getattr(model, "positions", ())]
    stands = f" Stands in {', '.join(positions)}." if positions else ""
    head = f"{title}\n\n{(model.__doc__ or '').strip().splitlines()[0]}{stands}\n"
    rows = [
        f"| `{field.alias or name}` | {_default(field)} | {_about(field)} |"
        for name, field in model.model_fields.items()
        if name not in hidden | HIDDEN
    ]
    return "\n".join([head, "| key | default | |", "|---|---|---|", *rows, ""]) if rows else head


def _about(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "/")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value == [] or value == {} or isinstance(value, BaseModel):
        return ""
    said = json.dumps(value, ensure_ascii=False) if not isinstance(value, list) else ""
    return f"`{said}`" if said else ""


def studio() -> str:
    """`langgraph.json` with a graph for each recipe, and the one that is put together in a form."""
    said: dict[str, Any] = json.loads(STUDIO.read_text())
    graphs = {name: _graph(name.replace("-", "_"), load_shipped(name).about) for name in SHIPPED}
    said["graphs"] = {**graphs, "mixture": _graph("mixture", MIXTURE)}
    return json.dumps(said, indent=2, ensure_ascii=False) + "\n"


def _entry(name: str) -> Iterator[str]:
    recipe = load_shipped(name)
    drawn = build(recipe).compile().get_graph().draw_mermaid(with_styles=False)
    calls = f"At most {max_calls(recipe)} calls" if max_calls(recipe) > 1 else "One call"
    yield f"## `{name}`\n\n{recipe.about}\n\n{calls}; asks {_models(recipe.models)}.\n"
    yield f"```mermaid\n{drawn.rstrip()}\n```\n"


def _models(models: list[str]) -> str:
    return ", ".join(f"`{model}`" for model in models)


def _graph(variable: str, about: str) -> dict[str, str]:
    # The Dockerfile that the server's own tool writes breaks at a straight apostrophe.
    told = about.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")
    return {"path": f"./moagraph/graphs/studio.py:{variable}", "description": told}


if __name__ == "__main__":
    for file, made in ((PAGE, page()), (KEYS, keys()), (STUDIO, studio())):
        if "--write" in sys.argv:
            file.write_text(made)
        elif file.read_text() != made:
            sys.exit(f"{file.name} is stale: python -m tests.catalog --write")
