"""Parts of a LangChain message in OpenAI's form, shared by both APIs."""

import json

from langchain_core.messages import AIMessage, AIMessageChunk

from moagraph.nodes.state import Json


def replace_surrogates(text: str) -> str:
    """Replace lone surrogates: they are not Unicode, and strict JSON readers fail on them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def finish_reason(message: AIMessage) -> str:
    """Say why the answer ends, as one of OpenAI's four reasons."""
    reason = str(message.response_metadata.get("finish_reason", "stop"))
    if reason in ("length", "content_filter"):
        return reason
    return "tool_calls" if message.tool_calls else "stop"


def tool_calls(message: AIMessage) -> list[Json]:
    """List the message's complete tool calls."""
    return [
        {
            "index": index,
            "id": call["id"],
            "type": "function",
            "function": {
                "name": call["name"],
                "arguments": json.dumps(call["args"], ensure_ascii=False),
            },
        }
        for index, call in enumerate(message.tool_calls)
    ]


def tool_call_deltas(message: AIMessageChunk) -> list[Json]:
    """List the chunk's parts of tool calls.

    The first part of a call has its id and name; the later ones only add arguments.
    """
    deltas = []
    for chunk in message.tool_call_chunks:
        head = {"id": chunk["id"], "type": "function"} if chunk["id"] else {}
        name = {"name": chunk["name"]} if chunk["name"] else {}
        function = {**name, "arguments": chunk["args"] or ""}
        deltas.append({"index": chunk["index"] or 0, **head, "function": function})
    return deltas
