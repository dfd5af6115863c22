"""What a client may say, as OpenAI has it, and what of it this server does."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from langchain_core.messages import AnyMessage
from pydantic import ConfigDict, Field, ValidationError

from moagraph.nodes.context import Context
from moagraph.server.chat.messages import Id, Message, Strict, heard, says_nothing
from moagraph.server.protocol_errors import ApiError

Never = Literal[False]


class FunctionTold(Strict):
    """A function that the model may call."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolTold(Strict):
    """A tool that the model may call."""

    type: Literal["function"]
    function: FunctionTold


class Named(Strict):
    """The function that must be called."""

    name: str


class ToolNamed(Strict):
    """The tool that must be called."""

    type: Literal["function"]
    function: Named


class Schema(Strict):
    """The form of the answer."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str | None = None
    form: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class AsText(Strict):
    """The answer is text."""

    type: Literal["text"]


class AsJson(Strict):
    """The answer is JSON."""

    type: Literal["json_object"]


class AsSchema(Strict):
    """The answer is JSON of that form."""

    type: Literal["json_schema"]
    json_schema: Schema


class StreamOptions(Strict):
    """What a stream also tells."""

    model_config = ConfigDict(extra="forbid", strict=True)

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Moa(Strict):
    """What only this server tells: each seat as it is done, and what the layers said."""

    model_config = ConfigDict(extra="forbid", strict=True)

    progress: bool = False
    layers: bool = False


Format = Annotated[AsText | AsJson | AsSchema, Field(discriminator="type")]


class ChatRequest(Strict):
    """A request for a chat completion."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    model: Id = Field(description="`moa/<recipe>`, or the recipe's bare name.")
    messages: list[Message] = Field(min_length=1)
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
    response_format: Format | None = None
    tools: Annotated[list[ToolTold], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolNamed | None = None
    metadata: dict[str, str] | None = Field(
        None, description="`thread_id` names a thread that is kept; nothing else is used."
    )
    moa: Moa | None = None
    # Only what changes nothing: a field that would have to be ignored is refused instead.
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    logprobs: Never | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=0)] | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = None
    modalities: list[Literal["text"]] | None = None
    # Harmless: they are for OpenAI's own bookkeeping.
    parallel_tool_calls: bool | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    user: str | None = None

    def sound(self) -> "ChatRequest":
        """Itself, refused where no single field is wrong but the whole of it is."""
        for number, message in enumerate(self.messages):
            if says_nothing(message):
                param = f"messages[{number}].content"
                raise ApiError(400, f"`{param}`: the message says nothing", param=param)
        if self.tool_choice not in (None, "none", "auto") and not self.tools:
            told = "`tool_choice` names a tool, and there are no `tools`"
            raise ApiError(400, told, param="tools")
        return self

    def conversation(self) -> list[AnyMessage]:
        """The messages as models hear them."""
        return [heard(message) for message in self.messages]

    def context(self) -> Context:
        """What the last step is to do as this caller wants it."""
        said = self.model_dump(
            mode="json",
            by_alias=True,
            exclude_none=True,
            include={"temperature", "top_p", "seed", "response_format", "tools", "tool_choice"},
        )
        if said.get("response_format") == {"type": "text"}:
            del said["response_format"]
        if not said.get("tools"):
            said.pop("tools", None)
        if limit := self.max_completion_tokens or self.max_tokens:
            said["max_tokens"] = limit
        if self.stop:
            said["stop"] = [self.stop] if isinstance(self.stop, str) else self.stop
        return Context.model_validate(said)


def read(body: bytes) -> ChatRequest:
    """The request in a body, or what is wrong with its first wrong field."""
    try:
        return ChatRequest.model_validate_json(body).sound()
    except ValidationError as error:
        raise refusal(body, error) from error


def refusal(body: bytes, error: ValidationError) -> ApiError:
    """What is wrong with the first wrong field, in one line."""
    # Of the choices that a value may be, the one that it came nearest to.
    first = max(error.errors(include_url=False), key=lambda one: len(one["loc"]))
    if first["type"] == "json_invalid":
        return ApiError(400, f"the body is not JSON: {first['ctx']['error']}", code="invalid_json")
    param = "".join(_written(json.loads(body), first["loc"])).removeprefix(".") or None
    if first["type"] == "extra_forbidden":
        return ApiError(400, f"`{param}` is not supported here: leave it out", param=param)
    if first["type"] == "missing":
        return ApiError(400, f"`{param}` is missing", param=param)
    message = first["msg"][:1].lower() + first["msg"][1:]
    return ApiError(400, f"`{param or 'body'}`: {message}", param=param)


def _written(said: Any, loc: tuple[str | int, ...]) -> Iterator[str]:
    """The part of pydantic's path that the client wrote: without the names of choices."""
    for number, key in enumerate(loc):
        if isinstance(said, dict) and isinstance(key, str):
            if key in said or (number == len(loc) - 1):
                said = said.get(key)
                yield f".{key}"
        elif isinstance(said, list) and isinstance(key, int) and key < len(said):
            said = said[key]
            yield f"[{key}]"
