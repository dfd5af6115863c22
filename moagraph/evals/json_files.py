"""Files of JSON, gzipped or not; what is wrong with one is said in a line."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from moagraph.nodes.errors import UsageError


def read_json(file: Path, what: str) -> Any:
    """What a file holds; `what` names it where it cannot be read."""
    try:
        raw = file.read_bytes()
        return json.loads(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
    except OSError as error:
        raise UsageError(f"cannot read the {what} {str(file)!r}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        at = f"line {error.lineno} column {error.colno}"
        ends = "Unterminated" in error.msg or error.pos >= len(error.doc.rstrip()) - 1
        hint = "; it seems to be cut off" if ends else ""
        raise UsageError(f"{file}: not whole JSON: {error.msg} at {at}{hint}") from error
    except (EOFError, zlib.error, ValueError, RecursionError) as error:
        raise UsageError(f"{file}: not a whole JSON file: {error}") from error


def write_text(file: Path, text: str) -> None:
    """Write it; half a character, of a model or in a file's name, as JSON escapes it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8", errors="backslashreplace")


def read_rows(file: Path, what: str) -> list[dict[str, Any]]:
    """A JSON array of objects, with at least one."""
    said = read_json(file, what)
    if not isinstance(said, list):
        raise UsageError(f"{file}: the {what} are a JSON array of objects")
    if not said:
        raise UsageError(f"{file}: the array is empty, so there is nothing to do")
    for number, row in enumerate(said, 1):
        if not isinstance(row, dict):
            raise UsageError(f"{file}: row {number} is no object")
    return said
