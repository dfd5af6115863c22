"""The files that a recipe's `source` matches, and their text."""

import glob
import os
import re
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from moagraph.nodes.errors import UsageError

MAX_FILES = 10_000  # files
MAX_FILE_BYTES = 5_000_000  # bytes of a text file
MAX_TOTAL_BYTES = 200_000_000  # bytes of all files together
SNIFFED_BYTES = 8_192  # leading bytes; a NUL among them marks a binary file

_ESCAPED = re.compile(r"\[([*?[])\]")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Sources = Annotated[
    list[Annotated[str, Field(pattern=r"^[^\x00]+$")]],
    BeforeValidator(_as_list),
    Field(min_length=1),
]


def find_files(source: Iterable[str]) -> dict[Path, str]:
    """Return the path and display name of each file that the patterns match.

    Args:
        source: Glob patterns.

    Raises:
        UsageError: No file matches, or too many do.
    """
    patterns = list(source)
    files: dict[Path, str] = {}
    for pattern in patterns:
        for path in sorted(glob.glob(pattern, recursive=True)):
            if os.path.isfile(path):  # also false without permission to look
                files.setdefault(Path(path), _display_name(Path(path), pattern))
    if not files:
        listed = " or ".join(f"`{pattern}`" for pattern in patterns)
        raise UsageError(f"no file matches {listed}: set `source` to the path of the files")
    if len(files) > MAX_FILES:
        raise UsageError(
            f"`source` matches {len(files):,} files, and at most {MAX_FILES:,} are read: narrow it"
        )
    return files


def read_texts(files: dict[Path, str]) -> tuple[dict[Path, str], dict[str, str]]:
    """Return the text of each readable file, and the reason for each other one, by display name.

    Raises:
        UsageError: No file can be read.
    """
    texts, skipped = {}, {}
    for file, name in files.items():
        try:
            texts[file] = read_text(file)
        except UsageError as error:
            skipped[name] = str(error)
    if not texts:
        reasons = "; ".join(f"{name} {reason}" for name, reason in list(skipped.items())[:3])
        raise UsageError(f"none of the files of `source` can be read ({reasons})")
    return texts, skipped


def read_text(file: Path, largest: int = MAX_FILE_BYTES) -> str:
    """Return the text of a file of at most `largest` bytes.

    Raises:
        UsageError: The file is too large, unreadable or not UTF-8 text.
    """
    try:
        if (size := file.stat().st_size) > largest:
            raise UsageError(f"has {size:,} bytes, and at most {largest:,} are read")
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}") from error
    if b"\0" in content[:SNIFFED_BYTES]:
        raise UsageError("is not a text")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UsageError("is not UTF-8") from error


def stamps(files: Sequence[Path]) -> tuple[tuple[str, int, int], ...]:
    """Return each file's path, modification time and size, to detect changes.

    Raises:
        UsageError: The files are together too large to search.
    """
    try:
        seen = tuple((str(f), (stat := f.stat()).st_mtime_ns, stat.st_size) for f in files)
    except OSError as error:
        raise UsageError(f"cannot read {error.filename!r}: {error.strerror}") from error
    if (size := sum(size for *_, size in seen if size <= MAX_FILE_BYTES)) > MAX_TOTAL_BYTES:
        raise UsageError(
            f"`source` finds {size:,} bytes, and at most {MAX_TOTAL_BYTES:,} are searched: "
            "narrow it"
        )
    return seen


def _display_name(file: Path, pattern: str) -> str:
    """Return the path relative to the pattern's fixed folder.

    Answers cite this name, so it must not reveal where the folder is on this machine.
    """
    parts = ((part, _ESCAPED.sub(r"\1", part)) for part in Path(pattern).parts)
    fixed = Path(*(plain for _, plain in takewhile(_is_fixed, parts)))
    return str(file.relative_to(fixed.parent)) if fixed.is_dir() else file.name


def _is_fixed(part: tuple[str, str]) -> bool:
    """Return whether a part of a pattern, raw or unescaped, matches exactly one name."""
    return not glob.has_magic(part[0]) or glob.escape(part[1]) == part[0]
