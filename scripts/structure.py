"""Measure the structure of the code and print it as a table: `python scripts/structure.py`.

With `--write` the table goes to docs/structure.md. The limits are enforced by
tests/unit/test_structure.py, which uses the functions here.
"""

import ast
import io
import statistics
import subprocess
import sys
import tokenize
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "moagraph"
PAGE = ROOT / "docs" / "structure.md"

# Names that say what happened to a value instead of what it is.
PRIVATE_VOCABULARY = frozenset(
    "said told heard kept asked given came found left one other read shown who why sign place "
    "beside behind ahead called taken made most wanted known standing".split()
)

PLAIN_ASK = """
import asyncio, sys
before = set(sys.modules)
from moagraph import build, load_recipe
graph = build(load_recipe({file!r})).compile()
asyncio.run(graph.ainvoke({{"messages": [("user", "hello")]}}))
print(*sorted(name for name in sys.modules if name.split(".")[0] == "moagraph"))
"""
PLAIN_RECIPE = """
[[layers]]
proposers = ["scripted:echo", "scripted:echo"]

[[layers]]
proposers = ["scripted:echo"]
aggregate = { step = "synthesize", model = "scripted:echo" }
"""


def source_files() -> list[Path]:
    """Return every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def optional_modules() -> dict[str, list[Path]]:
    """Return the files of each optional module, as pyproject.toml lists them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    modules: dict[str, list[str]] = settings["tool"]["moagraph"]["optional-modules"]
    return {
        name: [file for path in paths for file in _files_at(path)]
        for name, paths in modules.items()
    }


def core_files() -> list[Path]:
    """Return the modules that belong to no optional module."""
    optional = {file for files in optional_modules().values() for file in files}
    return [file for file in source_files() if file not in optional]


def code_lines(file: Path) -> int:
    """Count the lines of code: without blank lines, comments and docstrings."""
    source = file.read_text("utf-8")
    lines: set[int] = set()
    ignored = {
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
        tokenize.ENCODING, tokenize.ENDMARKER,
    }  # fmt: skip
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in ignored:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - _docstring_lines(ast.parse(source)))


def comment_share(files: list[Path]) -> float:
    """Return the share of lines that are comments, among lines of code and comments."""
    comments = sum(
        token.type == tokenize.COMMENT
        for file in files
        for token in tokenize.generate_tokens(io.StringIO(file.read_text("utf-8")).readline)
    )
    return comments / (comments + sum(map(code_lines, files)))


