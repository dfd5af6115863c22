"""A request for a response, OpenAI's newer form, as the request for a completion that it means."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from moagraph.nodes.state import Json
from moagraph.server.chat.messages import Id, Strict
from moagraph.server.chat.request import (
    AsJson,
    AsText,
    ChatRequest,
    FunctionTold,
    Moa,
    Named,
    Never,
    refusal,
)

OWN = {"model", "stream", "temperature", "top_p", "metadata", "moa"}  # the same in both forms


class InputText(Strict):
    """A piece of text."""

    type: Literal["input_text", "output_text"]
    text: str


class InputImage(Strict):
    """A picture, for models that see."""

    type: Literal["input_image"]
    image_url: str
    detail: Literal["auto", "low", "high"] | None = None


class Said(Strict):
    """A message of the conversation."""

    type: Literal["message"] = "message"
    role: Literal["user", "system", "developer", "assistant"]
    content: str | list[Annotated[InputText | InputImage, Field(discriminator="type")]]


class FunctionCalled(Strict):
    """A function that a model has called."""

    type: Literal["function_call"]
    call_id: Id
    name: str
    arguments: str


class FunctionCame(Strict):
    """What a called function came to."""

    type: Literal["function_call_output"]
    call_id: Id
    output: str


class FunctionTool(FunctionTold):
    """A function that the last step may call."""

    type: Literal["function"]


class FunctionNamed(Named):
    """The function that must be called."""

    type: Literal["function"]


class AsForm(Strict):
    """The answer is JSON of that form."""

    type: Literal["json_schema"]
    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    form: dict[str, Any] = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class TextAs(Strict):
    """In which form the answer is written."""

    format: Annotated[AsText | AsJson | AsForm, Field(discriminator="type")] | None = None


class ResponseRequest(Strict):
    """A request for a response."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    model: Id = Field(description="`moa/<recipe>`, or the recipe's bare name.")
    input: (
        Annotated[str, Field(min_length=1)]
        | Annotated[list[Said | FunctionCalled | FunctionCame], Field(min_length=1)]
    )
    instructions: str | None = None
    stream: bool | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_output_tokens: int | None = Field(None, ge=1, le=2**31 - 1)
    text: TextAs | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | FunctionNamed | None = None
    metadata: dict[str, str] | None = Field(
        None, description="`thread_id` names a thread that is kept; nothing else is used."
    )
    moa: Moa | None = None
    # Only what changes nothing: a field that would have to be ignored is refused instead.
    background: Never | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=0)] | None = None
    truncation: Literal["disabled"] | None = None
    # Harmless: they are for OpenAI's own bookkeeping.
    include: list[str] | None = None
    parallel_tool_calls: bool | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    user: str | None = None

    def as_chat(self) -> Json:
        """The same as a request for a completion."""
        said = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        chat: Json = {key: said[key] for key in OWN & said.keys()}
        system = [{"role": "system", "content": self.instructions}] if self.instructions else []
        given = said["input"]
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        chat["messages"] = [*system, *_messages(items)]
        if self.max_output_tokens:
            chat["max_tokens"] = self.max_output_tokens
        if form := said.get("text", {}).get("format"):
            chat["response_format"] = _form(form)
        if self.tools:
            chat["tools"] = [_function(tool) for tool in said["tools"]]
        if choice := said.get("tool_choice"):
            chat["tool_choice"] = choice if isinstance(choice, str) else _function(choice)
        return chat


def read_response(body: bytes) -> tuple[ResponseRequest, ChatRequest]:
    """The request in a body, and what it means; or what is wrong with its first wrong field."""
    try:
        asked = ResponseRequest.model_validate_json(body)
    except ValidationError as error:
        raise refusal(body, error) from error
    return asked, ChatRequest.model_validate(asked.as_chat()).sound()


def _messages(items: list[Json]) -> Iterator[Json]:
    """The items as messages; calls side by side are one message of the assistant."""
    calls: list[Json] = []
    for item in items:
        if item.get("type") == "function_call":
            told = {"name": item["name"], "arguments": item["arguments"]}
            calls.append({"id": item["call_id"], "type": "function", "function": told})
            continue
        if calls:
            yield {"role": "assistant", "tool_calls": calls}
            calls = []
        yield _message(item)
    if calls:
        yield {"role": "assistant", "tool_calls": calls}


def _message(item: Json) -> Json:
    if item.get("type") == "function_call_output":
        return {"role": "tool", "tool_call_id": item["call_id"], "content": item["output"]}
    content = item["content"]
    parts = content if isinstance(content, str) else [_part(part) for part in content]
    return {"role": item["role"], "content": parts}


def _part(part: Json) -> Json:
    if part["type"] != "input_image":
        return {"type": "text", "text": part["text"]}
    image = {"url": part["image_url"]} | {k: part[k] for k in ("detail",) if k in part}
    return {"type": "image_url", "image_url": image}


def _form(form: Json) -> Json:
    kind = form.pop("type")
    return {"type": kind} if kind != "json_schema" else {"type": kind, "json_schema": form}


def _function(said: Json) -> Json:
    return {"type": "function", "function": {k: v for k, v in said.items() if k != "type"}}
