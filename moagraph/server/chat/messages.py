"""The messages of a conversation as OpenAI has them, and as models hear them."""

import json
from typing import Annotated, Literal

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    InvalidToolCall,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages import ToolCall as Called
from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(min_length=1, max_length=256)]


class Strict(BaseModel):
    """Nothing is guessed: a number in quotes is no number."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class Text(Strict):
    """A piece of text."""

    type: Literal["text"]
    text: str


class ImageUrl(Strict):
    """Where an image is, or the image itself as a data URL."""

    url: str
    detail: Literal["auto", "low", "high"] | None = None


class Image(Strict):
    """A picture, for models that see."""

    type: Literal["image_url"]
    image_url: ImageUrl


class System(Strict):
    """How the models are to behave."""

    role: Literal["system", "developer"]
    content: str | list[Text]
    name: str | None = None


class User(Strict):
    """What is asked."""

    role: Literal["user"]
    content: str | list[Annotated[Text | Image, Field(discriminator="type")]]
    name: str | None = None


class Function(Strict):
    """Which function was called, and with what: arguments are JSON as text."""

    name: str
    arguments: str


class ToolCall(Strict):
    """One call of a tool."""

    id: Id
    type: Literal["function"]
    function: Function


class Assistant(Strict):
    """What was answered before."""

    role: Literal["assistant"]
    content: str | list[Text] | None = None
    tool_calls: list[ToolCall] | None = None
    name: str | None = None


class Tool(Strict):
    """What a tool came to."""

    role: Literal["tool"]
    content: str | list[Text]
    tool_call_id: Id


Message = Annotated[System | User | Assistant | Tool, Field(discriminator="role")]


def says_nothing(message: Message) -> bool:
    """Whether there is nothing in it that a model could hear."""
    if isinstance(message, Assistant):
        return not message.content and not message.tool_calls
    if not isinstance(message, User) or isinstance(message.content, str):
        return False
    return not any(isinstance(part, Image) or part.text.strip() for part in message.content)


def heard(message: Message) -> AnyMessage:
    """The message as models hear it."""
    said = message.model_dump(mode="json", exclude_none=True)
    content, name = said.get("content", ""), said.get("name")
    if isinstance(message, System):
        return SystemMessage(content, name=name)
    if isinstance(message, User):
        return HumanMessage(content, name=name)
    if isinstance(message, Tool):
        return ToolMessage(content, tool_call_id=message.tool_call_id)
    called = [_called(call) for call in message.tool_calls or ()]
    return AIMessage(
        content,
        name=name,
        tool_calls=[call for call in called if call["type"] == "tool_call"],
        invalid_tool_calls=[call for call in called if call["type"] == "invalid_tool_call"],
    )


def _called(call: ToolCall) -> Called | InvalidToolCall:
    """A call of a tool; a model's arguments may be no JSON, and are passed on as they were."""
    name, said = call.function.name, call.function.arguments
    try:
        args = json.loads(said or "{}")
    except (ValueError, RecursionError):
        args = None
    if isinstance(args, dict):
        return Called(type="tool_call", id=call.id, name=name, args=args)
    return InvalidToolCall(
        type="invalid_tool_call", id=call.id, name=name, args=said, error="no JSON object"
    )
