"""Rows out of a file: JSON lines, a JSON list or plain text, packed or not."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any, NoReturn

from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json


def text_of(file: Path) -> str:
    """The file as text, unpacked where it is packed."""
    try:
        data = file.read_bytes()
        return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{str(file)!r} is not UTF-8 (byte {error.start})") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UsageError(f"{str(file)!r} is packed and damaged: {error}") from error
    except OSError as error:
        raise UsageError(f"cannot read {str(file)!r}: {error.strerror}") from error


def rows_of(file: Path) -> list[tuple[int, Json]]:
    """Each row with the line it begins at; a row of a list counts from 1."""
    text = text_of(file)
    if text.lstrip().startswith("["):
        return list(enumerate(_list(file, text), 1))
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    return [(number, _object(file, number, line)) for number, line in lines]


def strict(text: str) -> Any:
    """JSON without NaN, which no other reader would take."""
    return json.loads(text, parse_constant=_refused)


def _list(file: Path, text: str) -> list[Json]:
    try:
        rows = strict(text)
    except ValueError as error:
        raise UsageError(f"{str(file)!r} is not JSON: {error}") from error
    odd = next((n for n, row in enumerate(rows, 1) if not isinstance(row, dict)), None)
    if odd:
        raise UsageError(f"{str(file)!r}: entry {odd} is no JSON object")
    return list(rows)


def _object(file: Path, number: int, line: str) -> Json:
    try:
        row = strict(line)
    except ValueError as error:
        raise UsageError(f"{file}:{number}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise UsageError(f'{file}:{number}: a row is a JSON object, such as {{"prompt": "…"}}')
    return row


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
