"""What a model's message is worth: its text, its tool calls, and whether they can be used."""

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
# Why an answer ends, as OpenAI's protocol and the providers with packages of their own say it.
KNOWN = {"stop", "tool_calls", "function_call", "eos", "eos_token", "end_turn", "stop_sequence"}
KNOWN |= {"tool_use", "complete", "completed", "stop_sequences"} | CUT_OFF
INSIDE = "moa"  # the metadata of an answer that a recipe gave, which this process wrote itself


def interpret(call: Call, message: AIMessage) -> Reply:
    """The reply that the message makes: its text, or why it cannot be used."""
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
    """The message as it can be stored and shown: only tool calls that were offered, no key."""
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
    """The names of the tools that the model may call."""
    if call.tool_choice == "none":
        return ()
    functions = [tool.get("function", tool) for tool in call.tools or ()]
    return {str(function.get("name")) for function in functions if isinstance(function, dict)}


def _refusal(
    call: Call, message: AIMessage, checked: AIMessage, finish: Any
) -> tuple[str, str] | None:
    """The kind of failure and why, where there is nothing that can be used."""
    if finish == "content_filter":
        return "refused", "the provider's content filter withheld the answer"
    if finish is None and speaks_openai(call):
        return "bad_answer", "the answer breaks off: it ends without a finish reason"
    if checked.text.strip() or checked.tool_calls:
        return None
    if refusal := checked.additional_kwargs.get("refusal"):
        return "refused", f"the model declines to answer: {' '.join(str(refusal).split())[:200]}"
    if names := [str(tool["name"]) for tool in message.tool_calls]:
        return "bad_answer", _unusable_tool(names[0], offered(call))
    return "empty", f"the answer is empty (finish reason {finish!r})"


def _unusable_tool(name: str, names: Collection[str]) -> str:
    why = "with arguments that cannot be stored" if name in names else "which nobody offered"
    return f"the model called the tool {name!r:.80}, {why}"


def _warnings(finish: Any) -> list[str]:
    if finish is None or finish in KNOWN:
        return []
    return [f"the finish reason {finish!r:.60} is unknown: the answer may be incomplete"]


def _content(message: AIMessage) -> Any:
    content = message.content
    return clean_text(content) if isinstance(content, str) else plain(content)


def _secret(call: Call) -> str | None:
    """The key of the call; whoever has none cannot repeat it."""
    try:
        return secret(call)
    except Exception:  # it was there when the call was made, or the answer comes from the cache
        return None


def _mean_logprob(details: dict[str, Any]) -> float | None:
    """How likely the model held a token of its answer, on average."""
    logprobs = details.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    each = [token.get("logprob") for token in tokens or () if isinstance(token, dict)]
    numbers = [float(one) for one in each if isinstance(one, int | float) and math.isfinite(one)]
    return round(sum(numbers) / len(numbers), 4) if numbers else None
