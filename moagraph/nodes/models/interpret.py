"""Turn a model's message into a reply: its text, its tool calls, and whether they are usable."""

import math
from collections.abc import Collection
from typing import Any

from langchain_core.messages import AIMessage

from moagraph.nodes.models.call import Call
from moagraph.nodes.models.chat_completions import clean_text, is_storable, plain
from moagraph.nodes.models.error_redaction import keys_in_answers, redact
from moagraph.nodes.models.providers import secret, speaks_openai
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.models.usage import LANGCHAIN, checked_usage

CUT_OFF = {"length", "max_tokens", "model_length"}
# The finish reasons of OpenAI's protocol and of providers with their own packages.
KNOWN_FINISH_REASONS = {
    "stop",
    "tool_calls",
    "function_call",
    "eos",
    "eos_token",
    "end_turn",
    "stop_sequence",
}
KNOWN_FINISH_REASONS |= {"tool_use", "complete", "completed", "stop_sequences"} | CUT_OFF
INSIDE = "moa"  # metadata of an answer by a nested recipe, written by this process


def interpret(call: Call, message: AIMessage) -> Reply:
    """Return the reply for a message: its text, or why it cannot be used."""
    checked = checked_message(call, message)
    details = checked.response_metadata
    finish = details.get("finish_reason")
    finish = finish.lower() if isinstance(finish, str) else finish
    error = _refusal(call, message, checked, finish)
    kind = error[0] if error else "truncated" if finish in CUT_OFF else "ok"
    answered_by, usage = details.get("model_name"), checked.usage_metadata
    return Reply(
        model=call.model,
        kind=kind,
        text="" if error else checked.text,
        error=error[1] if error else None,
        answered_by=answered_by if isinstance(answered_by, str) else None,
        input_tokens=usage["input_tokens"] if usage else None,
        output_tokens=usage["output_tokens"] if usage else None,
        logprob=_mean_logprob(details),
        message=checked,
        warnings=[] if error else _warnings(finish),
    )


def checked_message(call: Call, message: AIMessage) -> AIMessage:
    """Return the message without API keys, and with only those tool calls that were offered."""
    keys = keys_in_answers([key] if (key := _secret(call)) else [])
    details = message.response_metadata
    names = offered(call)
    changes: dict[str, Any] = {
        "content": redact(_content(message), keys),
        "tool_calls": [
            {**tool, "args": redact(plain(tool["args"]), keys)}
            for tool in message.tool_calls
            if tool["name"] in names and is_storable(tool["args"])
        ],
        "invalid_tool_calls": [],
        "response_metadata": details if INSIDE in details else redact(plain(details), keys),
        "additional_kwargs": redact(plain(message.additional_kwargs), keys),
        "usage_metadata": checked_usage(message.usage_metadata, LANGCHAIN),
    }
    return message.model_copy(update=changes)


def offered(call: Call) -> Collection[str]:
    """Return the names of the tools that the model may call."""
    if call.tool_choice == "none":
        return ()
    functions = [tool.get("function", tool) for tool in call.tools or ()]
    return {str(function.get("name")) for function in functions if isinstance(function, dict)}


def _refusal(
    call: Call, message: AIMessage, checked: AIMessage, finish: Any
) -> tuple[str, str] | None:
    """Return the kind and reason of the failure; None if the message is usable."""
    if finish == "content_filter":
        return "refused", "the provider's content filter withheld the answer"
    if finish is None and speaks_openai(call):
        return "bad_answer", "the answer breaks off: it ends without a finish reason"
    if checked.text.strip() or checked.tool_calls:
        return None
    if refusal := checked.additional_kwargs.get("refusal"):
        return "refused", f"the model declines to answer: {' '.join(str(refusal).split())[:200]}"
    # Only now, as an answer with a text is usable even if its tool call is not.
    if names := [str(tool["name"]) for tool in message.tool_calls]:
        return "bad_answer", _unusable_tool(names[0], offered(call))
    return "empty", f"the answer is empty (finish reason {finish!r})"


def _unusable_tool(name: str, names: Collection[str]) -> str:
    reason = "with arguments that cannot be stored" if name in names else "which nobody offered"
    return f"the model called the tool {name!r:.80}, {reason}"


def _warnings(finish: Any) -> list[str]:
    if finish is None or finish in KNOWN_FINISH_REASONS:
        return []
    return [f"the finish reason {finish!r:.60} is unknown: the answer may be incomplete"]


def _content(message: AIMessage) -> Any:
    content = message.content
    return clean_text(content) if isinstance(content, str) else plain(content)


def _secret(call: Call) -> str | None:
    """Return the key of the call; None if it is unavailable, as it then cannot be in the answer."""
    try:
        return secret(call)
    except Exception:  # the key may be unset by now, or the answer comes from the cache
        return None


def _mean_logprob(details: dict[str, Any]) -> float | None:
    """Return the mean log probability of the answer's tokens."""
    logprobs = details.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    values = [token.get("logprob") for token in tokens or () if isinstance(token, dict)]
    numbers = [
        float(value) for value in values if isinstance(value, int | float) and math.isfinite(value)
    ]
    return round(sum(numbers) / len(numbers), 4) if numbers else None
