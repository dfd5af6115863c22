"""The messages of a chat completion request, and their conversion to LangChain's."""

import json
from typing import Annotated, Any, Literal
from uuid import uuid4

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    InvalidToolCall,
    SystemMessage,
    ToolCall,
    ToolMessage,
)
from pydantic import BaseModel, ConfigDict, Field

from moagraph.server.validation import MAX_TEXT_CHARS

Id = Annotated[str, Field(min_length=1, max_length=256)]
Text = Annotated[str, Field(max_length=MAX_TEXT_CHARS)]


class StrictModel(BaseModel):
    """A part of a request; nothing is coerced: a number in quotes is not a number."""

    # An error's text must not repeat the input: it may reach a log.
    model_config = ConfigDict(strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class TextPart(StrictModel):
    """Text as a part of a message."""

    type: Literal["text"]
    text: Text


class ImageUrl(StrictModel):
    """The address of an image, or the image itself as a data URL."""

    url: str
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(StrictModel):
    """An image as a part of a message, for models with vision."""

    type: Literal["image_url"]
    image_url: ImageUrl


UserPart = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class SystemMessageParam(StrictModel):
    """Instructions for the models."""

    role: Literal["system", "developer"]
    content: Text | Annotated[list[TextPart], Field(fail_fast=True)]
    name: str | None = None


class UserMessageParam(StrictModel):
    """What the user says."""

    role: Literal["user"]
    content: Text | Annotated[list[UserPart], Field(fail_fast=True)]
    name: str | None = None


class FunctionCallParam(StrictModel):
    """A function's name, and its arguments as JSON text."""

    name: str
    arguments: Text


class ToolCallParam(StrictModel):
    """A tool call that the assistant made."""

    id: Id
    type: Literal["function"]
    function: FunctionCallParam


class AssistantMessageParam(StrictModel):
    """An earlier answer, or the tool calls that it consists of."""

    role: Literal["assistant"]
    content: Text | Annotated[list[TextPart], Field(fail_fast=True)] | None = None
    tool_calls: Annotated[list[ToolCallParam], Field(fail_fast=True)] | None = None
    name: str | None = None


class ToolMessageParam(StrictModel):
    """The result of a tool call."""

    role: Literal["tool"]
    content: Text | Annotated[list[TextPart], Field(fail_fast=True)]
    tool_call_id: Id


MessageParam = Annotated[
    SystemMessageParam | UserMessageParam | AssistantMessageParam | ToolMessageParam,
    Field(discriminator="role"),
]


def is_empty(message: MessageParam) -> bool:
    """Whether the message has nothing that a model could read."""
    if isinstance(message, AssistantMessageParam):
        return not message.content and not message.tool_calls
    if not isinstance(message, UserMessageParam) or isinstance(message.content, str):
        return False
    return not any(isinstance(part, ImagePart) or part.text.strip() for part in message.content)


def to_langchain(message: MessageParam) -> AnyMessage:
    """Convert the message; its id is set here so that the graph need not set it on the loop."""
    fields: dict[str, Any] = {"content": _langchain_content(message), "id": str(uuid4())}
    if isinstance(message, ToolMessageParam):
        return ToolMessage(**fields, tool_call_id=message.tool_call_id)
    fields["name"] = message.name
    if isinstance(message, SystemMessageParam):
        return SystemMessage(**fields)
    if isinstance(message, UserMessageParam):
        return HumanMessage(**fields)
    calls = [_parse_tool_call(call) for call in message.tool_calls or ()]
    return AIMessage(
        **fields,
        tool_calls=[call for call in calls if call["type"] == "tool_call"],
        invalid_tool_calls=[call for call in calls if call["type"] == "invalid_tool_call"],
    )


def _langchain_content(message: MessageParam) -> str | list[dict[str, Any]]:
    if isinstance(message.content, list):
        return [part.model_dump(mode="json", exclude_none=True) for part in message.content]
    return message.content or ""


def _parse_tool_call(call: ToolCallParam) -> ToolCall | InvalidToolCall:
    """Parse the arguments; a model may have written invalid JSON, which is passed on as it is."""
    name, text = call.function.name, call.function.arguments
    try:
        arguments = json.loads(text or "{}")
    except (ValueError, RecursionError):
        arguments = None
    if isinstance(arguments, dict):
        return ToolCall(type="tool_call", id=call.id, name=name, args=arguments)
    return InvalidToolCall(
        type="invalid_tool_call", id=call.id, name=name, args=text, error="no JSON object"
    )
