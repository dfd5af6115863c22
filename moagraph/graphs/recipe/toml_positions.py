"""The line on which each key and array element of a TOML document is written."""

import re
import tomllib
from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count

Path = tuple[str | int, ...]

_BASIC = r'"(?:\\.|[^"\\\n])*"'
_LITERAL = r"'[^'\n]*'"
# A long string may end in up to two quotes of its own before the three that close it.
_LONG_BASIC = r'"""(?:\\[\s\S]|[^\\])*?"{3,5}'
_LONG_LITERAL = r"'''[\s\S]*?'{3,5}"
_NAME = rf"(?:[A-Za-z0-9_-]+|{_BASIC}|{_LITERAL})"

_GAP = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_KEY = re.compile(rf"{_NAME}(?:[ \t]*\.[ \t]*{_NAME})*")
# Numbers, dates and booleans need no grammar of their own: they end where the next mark begins.
_SCALAR = re.compile(rf"{_LONG_BASIC}|{_LONG_LITERAL}|{_BASIC}|{_LITERAL}|[^,\[\]{{}}#\n]+")
_POSITION = re.compile(r"\(at line (\d+), column \d+\)$")


def line_of(text: str, path: Sequence[str | int]) -> int | None:
    """Return the line of the deepest part of `path` that the valid TOML `text` writes."""
    line_of_path = lines(text)
    prefixes = (tuple(path[:end]) for end in range(len(path), 0, -1))
    return next((line_of_path[prefix] for prefix in prefixes if prefix in line_of_path), None)


def lines(text: str) -> dict[Path, int]:
    """Map every key and array element of the valid TOML `text` to its line, counted from 1."""
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


def error_line(error: tomllib.TOMLDecodeError) -> int | None:
    """Return the line of a syntax error; before Python 3.14 only its message tells."""
    line: int | None = getattr(error, "lineno", None)
    position = _POSITION.search(str(error))
    return line or (int(position[1]) if position else None)


def _names(key: str) -> Iterator[str]:
    """Split a dotted key; tomllib itself undoes the quotes and escapes."""
    rest: object = tomllib.loads(f"{key} = 0")
    while isinstance(rest, dict):
        [(name, rest)] = rest.items()
        yield name


class _Scanner:
    """Walks the text once and notes where each path begins."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.sizes: Counter[Path] = Counter()  # of each array of tables, so far
        self.breaks = [match.start() for match in re.finditer("\n", text)]

    def document(self) -> None:
        """Read headers and pairs to the end of the text."""
        table: Path = ()
        while self.skip() < len(self.text):
            if self.accept("[["):
                table = self.element()
            elif self.accept("["):
                table = self.table()
            else:
                self.pair(table)

    def element(self) -> Path:
        """Read the rest of `[[a.b]]`: one more element of an array of tables."""
        line, array = self.line(), self.key(())
        path = (*array, self.sizes[array])
        self.sizes[array] += 1
        self.lines[path] = line
        self.accept("]]")
        return path

    def table(self) -> Path:
        """Read the rest of `[a.b]`, which outranks an earlier `[a.b.c]` that only implied it."""
        line, path = self.line(), self.key(())
        self.lines[path] = line
        self.accept("]")
        return path

    def pair(self, table: Path) -> None:
        """Read `a.b = value`."""
        path = self.key(table)
        self.accept("=")
        self.value(path)

    def key(self, path: Path) -> Path:
        """Read a dotted key below `path`, by way of the latest element of any array of tables."""
        line = self.line()
        for name in _names(self.take(_KEY)):
            latest = (self.sizes[path] - 1,) if path in self.sizes else ()
            path = (*path, *latest, name)
            self.lines.setdefault(path, line)
        return path

    def value(self, path: Path) -> None:
        """Read what stands at `path`."""
        if self.accept("["):
            self.array(path)
        elif self.accept("{"):
            self.inline(path)
        else:
            self.take(_SCALAR)

    def array(self, path: Path) -> None:
        """Read the rest of `[1, 2]`."""
        for index in count():
            if self.accept("]"):
                return
            self.lines[*path, index] = self.line()
            self.value((*path, index))
            self.accept(",")

    def inline(self, path: Path) -> None:
        """Read the rest of `{ a = 1, b = 2 }`."""
        while not self.accept("}"):
            self.pair(path)
            self.accept(",")

    def line(self) -> int:
        """Return the line of the next token."""
        return bisect(self.breaks, self.skip()) + 1

    def skip(self) -> int:
        """Pass space and comments, and return where the next token begins."""
        if gap := _GAP.match(self.text, self.at):
            self.at = gap.end()
        return self.at

    def accept(self, mark: str) -> bool:
        """Pass `mark` if it comes next."""
        matches = self.text.startswith(mark, self.skip())
        self.at += len(mark) * matches
        return matches

    def take(self, token: re.Pattern[str]) -> str:
        """Pass `token`, which comes next in any text that tomllib accepts."""
        match = token.match(self.text, self.skip())
        if not match:
            raise ValueError(f"line {self.line()} is not valid TOML; parse it with tomllib first")
        self.at = match.end()
        return match[0]
