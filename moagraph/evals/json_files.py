"""Read and write JSON files, gzipped or not; an unreadable file is a one-line error."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from moagraph.nodes.errors import UsageError


def read_json(file: Path, what: str) -> Any:
    """Return the parsed content of a JSON file.

    Args:
        file: The file; gzip is detected by its first bytes.
        what: The name of the content in error messages.
    """
    try:
        raw = file.read_bytes()
        return json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    except OSError as error:
        raise UsageError(f"cannot read the {what} {str(file)!r}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        position = f"line {error.lineno} column {error.colno}"
        truncated = "Unterminated" in error.msg or error.pos >= len(error.doc.rstrip()) - 1
        hint = "; it seems to be cut off" if truncated else ""
        raise UsageError(f"{file}: not whole JSON: {error.msg} at {position}{hint}") from error
    except (EOFError, zlib.error, ValueError, RecursionError) as error:
        raise UsageError(f"{file}: not a whole JSON file: {error}") from error


def write_text(file: Path, text: str) -> None:
    """Write a text file, with its folder if needed.

    A lone surrogate, from a model or a file name, cannot be encoded and is written escaped.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8", errors="backslashreplace")


def read_rows(file: Path, what: str) -> list[dict[str, Any]]:
    """Return the objects of a JSON array; an empty array is refused.

    Args:
        file: The file, gzipped or not.
        what: The name of the content in error messages.
    """
    rows = read_json(file, what)
    if not isinstance(rows, list):
        raise UsageError(f"{file}: the {what} are a JSON array of objects")
    if not rows:
        raise UsageError(f"{file}: the array is empty, so there is nothing to do")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise UsageError(f"{file}: row {number} is no object")
    return rows
