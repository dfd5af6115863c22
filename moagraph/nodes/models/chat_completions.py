"""Sanitize responses of OpenAI-compatible servers to what the protocol allows.

Any value may be missing, of another type, too large or of another encoding. What can be used is
kept, everything else is dropped here, so that nothing behind has to expect it: a text in a count
would end the run, and a number of 65 bits could not be stored with the thread.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from moagraph.nodes.models.failures import BadResponse
from moagraph.nodes.models.usage import OPENAI, checked_usage

MAX_DEPTH = 8  # levels of nested objects in values that are not interpreted
MAX_INTEGER = 2**63 - 1
MAX_NAME = 200  # characters of a model's name, a reason, an id
MAX_TOOL_CALLS = 128

Json = dict[str, Any]


def parse_json(data: bytes | str) -> Json:
    """Parse a JSON object in any encoding; raise BadResponse for anything else."""
    try:
        if isinstance(data, bytes):
            data = data.decode(json.detect_encoding(data), "replace")
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadResponse(f"no JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadResponse(f"JSON, but no object: {value!r:.80}")
    return value


def check_error(body: Json) -> None:
    """Raise BadResponse for an error object: some servers send one with status 200."""
    if error := body.get("error"):
        message = error.get("message") if isinstance(error, Mapping) else None
        raise BadResponse(clean_text(str(message or error)))


def clean_completion(body: Json) -> Json:
    """Return the first choice of a complete answer, in the form that LangChain reads."""
    check_error(body)
    choice = first_choice(body)
    if choice is None:
        raise BadResponse("the response has no `choices`")
    message = choice.get("message")
    if not isinstance(message, Mapping):
        raise BadResponse("the response has a choice without a `message`")
    cleaned: Json = {
        "role": "assistant",
        "content": clean_text(content_text(message.get("content"))),
    }
    calls = clean_tool_calls(message.get("tool_calls"))
    if named := [call for call in calls if call["function"]["name"]]:
        cleaned["tool_calls"] = named
    finish = clean_finish_reason(choice.get("finish_reason"))
    choices = [
        {"message": cleaned, "finish_reason": finish, **clean_logprobs(choice.get("logprobs"))}
    ]
    return {**clean_head(body), "choices": choices}


def refusal_of(body: Json) -> str | None:
    """Return the text with which the model refuses to answer, if it does."""
    choice = first_choice(body) or {}
    message = choice.get("message") or choice.get("delta")
    refusal = message.get("refusal") if isinstance(message, Mapping) else None
    return clean_text(refusal) if isinstance(refusal, str) and refusal else None


def first_choice(body: Json) -> Mapping[str, Any] | None:
    """Return the choice with index 0, the only one that is requested."""
    others = (choice for choice in _mappings(body.get("choices")) if _is_first(choice.get("index")))
    return next(others, None)


def _is_first(index: Any) -> bool:
    return type(index) is not int or index == 0


def clean_head(body: Json) -> Json:
    """Return the id, the model and the usage of a response."""
    names = {key: clean_name(body.get(key)) for key in ("id", "model", "system_fingerprint")}
    cleaned: Json = {key: name for key, name in names.items() if name}
    if usage := checked_usage(body.get("usage"), OPENAI):
        cleaned["usage"] = usage
    return cleaned


def content_text(content: Any) -> str:
    """Return the text of a message, which may be a list of parts."""
    if isinstance(content, str):
        return content
    texts = [part.get("text") for part in _mappings(content)]
    return "".join(text for text in texts if isinstance(text, str))


def clean_tool_calls(calls: Any) -> list[Json]:
    """Return the tool calls; arguments that are JSON objects are serialized again."""
    cleaned = (_tool_call(position, call) for position, call in enumerate(_mappings(calls)))
    return [call for call in cleaned if call][:MAX_TOOL_CALLS]


def _tool_call(position: int, call: Mapping[str, Any]) -> Json | None:
    function = call.get("function")
    if not isinstance(function, Mapping):
        return None
    index, arguments = call.get("index"), function.get("arguments")
    # The protocol wants a JSON text; some servers send the object itself.
    if isinstance(arguments, Mapping):
        arguments = json.dumps(plain(arguments), ensure_ascii=False)
    return {
        # LangChain joins the pieces of a streamed call by its index.
        "index": index if type(index) is int and 0 <= index < MAX_TOOL_CALLS else position,
        "id": clean_name(call.get("id")),
        "type": "function",
        "function": {
            "name": clean_name(function.get("name")),
            "arguments": clean_text(arguments) if isinstance(arguments, str) else "",
        },
    }


def clean_finish_reason(reason: Any) -> str | None:
    """Return the finish reason; another type becomes a text, which counts as unknown."""
    if not reason:
        return None
    return clean_name(reason) or clean_text(f"{reason!r:.40}")


def clean_logprobs(logprobs: Any) -> Json:
    """Return the tokens with numeric log probabilities, and their alternatives."""
    tokens = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    usable = [plain(token) for token in _mappings(tokens) if _has_logprob(token)]
    for token in usable:
        rivals = _mappings(token.get("top_logprobs"))
        token["top_logprobs"] = [rival for rival in rivals if _has_logprob(rival)]
    return {"logprobs": {"content": usable}} if usable else {}


def _has_logprob(token: Mapping[str, Any]) -> bool:
    logprob = token.get("logprob")
    is_number = isinstance(logprob, int | float) and not isinstance(logprob, bool)
    return isinstance(token.get("token"), str) and is_number and plain(logprob) is not None


def plain(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Return the value without what stores reject: integers beyond 64 bits, lone surrogates."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, int):
        return value if abs(value) <= MAX_INTEGER else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth and isinstance(value, Mapping):
        return {clean_text(str(key)): plain(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list | tuple):
        return [plain(item, depth - 1) for item in value]
    return None


def is_storable(value: Any) -> bool:
    """Return whether every number in the value can be stored."""
    if isinstance(value, Mapping):
        return all(map(is_storable, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_storable, value))
    return not isinstance(value, int | float) or plain(value) is not None


def clean_name(name: Any) -> str | None:
    """Return a short text such as an id; None for any other value."""
    return clean_text(name[:MAX_NAME]) if isinstance(name, str) and name else None


def clean_text(text: str) -> str:
    """Return the text without lone surrogates, which UTF-8 cannot encode."""
    if text.isascii():
        return text
    # Going through UTF-16 joins surrogate pairs, which are one character in halves.
    paired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return paired.encode("utf-8", "replace").decode()


def _mappings(values: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list; empty for any other value."""
    return (
        [value for value in values if isinstance(value, Mapping)]
        if isinstance(values, list)
        else []
    )
