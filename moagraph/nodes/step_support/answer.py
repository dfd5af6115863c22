"""The turn's answer as the conversation keeps it."""

from langchain_core.messages import AIMessage

from moagraph.nodes.models.reply import Reply


def spoken(reply: Reply) -> AIMessage:
    """What a model has just said, under the id that its tokens streamed with."""
    said = reply.message
    return AIMessage(
        reply.text,
        id=said.id if said else None,
        tool_calls=said.tool_calls if said else [],
        response_metadata=said.response_metadata if said else {},
        usage_metadata=said.usage_metadata if said else None,
    )


def written(text: str, kind: str = "ok") -> AIMessage:
    """A text that was there before; `kind` is that of the proposal that it was."""
    finish = "length" if kind == "truncated" else "stop"
    return AIMessage(text, response_metadata={"finish_reason": finish})
