"""The body of `POST /v1/responses`, and the chat completion request that it is equivalent to."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from moagraph.nodes.state import Json
from moagraph.server.chat.messages import Id, StrictModel, Text
from moagraph.server.chat.request import (
    ChatRequest,
    FunctionDefinition,
    FunctionName,
    JsonObjectFormat,
    MoaOptions,
    Off,
    TextFormat,
)
from moagraph.server.protocol_errors import ApiError
from moagraph.server.validation import MAX_ITEMS, validate_body

# Fields that have the same name and meaning in both APIs.
SHARED_FIELDS = {"model", "stream", "temperature", "top_p", "metadata", "moa"}


class InputText(StrictModel):
    """Text as a part of a message."""

    type: Literal["input_text", "output_text"]
    text: Text


class InputImage(StrictModel):
    """An image as a part of a message, for models with vision."""

    type: Literal["input_image"]
    image_url: str
    detail: Literal["auto", "low", "high"] | None = None


InputPart = Annotated[InputText | InputImage, Field(discriminator="type")]


class InputMessage(StrictModel):
    """A message of the conversation; only a user's message may have images."""

    type: Literal["message"] = "message"
    role: Literal["user", "system", "developer", "assistant"]
    content: Text | Annotated[list[InputPart], Field(fail_fast=True)]

    def check(self, param: str) -> None:
        """Refuse an image that is not the user's, and a message without content.

        Args:
            param: The message's path in the request.
        """
        parts = [] if isinstance(self.content, str) else self.content
        images = [index for index, part in enumerate(parts) if isinstance(part, InputImage)]
        if images and self.role != "user":
            param = f"{param}.content[{images[0]}]"
            message = f"`{param}`: an image is accepted in a message of the user only"
            raise ApiError(400, message, param=param)
        if not images and self._is_empty():
            param = f"{param}.content"
            raise ApiError(400, f"`{param}`: the message is empty", param=param)

    def _is_empty(self) -> bool:
        if self.role == "assistant" or isinstance(self.content, str):
            return self.role == "assistant" and not self.content
        texts = [part.text for part in self.content if isinstance(part, InputText)]
        return self.role == "user" and not any(text.strip() for text in texts)


class FunctionCallItem(StrictModel):
    """A function call that the model made."""

    type: Literal["function_call"]
    call_id: Id
    name: str
    arguments: Text


class FunctionCallOutputItem(StrictModel):
    """The result of a function call."""

    type: Literal["function_call_output"]
    call_id: Id
    output: Text


def _item_type(item: Any) -> str:
    """The type by which an item is validated; an item without one is a message."""
    if isinstance(item, dict):
        return str(item.get("type", "message"))
    return str(getattr(item, "type", "message"))


InputItem = Annotated[
    Annotated[InputMessage, Tag("message")]
    | Annotated[FunctionCallItem, Tag("function_call")]
    | Annotated[FunctionCallOutputItem, Tag("function_call_output")],
    Discriminator(
        _item_type,
        custom_error_type="item_type",
        custom_error_message=(
            "`type` should be `message`, `function_call` or `function_call_output`"
        ),
    ),
]


class FunctionTool(FunctionDefinition):
    """A function that the last step may call."""

    type: Literal["function"]


class FunctionToolChoice(FunctionName):
    """The function that must be called."""

    type: Literal["function"]


class TextFormatJsonSchema(StrictModel):
    """The answer is JSON that matches a schema."""

    type: Literal["json_schema"]
    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    json_schema: dict[str, Any] = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class TextConfig(StrictModel):
    """The format of the answer."""

    format: (
        Annotated[TextFormat | JsonObjectFormat | TextFormatJsonSchema, Field(discriminator="type")]
        | None
    ) = None


