"""Validation errors of a request body as one line in OpenAI's form."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from moagraph.server.protocol_errors import ApiError


def to_bad_request(body: bytes, error: ValidationError) -> ApiError:
    """Describe the wrong field of a body.

    Args:
        body: The request body that was validated.
        error: What is wrong with it. Where a value may have one of several types there is an
            error for each; the deepest path belongs to the type that came nearest.
    """
    nearest = max(error.errors(include_url=False), key=lambda details: len(details["loc"]))
    if nearest["type"] == "json_invalid":
        message = f"the body is not JSON: {nearest['ctx']['error']}"
        return ApiError(400, message, code="invalid_json")
    param = "".join(_client_path(json.loads(body), nearest["loc"])).removeprefix(".") or None
    if nearest["type"] == "extra_forbidden":
        return ApiError(400, f"`{param}` is not supported here: leave it out", param=param)
    if nearest["type"] == "missing":
        return ApiError(400, f"`{param}` is missing", param=param)
    message = nearest["msg"][:1].lower() + nearest["msg"][1:]
    return ApiError(400, f"`{param or 'body'}`: {message}", param=param)


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
