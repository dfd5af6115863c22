"""The code of docs/extending.md is that of the examples; a step can be registered."""

import re
from pathlib import Path

from moagraph import ask, register_step
from moagraph.graphs.recipe.schema import Recipe

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text("utf-8")


def test_the_page_shows_the_example_as_it_is() -> None:
    source = ROOT / "examples" / "custom_step" / "src" / "moagraph_custom_step" / "longest.py"
    [block] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert block.strip() in source.read_text("utf-8")


def test_the_pages_step_works_once_it_is_registered() -> None:
    [block] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, type] = {}
    exec(compile(block, "extending.md", "exec"), names)
    register_step(names["Longest"])
    recipe = Recipe.model_validate(
        {
            "name": "registered",
            "layers": [
                {
                    "proposers": ["scripted:one two", "scripted:one two three", "scripted:one"],
                    "aggregate": "longest",
                }
            ],
        }
    )
    assert ask("hi", recipe).answer == "one two three"
