"""The body of `POST /v1/chat/completions`: OpenAI's fields, as far as this server honours them."""

from typing import Annotated, Any, Literal

from langchain_core.messages import AnyMessage
from pydantic import ConfigDict, Field

from moagraph.nodes.context import Context
from moagraph.server.chat.messages import Id, MessageParam, StrictModel, is_empty, to_langchain
from moagraph.server.protocol_errors import ApiError
from moagraph.server.validation import MAX_ITEMS, validate_body

# A switch that may be sent, but only turned off.
Off = Literal[False]


class FunctionDefinition(StrictModel):
    """A function that the model may call."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ChatTool(StrictModel):
    """A tool that the model may call."""

    type: Literal["function"]
    function: FunctionDefinition


class FunctionName(StrictModel):
    """The name of the function that must be called."""

    name: str


class ChatToolChoice(StrictModel):
    """The tool that must be called."""

    type: Literal["function"]
    function: FunctionName


class NamedJsonSchema(StrictModel):
    """A JSON Schema that the answer must match."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str | None = None
    json_schema: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class TextFormat(StrictModel):
    """The answer is plain text."""

    type: Literal["text"]


class JsonObjectFormat(StrictModel):
    """The answer is a JSON object."""

    type: Literal["json_object"]


class JsonSchemaFormat(StrictModel):
    """The answer is JSON that matches a schema."""

    type: Literal["json_schema"]
    json_schema: NamedJsonSchema


class StreamOptions(StrictModel):
    """What a stream contains besides the answer."""

    model_config = ConfigDict(extra="forbid")

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class MoaOptions(StrictModel):
    """What only this server can add: progress events, and the layers' proposals."""

    model_config = ConfigDict(extra="forbid")

    progress: bool = False
    layers: bool = False


ResponseFormat = Annotated[
    TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")
]


class ChatRequest(StrictModel):
    """A request for a chat completion."""

    model_config = ConfigDict(extra="forbid")

    model: Id = Field(description="`moa/<recipe>`, or the recipe's bare name.")
    messages: list[MessageParam] = Field(
        min_length=1, fail_fast=True, json_schema_extra={"maxItems": MAX_ITEMS}
    )
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1, le=2**31 - 1)
    max_completion_tokens: int | None = Field(None, ge=1, le=2**31 - 1)
    seed: int | None = Field(None, ge=-(2**63), le=2**63 - 1)
    stop: (
        Annotated[str, Field(min_length=1)]
        | Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=4)]
        | None
    ) = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[ChatTool], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ChatToolChoice | None = None
    metadata: dict[str, str] | None = Field(
        None, description="`thread_id` names a thread that is kept; nothing else is used."
    )
    moa: MoaOptions | None = None
    # Accepted only with the value that changes nothing: a field is refused rather than ignored.
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    logprobs: Off | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=0)] | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = None
    modalities: list[Literal["text"]] | None = None
    # Accepted and unused: they are for OpenAI's own bookkeeping.
    parallel_tool_calls: bool | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    user: str | None = None

    def checked(self) -> "ChatRequest":
        """Return the request, or refuse it where fields contradict each other."""
        for index, message in enumerate(self.messages):
            if is_empty(message):
                param = f"messages[{index}].content"
                raise ApiError(400, f"`{param}`: the message is empty", param=param)
        if self.tool_choice not in (None, "none", "auto") and not self.tools:
            problem = "`tool_choice` names a tool, and there are no `tools`"
            raise ApiError(400, problem, param="tools")
        return self

    def langchain_messages(self) -> list[AnyMessage]:
        """Convert the conversation."""
        return [to_langchain(message) for message in self.messages]

    def context(self) -> Context:
        """Collect the settings that the caller chose for the last step."""
        settings = self.model_dump(
            mode="json",
            by_alias=True,
            exclude_none=True,
            include={"temperature", "top_p", "seed", "response_format", "tools", "tool_choice"},
        )
        if settings.get("response_format") == {"type": "text"}:
            del settings["response_format"]
        if not settings.get("tools"):
            settings.pop("tools", None)
        if limit := self.max_completion_tokens or self.max_tokens:
            settings["max_tokens"] = limit
        if self.stop:
            settings["stop"] = [self.stop] if isinstance(self.stop, str) else self.stop
        return Context.model_validate(settings)


def parse_chat_request(body: bytes) -> ChatRequest:
    """Parse a request body.

    Raises:
        ApiError: The body is not JSON, or a field is wrong; the first one is named.
    """
    return validate_body(ChatRequest, body).checked()