def functions() -> list[tuple[int, str]]:
    """Return the length in lines and the place of every function."""
    return [
        ((node.end_lineno or node.lineno) - node.lineno + 1, f"{_shown(file)}:{node.name}")
        for file in source_files()
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def bindings() -> list[tuple[str, str]]:
    """Return every bound name with its place: stored names, arguments, functions, classes."""
    bound = []
    for file in source_files():
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if name := _bound_name(node):
                bound.append((name, f"{_shown(file)}:{getattr(node, 'lineno', 0)}"))
    return bound


def private_bindings() -> list[tuple[str, str]]:
    """Return the bindings that use the private vocabulary."""
    return [
        (name, place) for name, place in bindings() if name.strip("_").lower() in PRIVATE_VOCABULARY
    ]


def duplicate_classes() -> dict[str, list[str]]:
    """Return class names that are defined more than once, with their files."""
    places: dict[str, list[str]] = defaultdict(list)
    for file in source_files():
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(_shown(file))
    return {name: files for name, files in places.items() if len(files) > 1}


def import_cycles() -> list[list[str]]:
    """Return groups of modules that import each other at module level."""
    modules = {_module(file): file for file in source_files()}
    graph = {
        name: {target for target in _imports(file, modules) if target != name}
        for name, file in modules.items()
    }
    return [sorted(group) for group in _components(graph) if len(group) > 1]


def modules_of_a_plain_ask(folder: Path) -> list[str]:
    """Return our modules that a plain two-layer recipe loads, in a process of its own."""
    file = folder / "plain.toml"
    file.write_text(PLAIN_RECIPE, "utf-8")
    script = PLAIN_ASK.format(file=str(file))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def table(folder: Path) -> Iterator[str]:
    """Return the lines of the table."""
    files, lengths = source_files(), sorted(length for length, _ in functions())
    sizes = sorted(len(file.read_text("utf-8").splitlines()) for file in files)
    bound, private = len(bindings()), len(private_bindings())
    p90 = statistics.quantiles(lengths, n=10)[-1]
    yield "| measure | value | limit |"
    yield "|---|---|---|"
    yield f"| files | {len(files)} | |"
    yield f"| functions | {len(lengths)} | |"
    middle = f"{statistics.median(lengths):g} / {p90:g} / {lengths[-1]}"
    yield f"| lines of a function, median / p90 / largest | {middle} | |"
    yield f"| functions over 50 lines | {sum(length > 50 for length in lengths)} | 5 |"
    yield f"| lines of a file, median / largest | {statistics.median(sizes):g} / {sizes[-1]} | |"
    yield f"| import cycles | {len(import_cycles())} | 0 |"
    share = f"{private} of {bound} ({private / bound:.2%})"
    yield f"| bindings in the private vocabulary | {share} | 0.8 % |"
    yield f"| duplicate class names | {len(duplicate_classes())} | 0 |"
    yield f"| share of comments | {comment_share(files):.1%} | about 4 % |"
    yield f"| modules loaded by a plain ask | {len(modules_of_a_plain_ask(folder))} | 70 |"
    yield "| files that a new step touches from inside | 2: its file and its test | |"
    yield "| files that a new step touches from outside | 1, and an entry point | |"
    yield f"| lines of code: core | {sum(map(code_lines, core_files()))} | 9000 |"
    for name, own in sorted(optional_modules().items()):
        yield f"| lines of code: {name} | {sum(map(code_lines, own))} | |"


def _files_at(path: str) -> list[Path]:
    place = ROOT / path
    return [place] if place.is_file() else sorted(place.rglob("*.py"))


def _docstring_lines(tree: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                if isinstance(first.value.value, str):
                    lines |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return lines


def _bound_name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id if isinstance(node.ctx, ast.Store) else None
    if isinstance(node, ast.arg):
        return node.arg
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    return None


def _imports(file: Path, modules: dict[str, Path]) -> Iterator[str]:
    """Return the modules that a file imports when it is imported: not inside functions."""
    for node in _module_level(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if name in modules or node.module in modules:
                    yield name if name in modules else node.module


def _module_level(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _module_level(node)


def _components(graph: dict[str, set[str]]) -> list[set[str]]:
    """Return the strongly connected components (Kosaraju's algorithm, without recursion)."""
    order: list[str] = []
    seen: set[str] = set()
    for start in graph:
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            name, is_done = stack.pop()
            if is_done:
                order.append(name)
            elif name not in seen:
                seen.add(name)
                stack.append((name, True))
                stack += [(target, False) for target in graph[name] if target not in seen]
    sources: dict[str, set[str]] = defaultdict(set)
    for name, targets in graph.items():
        for target in targets:
            sources[target].add(name)
    components: list[set[str]] = []
    assigned: set[str] = set()
    for start in reversed(order):
        group: set[str] = set()
        pending = [start]
        while pending:
            name = pending.pop()
            if name not in assigned:
                assigned.add(name)
                group.add(name)
                pending += sources[name]
        if group:
            components.append(group)
    return components


def _module(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _shown(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def folders() -> Counter[str]:
    """Count the modules of each folder."""
    return Counter(_shown(file.parent) for file in source_files())


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        text = "\n".join(table(Path(folder)))
    if "--write" in sys.argv:
        PAGE.write_text(
            f"# Structure\n\nMade by `python scripts/structure.py --write`.\n\n{text}\n", "utf-8"
        )
    print(text)  # noqa: T201