class ResponseRequest(StrictModel):
    """A request for a response."""

    model_config = ConfigDict(extra="forbid")

    model: Id = Field(description="`moa/<recipe>`, or the recipe's bare name.")
    input: (
        Annotated[Text, Field(min_length=1)]
        | Annotated[
            list[InputItem],
            Field(min_length=1, fail_fast=True, json_schema_extra={"maxItems": MAX_ITEMS}),
        ]
    )
    instructions: Text | None = None
    stream: bool | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_output_tokens: int | None = Field(None, ge=1, le=2**31 - 1)
    text: TextConfig | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | FunctionToolChoice | None = None
    metadata: dict[str, str] | None = Field(
        None, description="`thread_id` names a thread that is kept; nothing else is used."
    )
    moa: MoaOptions | None = None
    # Accepted only with the value that changes nothing: a field is refused rather than ignored.
    background: Off | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=0)] | None = None
    truncation: Literal["disabled"] | None = None
    # Accepted and unused: they are for OpenAI's own bookkeeping.
    include: list[str] | None = None
    parallel_tool_calls: bool | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    user: str | None = None

    def checked(self) -> "ResponseRequest":
        """Return the request, or refuse it for a message that no model can be sent."""
        if not isinstance(self.input, str):
            for index, item in enumerate(self.input):
                if isinstance(item, InputMessage):
                    item.check(f"input[{index}]")
        return self

    def as_chat(self) -> Json:
        """Build the body of the equivalent chat completion request."""
        fields = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        chat: Json = {key: fields[key] for key in SHARED_FIELDS & fields.keys()}
        system = [{"role": "system", "content": self.instructions}] if self.instructions else []
        items = fields["input"]
        if isinstance(items, str):
            items = [{"role": "user", "content": items}]
        chat["messages"] = [*system, *_chat_messages(items)]
        if self.max_output_tokens:
            chat["max_tokens"] = self.max_output_tokens
        if text_format := fields.get("text", {}).get("format"):
            chat["response_format"] = _chat_format(text_format)
        if self.tools:
            chat["tools"] = [_chat_function(tool) for tool in fields["tools"]]
        if choice := fields.get("tool_choice"):
            chat["tool_choice"] = choice if isinstance(choice, str) else _chat_function(choice)
        return chat


def parse_response_request(body: bytes) -> tuple[ResponseRequest, ChatRequest]:
    """Parse a request body; return it with the equivalent chat completion request.

    Raises:
        ApiError: The body is not JSON, or a field is wrong; the first one is named.
    """
    request = validate_body(ResponseRequest, body).checked()
    return request, ChatRequest.model_validate(request.as_chat()).checked()


def _chat_messages(items: list[Json]) -> Iterator[Json]:
    """Convert the items; consecutive function calls become one message of the assistant."""
    calls: list[Json] = []
    for item in items:
        if item.get("type") == "function_call":
            function = {"name": item["name"], "arguments": item["arguments"]}
            calls.append({"id": item["call_id"], "type": "function", "function": function})
            continue
        if calls:
            yield {"role": "assistant", "tool_calls": calls}
            calls = []
        yield _chat_message(item)
    if calls:
        yield {"role": "assistant", "tool_calls": calls}


def _chat_message(item: Json) -> Json:
    if item.get("type") == "function_call_output":
        return {"role": "tool", "tool_call_id": item["call_id"], "content": item["output"]}
    content = item["content"]
    parts = content if isinstance(content, str) else [_chat_part(part) for part in content]
    return {"role": item["role"], "content": parts}


def _chat_part(part: Json) -> Json:
    if part["type"] != "input_image":
        return {"type": "text", "text": part["text"]}
    image = {"url": part["image_url"]} | {k: part[k] for k in ("detail",) if k in part}
    return {"type": "image_url", "image_url": image}


def _chat_format(text_format: Json) -> Json:
    kind = text_format.pop("type")
    return {"type": kind} if kind != "json_schema" else {"type": kind, kind: text_format}


def _chat_function(function: Json) -> Json:
    fields = {key: value for key, value in function.items() if key != "type"}
    return {"type": "function", "function": fields}
