"""The files that a recipe's `source` names, and what of them is text."""

import glob
import os
import re
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from moagraph.nodes.errors import UsageError

MOST = 10_000  # files
LARGEST = 5_000_000  # bytes of a text file
WHOLE = 200_000_000  # bytes of all of them
LOOKED_AT = 8_192  # bytes in which a NUL tells that a file is no text

_ESCAPED = re.compile(r"\[([*?[])\]")


def _listed(said: Any) -> Any:
    return [said] if isinstance(said, str) else said


Sources = Annotated[
    list[Annotated[str, Field(pattern=r"^[^\x00]+$")]],
    BeforeValidator(_listed),
    Field(min_length=1),
]


def found(source: Iterable[str]) -> dict[Path, str]:
    """Each file that the patterns find, by its path, and what it is called; none is refused."""
    patterns = list(source)
    files: dict[Path, str] = {}
    for pattern in patterns:
        for path in sorted(glob.glob(pattern, recursive=True)):
            if os.path.isfile(path):  # where nobody may look there is none
                files.setdefault(Path(path), _called(Path(path), pattern))
    if not files:
        shown = " or ".join(f"`{pattern}`" for pattern in patterns)
        raise UsageError(f"no file is found by {shown}: say in `source` where the files lie")
    if len(files) > MOST:
        raise UsageError(
            f"`source` finds {len(files):,} files, and at most {MOST:,} are read: narrow it"
        )
    return files


def read_texts(files: dict[Path, str]) -> tuple[dict[Path, str], dict[str, str]]:
    """The text of each file that can be read, and why the others cannot be; none is refused."""
    texts, skipped = {}, {}
    for file, name in files.items():
        try:
            texts[file] = read_text(file)
        except UsageError as error:
            skipped[name] = str(error)
    if not texts:
        why = "; ".join(f"{name} {reason}" for name, reason in list(skipped.items())[:3])
        raise UsageError(f"none of the files of `source` can be read ({why})")
    return texts, skipped


def read_text(file: Path, largest: int = LARGEST) -> str:
    """A file's text; what is too large, or no text, is refused with the reason."""
    try:
        if (size := file.stat().st_size) > largest:
            raise UsageError(f"has {size:,} bytes, and at most {largest:,} are read")
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}") from error
    if b"\0" in content[:LOOKED_AT]:
        raise UsageError("is not a text")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UsageError("is not UTF-8") from error


def stamps(files: Sequence[Path]) -> tuple[tuple[str, int, int], ...]:
    """By which to know that nothing has changed; too much for one search is refused."""
    try:
        seen = tuple((str(f), (stat := f.stat()).st_mtime_ns, stat.st_size) for f in files)
    except OSError as error:
        raise UsageError(f"cannot read {error.filename!r}: {error.strerror}") from error
    if (size := sum(size for *_, size in seen if size <= LARGEST)) > WHOLE:
        raise UsageError(
            f"`source` finds {size:,} bytes, and at most {WHOLE:,} are searched: narrow it"
        )
    return seen


def _called(file: Path, pattern: str) -> str:
    """The file's name below the folder that the pattern begins in: no path of this machine."""
    parts = ((part, _ESCAPED.sub(r"\1", part)) for part in Path(pattern).parts)
    fixed = Path(*(said for _, said in takewhile(_is_fixed, parts)))
    return str(file.relative_to(fixed.parent)) if fixed.is_dir() else file.name


def _is_fixed(part: tuple[str, str]) -> bool:
    """Whether a part of a pattern, also as it reads without its escapes, stands for one name."""
    return not glob.has_magic(part[0]) or glob.escape(part[1]) == part[0]
