"""The README's parts that are made from something else: `python -m tests.readme --write`.

The drawing of `mine.toml` is what `moa graph` prints, and each `<!-- bench/results/NAME.md -->` is
followed by that file.
"""

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from moagraph.graphs.compile.build import build
from moagraph.graphs.recipe.load import load_recipe

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DRAWING = re.compile(r"(<!-- drawing of mine\.toml -->\n```mermaid\n)(.*?)(```\n)", re.DOTALL)
RESULT = re.compile(
    r"(<!-- (bench/results/[\w-]+\.md) -->\n)(.*?)(?=^#|^<!--|\Z)", re.DOTALL | re.M
)


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def drawing(text: str) -> str:
    """What `moa graph --recipe mine.toml` prints."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mine.toml"
        file.write_text(blocks(text, "toml")[0])
        drawn = build(load_recipe(file)).compile().get_graph().draw_mermaid()
    return f"{drawn.rstrip()}\n"


def results(text: str) -> Iterator[tuple[str, str, str]]:
    """Each bench result that the README shows: its file, what is shown, and what it holds."""
    for _, name, shown in RESULT.findall(text):
        file = ROOT / name
        yield name, shown.strip(), file.read_text().strip() if file.exists() else ""


def made(text: str) -> str:
    """The README with these parts made anew."""
    held = {name: content for name, _, content in results(text)}
    text = DRAWING.sub(lambda found: f"{found[1]}{drawing(text)}{found[3]}", text)
    return RESULT.sub(lambda found: f"{found[1]}\n{held[found[2]]}\n\n", text)


if __name__ == "__main__":
    text = README.read_text()
    if "--write" in sys.argv:
        README.write_text(made(text))
    else:
        sys.exit(0 if made(text) == text else "README.md is stale: python -m tests.readme --write")
