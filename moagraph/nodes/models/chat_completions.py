"""What a server of OpenAI's chat completions sent, reduced to what the protocol allows.

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

MAX_DEPTH = 8  # of objects in each other, in what is kept as it came
MAX_INTEGER = 2**63 - 1
MAX_NAME = 200  # characters of a model's name, a reason, an id
MAX_TOOL_CALLS = 128

Json = dict[str, Any]


def parse_json(data: bytes | str) -> Json:
    """The JSON object in the data, whatever its encoding; anything else cannot be used."""
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
    """Raise what the server reports in place of an answer, though its status is a success."""
    if error := body.get("error"):
        message = error.get("message") if isinstance(error, Mapping) else None
        raise BadResponse(clean_text(str(message or error)))


def clean_completion(body: Json) -> Json:
    """The first choice of a whole answer, in the form that LangChain reads."""
    check_error(body)
    choice = first_choice(body)
    if choice is None:
        raise BadResponse("the response has no `choices`")
    message = choice.get("message")
    if not isinstance(message, Mapping):
        raise BadResponse("the response has a choice without a `message`")
    cleaned: Json = {"role": "assistant", "content": clean_text(content_text(message.get("content")))}
    calls = clean_tool_calls(message.get("tool_calls"))
    if named := [call for call in calls if call["function"]["name"]]:
        cleaned["tool_calls"] = named
    finish = clean_finish_reason(choice.get("finish_reason"))
    choices = [
        {"message": cleaned, "finish_reason": finish, **clean_logprobs(choice.get("logprobs"))}
    ]
    return {**clean_head(body), "choices": choices}


def refusal_of(body: Json) -> str | None:
    """The text with which the model declines to answer, if it does."""
    choice = first_choice(body) or {}
    message = choice.get("message") or choice.get("delta")
    refusal = message.get("refusal") if isinstance(message, Mapping) else None
    return clean_text(refusal) if isinstance(refusal, str) and refusal else None


def first_choice(body: Json) -> Mapping[str, Any] | None:
    """The only choice that is asked for; of several, the one with the index 0."""
    others = (one for one in _mappings(body.get("choices")) if _is_first(one.get("index")))
    return next(others, None)


def _is_first(index: Any) -> bool:
    return type(index) is not int or index == 0


def clean_head(body: Json) -> Json:
    """Which model answered, under which id, and how many tokens that took."""
    names = {key: clean_name(body.get(key)) for key in ("id", "model", "system_fingerprint")}
    cleaned: Json = {key: name for key, name in names.items() if name}
    if usage := checked_usage(body.get("usage"), OPENAI):
        cleaned["usage"] = usage
    return cleaned


def content_text(content: Any) -> str:
    """The text of a message, also of one in parts; empty where there is none."""
    if isinstance(content, str):
        return content
    texts = [part.get("text") for part in _mappings(content)]
    return "".join(text for text in texts if isinstance(text, str))


def clean_tool_calls(calls: Any) -> list[Json]:
    """The calls of functions; arguments that came as JSON are written as such."""
    cleaned = (_tool_call(position, call) for position, call in enumerate(_mappings(calls)))
    return [call for call in cleaned if call][:MAX_TOOL_CALLS]


def _tool_call(position: int, call: Mapping[str, Any]) -> Json | None:
    function = call.get("function")
    if not isinstance(function, Mapping):
        return None
    index, arguments = call.get("index"), function.get("arguments")
    if isinstance(arguments, Mapping):
        arguments = json.dumps(plain(arguments), ensure_ascii=False)
    return {
        "index": index if type(index) is int and 0 <= index < MAX_TOOL_CALLS else position,
        "id": clean_name(call.get("id")),
        "type": "function",
        "function": {
            "name": clean_name(function.get("name")),
            "arguments": clean_text(arguments) if isinstance(arguments, str) else "",
        },
    }


def clean_finish_reason(reason: Any) -> str | None:
    """Why the answer ends, as a word; what is no word is kept as a text, which no one knows."""
    if not reason:
        return None
    return clean_name(reason) or clean_text(f"{reason!r:.40}")


def clean_logprobs(logprobs: Any) -> Json:
    """The tokens with a probability that is a number, and their alternatives."""
    tokens = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    kept = [plain(token) for token in _mappings(tokens) if _has_logprob(token)]
    for token in kept:
        rivals = _mappings(token.get("top_logprobs"))
        token["top_logprobs"] = [rival for rival in rivals if _has_logprob(rival)]
    return {"logprobs": {"content": kept}} if kept else {}


def _has_logprob(token: Mapping[str, Any]) -> bool:
    logprob = token.get("logprob")
    is_number = isinstance(logprob, int | float) and not isinstance(logprob, bool)
    return isinstance(token.get("token"), str) and is_number and plain(logprob) is not None


def plain(value: Any, depth: int = MAX_DEPTH) -> Any:
    """The value as any store can keep it: no number beyond 64 bits, no half of a character."""
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
    """Whether every number in the value can be stored as it is."""
    if isinstance(value, Mapping):
        return all(map(is_storable, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_storable, value))
    return not isinstance(value, int | float) or plain(value) is not None


def clean_name(name: Any) -> str | None:
    """A short text such as an id; None where it is something else."""
    return clean_text(name[:MAX_NAME]) if isinstance(name, str) and name else None


def clean_text(text: str) -> str:
    """The text without halves of characters, which no encoding can write."""
    if text.isascii():
        return text
    paired = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return paired.encode("utf-8", "replace").decode()


def _mappings(values: Any) -> list[Mapping[str, Any]]:
    """The objects of a list; none where it is no list."""
    return [one for one in values if isinstance(one, Mapping)] if isinstance(values, list) else []
