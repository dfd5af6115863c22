"""Read the rows of a data file: JSON lines, a JSON array or plain text, gzipped or not."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any, NoReturn

from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json


def read_text(file: Path) -> str:
    """Return a file's text, decompressed if it is gzipped."""
    try:
        data = file.read_bytes()
        return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{str(file)!r} is not UTF-8 (byte {error.start})") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UsageError(f"{str(file)!r} is packed and damaged: {error}") from error
    except OSError as error:
        raise UsageError(f"cannot read {str(file)!r}: {error.strerror}") from error


def read_numbered_rows(file: Path) -> list[tuple[int, Json]]:
    """Return each row with its line number; the rows of an array are counted from 1."""
    text = read_text(file)
    if text.lstrip().startswith("["):
        return list(enumerate(_parse_array(file, text), 1))
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    return [(number, _parse_object(file, number, line)) for number, line in lines]


def parse_json(text: str) -> Any:
    """Parse JSON; NaN and Infinity are refused, as other JSON parsers refuse them."""
    return json.loads(text, parse_constant=_refuse_constant)


def _parse_array(file: Path, text: str) -> list[Json]:
    try:
        rows = parse_json(text)
    except ValueError as error:
        raise UsageError(f"{str(file)!r} is not JSON: {error}") from error
    invalid = next((n for n, row in enumerate(rows, 1) if not isinstance(row, dict)), None)
    if invalid:
        raise UsageError(f"{str(file)!r}: entry {invalid} is no JSON object")
    return list(rows)


def _parse_object(file: Path, number: int, line: str) -> Json:
    try:
        row = parse_json(line)
    except ValueError as error:
        raise UsageError(f"{file}:{number}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise UsageError(f'{file}:{number}: a row is a JSON object, such as {{"prompt": "…"}}')
    return row


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
