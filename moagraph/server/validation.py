"""Validate a request body: size limits first, then the pydantic model; errors in OpenAI's form."""

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from moagraph.server.protocol_errors import ApiError

M = TypeVar("M", bound=BaseModel)

# OpenAI's own limits on messages and on the text of one.
MAX_ITEMS = 2048
MAX_TEXT_CHARS = 2**20
# Values in the whole body: parsing and validation block the event loop in proportion.
MAX_JSON_VALUES = 50_000
CONVERSATION_FIELDS = ("messages", "input")
PART_FIELDS = ("content", "tool_calls")
ERROR_CODES = {"string_too_long": "string_above_max_length", "too_long": "array_above_max_length"}


def validate_body(model: type[M], body: bytes) -> M:
    """Parse a request body.

    Args:
        model: The model of the request.
        body: The body as it was received.

    Raises:
        ApiError: The body is not JSON, has too many values, or has a wrong field; the first
            wrong field is named.
    """
    if _count_values(body) > MAX_JSON_VALUES:
        message = f"the body has more than {MAX_JSON_VALUES:,} JSON values: send a shorter request"
        raise ApiError(400, message, code="array_above_max_length")
    try:
        content = from_json(body)
    except ValueError as error:
        raise ApiError(400, f"the body is not JSON: {error}", code="invalid_json") from error
    _check_lengths(content)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise to_bad_request(content, error) from error


def to_bad_request(content: Any, error: ValidationError) -> ApiError:
    """Describe the wrong field of a body.

    Args:
        content: The JSON that was validated.
        error: What is wrong with it. Where a value may have one of several types there is an
            error for each; the deepest path belongs to the type that came nearest.
    """
    nearest = max(error.errors(include_url=False), key=lambda details: len(details["loc"]))
    param = "".join(_client_path(content, nearest["loc"])).removeprefix(".") or None
    if nearest["type"] == "extra_forbidden":
        return ApiError(400, f"`{param}` is not supported here: leave it out", param=param)
    if nearest["type"] == "missing":
        return ApiError(400, f"`{param}` is missing", param=param)
    message = nearest["msg"][:1].lower() + nearest["msg"][1:]
    code = ERROR_CODES.get(nearest["type"])
    return ApiError(400, f"`{param or 'body'}`: {message}", param=param, code=code)


def _count_values(body: bytes) -> int:
    """Count commas and opening brackets outside of strings, or return an upper bound.

    Parsing is what takes long, so this uses only searches that run at memory speed.
    """
    bound = _count_separators(body)
    if bound <= MAX_JSON_VALUES:
        return bound
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if unescaped.count(b'"') > 4 * (MAX_JSON_VALUES + 1):  # a key and a text for each value
        return bound
    return _count_separators(b"".join(unescaped.split(b'"')[::2]))


def _count_separators(text: bytes) -> int:
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def _check_lengths(content: Any) -> None:
    """Refuse long lists before pydantic reports an error for each of their items."""
    if not isinstance(content, dict):
        return
    _check_length("body", content, None)
    for name, value in content.items():
        _check_length(name, value, name)
    for name in CONVERSATION_FIELDS:
        items = content.get(name)
        if isinstance(items, list):
            parts = [part for item in items for part in _parts(item)]
            _check_length(f"{name}[].content", parts, name)


def _parts(item: Any) -> Iterator[Any]:
    """The content parts and tool calls of one message."""
    if isinstance(item, dict):
        for name in PART_FIELDS:
            if isinstance(item.get(name), list):
                yield from item[name]


def _check_length(name: str, value: Any, param: str | None) -> None:
    if isinstance(value, list | dict) and len(value) > MAX_ITEMS:
        message = f"`{name[:64]}` has {len(value):,} items, but at most {MAX_ITEMS:,} are accepted"
        raise ApiError(400, message, param=param, code="array_above_max_length")


def _client_path(value: Any, loc: tuple[str | int, ...]) -> Iterator[str]:
    """The parts of pydantic's path that exist in the body, without the names of union members."""
    for depth, key in enumerate(loc):
        if isinstance(value, dict) and isinstance(key, str):
            if key in value or depth == len(loc) - 1:
                value = value.get(key)
                yield f".{key}"
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
            yield f"[{key}]"
