"""The turn's answer as a message of the conversation."""

from langchain_core.messages import AIMessage

from moagraph.nodes.models.reply import Reply


def message_of_reply(reply: Reply) -> AIMessage:
    """Return a model's reply as a message with the id that its tokens were streamed with."""
    message = reply.message
    return AIMessage(
        reply.text,
        id=message.id if message else None,
        tool_calls=message.tool_calls if message else [],
        response_metadata=message.response_metadata if message else {},
        usage_metadata=message.usage_metadata if message else None,
    )


def message_of_text(text: str, kind: str = "ok") -> AIMessage:
    """Return a text that existed before, such as a selected proposal of that kind."""
    finish = "length" if kind == "truncated" else "stop"
    return AIMessage(text, response_metadata={"finish_reason": finish})
