"""What is made from the recipes that ship: `python -m tests.catalog --write`.

`docs/recipes.md` draws each of them, and `langgraph.json` names a graph for each.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphs.build import build
from graphs.mixture import SHIPPED, shipped

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "recipes.md"
STUDIO = ROOT / "langgraph.json"
HEAD = """# The recipes that ship

Each is a file in [`graphs/recipes`](../graphs/recipes): copy one, change its models, and run it
with `moa ask --recipe FILE`. Solid lines are always taken, dotted ones as a step decides; there is
no way back in any of them, so every run ends.
"""
MIXTURE = "A mixture of your own: choose its models in the form of its assistant."


def page() -> str:
    """Every recipe: what it is about, what it asks, and its drawing."""
    return "\n".join([HEAD, *(part for name in SHIPPED for part in _entry(name))])


def studio() -> str:
    """`langgraph.json` with a graph for each recipe, and the one that is put together in a form."""
    said: dict[str, Any] = json.loads(STUDIO.read_text())
    graphs = {name: _graph(name.replace("-", "_"), shipped(name).about) for name in SHIPPED}
    said["graphs"] = {**graphs, "mixture": _graph("mixture", MIXTURE)}
    return json.dumps(said, indent=2, ensure_ascii=False) + "\n"


def _entry(name: str) -> Iterator[str]:
    recipe = shipped(name)
    drawn = build(recipe).compile().get_graph().draw_mermaid(with_styles=False)
    calls = f"At most {recipe.calls} calls" if recipe.calls > 1 else "One call"
    yield f"## `{name}`\n\n{recipe.about}\n\n{calls}; asks {_models(recipe.models)}.\n"
    yield f"```mermaid\n{drawn.rstrip()}\n```\n"


def _models(models: list[str]) -> str:
    return ", ".join(f"`{model}`" for model in models)


def _graph(variable: str, about: str) -> dict[str, str]:
    # The Dockerfile that the server's own tool writes breaks at a straight apostrophe.
    told = about.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")
    return {"path": f"./graphs/studio.py:{variable}", "description": told}


if __name__ == "__main__":
    for file, made in ((PAGE, page()), (STUDIO, studio())):
        if "--write" in sys.argv:
            file.write_text(made)
        elif file.read_text() != made:
            sys.exit(f"{file.name} is stale: python -m tests.catalog --write")
