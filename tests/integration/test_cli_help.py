import importlib.util
import json
import subprocess
import sys
from pathlib import Path

from tests.terminal import MIX, environment, moa, saved

COMMANDS = [
    "ask", "chat", "resume", "retry", "replay", "show", "threads", "recipes", "graph", "models",
    "doctor", "serve", "eval",
]  # fmt: skip
OPTIONS = {
    "ask": ["QUESTION", "--recipe", "NAME|FILE", "--thread", "--pause-after", "--system", "--json"],
    "chat": ["--recipe", "--thread", "--system"],
    "resume": ["THREAD", "--edit", "--drop", "--add", "--abort", "--json"],
    "retry": ["THREAD", "--json"],
    "replay": ["THREAD", "--from-layer", "--edit", "--drop", "--again", "--set", "--json"],
    "show": ["THREAD", "--layer", "--turn", "--sent", "--diff", "--html", "--json"],
    "graph": ["--recipe", "--format", "mermaid", "png"],
    "serve": ["--host", "--port"],
}
HEAVY = {"langgraph", "langchain_core", "pydantic", "httpx", "openai", "langsmith", "rich"}
LOADED = """
import sys
if sys.argv[1:]:
    from moagraph.cli import main
    try:
        main()
    except SystemExit:
        pass
else:
    import moagraph
print(*sys.modules, file=sys.stderr)
"""


def test_help_lists_every_command_and_every_option() -> None:
    told = moa("--help")
    assert told.code == 0
    listed = [line.split()[0] for line in told.out.splitlines() if line.startswith("  ")]
    assert set(COMMANDS) <= set(listed)
    assert "..." not in told.out.partition("\n")[2]
    for command, words in OPTIONS.items():
        help = moa(command, "--help").out
        assert [word for word in words if word not in help] == [], command
    assert moa().code == 2


def test_neither_help_nor_the_import_loads_anything_heavy() -> None:
    for words in (["--help"], []):
        command = [sys.executable, "-c", LOADED, *words]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment(), check=True
        )
        assert not {name.partition(".")[0] for name in done.stderr.split()} & HEAVY, words


def test_recipes_are_listed_and_shown_and_a_broken_one_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "recipes"
    folder.mkdir(parents=True)
    saved(folder, MIX, "own.toml")
    saved(folder, "nonsense", "broken.toml")
    listed = moa("recipes")
    assert listed.code == 0
    assert {"local", "moa", "own"} <= {line.split()[0] for line in listed.out.splitlines()}
    [broken] = listed.lines
    assert "broken.toml:1: not TOML" in broken
    told = {one["name"]: one for one in json.loads(moa("recipes", "--json").out)}
    assert (told["own"]["layers"], told["own"]["calls"]) == (1, 3)
    shown = moa("recipes", "show", "own").out
    assert "  1.02 scripted:two" in shown
    assert "  synthesize scripted:the answer of all" in shown
    whole = json.loads(moa("recipes", "show", "own", "--json").out)
    assert len(whole["layers"][0]["proposers"]) == 2


def test_a_graph_is_drawn_as_text_or_says_what_a_picture_needs(tmp_path: Path) -> None:
    recipe = saved(tmp_path)
    text = moa("graph", "--recipe", recipe)
    assert text.code == 0
    for node in ("L1_01_one", "L1_02_two", "L1_join", "L1_synthesize"):
        assert node in text.out
    picture = moa("graph", "--recipe", recipe, "--format", "png")
    if importlib.util.find_spec("pygraphviz"):
        assert picture.code == 0
    else:
        assert (picture.code, picture.out, len(picture.lines)) == (2, "", 1)
        assert "pip install 'moagraph[png]'" in picture.err
