import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from moagraph.graphs.recipe.toml_positions import Path, error_line, line_of, lines

RECIPE = """\
name = "demo"  # [not.a.table]
"odd key".'dotted.name' = 1

[[layers]]
proposers = [
  # the first one
  { model = "a", temperature = 0.7 },

  { model = "b", options.seed = 3 },
]

[[layers]]
[[layers.aggregate]]
model = "c"
[[layers.aggregate]]
prompt = \"\"\"
[[layers]]
model = "not a key"\"\"\"\"
model = "d"
[layers.limits]
until = 1979-05-27 07:32:00

[deep.er]
x = 1
[deep]
y = 2
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 1),
        (("odd key", "dotted.name"), 2),
        (("layers",), 4),
        (("layers", 0, "proposers"), 5),
        (("layers", 0, "proposers", 0, "temperature"), 7),
        (("layers", 0, "proposers", 1), 9),
        (("layers", 0, "proposers", 1, "options", "seed"), 9),
        (("layers", 1), 12),
        (("layers", 1, "aggregate", 0, "model"), 14),
        (("layers", 1, "aggregate", 1), 15),
        (("layers", 1, "aggregate", 1, "model"), 19),
        (("layers", 1, "limits", "until"), 21),
        (("deep", "er"), 23),
    ],
)
def test_a_path_leads_to_the_line_it_is_written_on(path: Path, line: int) -> None:
    assert line_of(RECIPE, path) == line


def test_a_missing_key_leads_to_the_table_that_lacks_it() -> None:
    assert line_of(RECIPE, ("layers", 1, "aggregate", 0, "temprature", "x")) == 13


def test_a_list_serves_as_a_path() -> None:
    assert line_of(RECIPE, ["layers", 0, "proposers", 0]) == 7


def test_a_header_outranks_the_line_that_only_implied_it() -> None:
    assert line_of(RECIPE, ("deep",)) == 25


def test_a_path_of_which_nothing_is_written_has_no_line() -> None:
    assert line_of(RECIPE, ("nowhere", 0)) is None
    assert line_of(RECIPE, ()) is None


def test_windows_line_ends_change_no_line() -> None:
    assert lines(RECIPE.replace("\n", "\r\n")) == lines(RECIPE)


@pytest.mark.parametrize("text", ["a = ", "a = [1", "a = { b = 1", "= 1", "a = {]}"])
def test_a_broken_text_is_refused_rather_than_scanned_forever(text: str) -> None:
    with pytest.raises(ValueError, match="line 1 is not valid TOML"):
        lines(text)


def test_a_syntax_error_tells_its_line() -> None:
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads("a = 1\nb = = 2\n")
    assert error_line(caught.value) == 2


def test_a_syntax_error_that_carries_its_line_needs_no_message() -> None:
    error = tomllib.TOMLDecodeError("bad")
    error.lineno = 7  # type: ignore[attr-defined, unused-ignore]
    assert error_line(error) == 7


def test_a_syntax_error_without_a_place_has_no_line() -> None:
    assert error_line(tomllib.TOMLDecodeError("Invalid value (at end of document)")) is None


# A scalar is drawn as the TOML that spells it, so the writer below only lays out.
SCALARS = st.integers(10**9, 10**12).map(str) | st.sampled_from(
    [
        *("-1_000.5e3", "inf", "true", "1979-05-27 07:32:00", "07:32:00.5", '""', "''"),
        *(r'"a \"# ] }"', r"'c:\ [ { # ='", '""""""', "''''''", '"""x\n[y]\nz = 1"""'),
        *(r'"""\"""\" # ["""', '"""""two"""""', "'''''two'''''", "'''\n[[a]]\nb = 1\\'''"),
    ]
)
NAMES = st.sampled_from(["a", "b", "7", "-_", "", "a.b", "é", "it's", '"', "\\", "]", "#", "=\n"])
NAMES |= st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES, inner, max_size=3)
        | st.lists(st.dictionaries(NAMES, inner, max_size=3), min_size=1, max_size=3)
    ),
    max_leaves=12,
)
GAPS = st.sampled_from(["", " ", "\n", " # ] , }\n", "\r\n\n\t"])


def spellings(name: str) -> list[str]:
    basic = json.dumps(name, ensure_ascii=False).replace("\x7f", r"\u007f")
    bare = [name] if re.fullmatch("[A-Za-z0-9_-]+", name) else []
    literal = [] if re.search("['\x00-\x1f\x7f]", name) else [f"'{name}'"]
    return [basic, *bare, *literal]


class Writer:
    """Lays a document out, by chance, in every way that TOML has."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw

    def chance(self) -> bool:
        return self.draw(st.booleans())

    def key(self, *names: str) -> str:
        dot = self.draw(st.sampled_from([".", " . "]))
        return dot.join(self.draw(st.sampled_from(spellings(name))) for name in names)

    def inline(self, value: Any) -> str:
        if isinstance(value, dict):
            pairs = (f"{self.key(name)} = {self.inline(inner)}" for name, inner in value.items())
            return "{ " + ", ".join(pairs) + " }"
        if isinstance(value, list):
            parts = [f"{self.draw(GAPS)}{self.inline(inner)}{self.draw(GAPS)}" for inner in value]
            comma = "," if parts and self.chance() else ""
            return "[" + ",".join(parts) + comma + self.draw(GAPS) + "]"
        return str(value)

    def pairs(self, name: str, value: Any) -> Iterator[str]:
        if value and isinstance(value, dict) and self.chance():
            yield from (f"{self.key(name, n)} = {self.inline(v)}" for n, v in value.items())
        else:
            yield f"{self.key(name)} = {self.inline(value)}"

    def table(self, path: tuple[str, ...], value: dict[str, Any], header: str) -> Iterator[str]:
        below = {name for name, inner in value.items() if nests(inner) and self.chance()}
        own = [
            pair for name in value if name not in below for pair in self.pairs(name, value[name])
        ]
        top = [header.replace("*", self.key(*path)), *own] if path else own
        late = header == "[*]" and below and self.chance()
        implied = late and not own and self.chance()
        yield from [] if late else top
        for name in sorted(below):
            yield from self.nested((*path, name), value[name])
        yield from top if late and path and not implied else []

    def nested(self, path: tuple[str, ...], value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from self.table(path, value, "[*]")
        else:
            for element in value:
                yield from self.table(path, element, "[[*]]")


def nests(value: Any) -> bool:
    tables = isinstance(value, list) and all(isinstance(inner, dict) for inner in value)
    return isinstance(value, dict) or (tables and bool(value))


@st.composite
def documents(draw: st.DrawFn) -> str:
    writer = Writer(draw)
    root = draw(st.dictionaries(NAMES, VALUES, max_size=4))
    return "".join(
        f"{line}{draw(st.sampled_from(['', ' # [x]']))}\n" for line in writer.table((), root, "")
    )


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if path:
        yield path, value
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from walk(inner, (*path, step))


@given(documents())
@example(RECIPE)
@settings(deadline=None, max_examples=300)
def test_every_path_tomllib_finds_has_a_line_that_shows_it(text: str) -> None:
    found, rows = lines(text), text.split("\n")
    data = dict(walk(tomllib.loads(text)))
    assert found.keys() == data.keys()
    for path, line in found.items():
        row, step, value = rows[line - 1], path[-1], data[path]
        assert isinstance(step, int) or any(spelling in row for spelling in spellings(step))
        assert type(value) is not int or str(value) in row
