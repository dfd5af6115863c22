"""The settings of one call in a recipe: the model, its sampling, its endpoint."""

import re
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from moagraph.nodes.models.address import checked_url, split
from moagraph.nodes.resources import ADDRESS, KEY, MODEL, Names, ToolNames


def _check_model(model: str) -> str:
    split(model)
    return model


def _check_variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("`api_key_env` takes the name of a variable that holds a key, not a key")
    return name


class Price(BaseModel):
    """The price in US dollars for a million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)


class Limits(BaseModel):
    """Limits of one server; `alone` allows one call at a time on this machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_concurrency: int | None = Field(None, ge=1, description="Calls under way at once.")
    requests_per_second: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="Calls begun in a second."
    )
    tokens_per_minute: int | None = Field(None, ge=1, description="In and out together.")
    alone: bool = Field(False, description="One call at a time, model after model.")


class Sampling(BaseModel):
    """Settings of a call that `[defaults]`, a seat and a step share."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    temperature: float | None = Field(None, ge=0, le=2, description="0 is steady, 1 is lively.")
    top_p: float | None = Field(
        None, gt=0, le=1, description="The share of likely words it picks from."
    )
    max_tokens: int | None = Field(None, ge=1, description="The longest answer, in tokens.")
    seed: int | None = Field(None, description="For providers that can repeat an answer.")
    stop: list[str] | None = Field(None, description="Texts at which an answer ends.")
    reasoning_effort: str | None = Field(None, description="How long a model thinks: none, low …")
    timeout: float = Field(120, gt=0, description="Seconds for one call, attempts included.")
    attempts: int = Field(3, ge=1, le=10, description="How often a passing failure is tried.")
    base_url: Annotated[Annotated[str, AfterValidator(checked_url)] | None, Names(ADDRESS)] = Field(
        None, description="Where the server is, if not where its provider is known to be."
    )
    api_key_env: Annotated[Annotated[str, AfterValidator(_check_variable)] | None, Names(KEY)] = (
        Field(None, description="The environment variable that holds the key for it.")
    )
    price: Price | None = Field(None, description="Where the list is wrong or silent.")
    limits: Limits | None = Field(None, description="How much its server is asked at once.")
    context_window: int | None = Field(
        None, ge=16, description="Tokens the model takes in at once, where no list has it."
    )
    max_response_mb: float | None = Field(
        None,
        gt=0,
        le=1_000,
        description="The largest response that is read, decompressed; 8 where it is not given.",
    )
    extra_body: dict[str, Any] | None = Field(None, description="Sent along as it is.")
    logprobs: bool | None = Field(None, description="Ask how likely each token was.")


class Substitute(Sampling):
    """A fallback model; settings that it leaves out are those of the failed model."""

    model: Annotated[str, AfterValidator(_check_model), Names(MODEL)]

    @model_serializer(mode="wrap")
    def _only_set_fields(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out defaults: when read again, they would override the failed model's settings."""
        return {key: value for key, value in written(self).items() if key in self.model_fields_set}


def _as_substitute(value: Any) -> Any:
    return {"model": value} if isinstance(value, str) else value


class Call(Sampling):
    """One model with its settings, and its fallbacks."""

    model: Annotated[str, AfterValidator(_check_model), Names(MODEL)] = Field(
        description="As `provider:model`."
    )
    fallbacks: list[Annotated[Substitute, BeforeValidator(_as_substitute)]] = Field(
        default_factory=list, description="Asked in this order where the model fails."
    )
    response_format: dict[str, Any] | None = Field(None, description="As OpenAI has it.")
    tools: Annotated[list[dict[str, Any]] | None, ToolNames] = Field(
        None, description="Tools in OpenAI's form."
    )
    tool_choice: str | dict[str, Any] | None = Field(None, description="As OpenAI has it.")

    _share: int | None = PrivateAttr(None)

    @property
    def share(self) -> int | None:
        """The tokens that a budget leaves for the answer; None without a budget."""
        return self._share

    # Not a field: a share is the state of one turn, not a setting of the recipe.
    def with_share(self, tokens: int) -> Self:
        """Return a copy whose answer may use so many tokens of a budget."""
        call = self.model_copy()
        call._share = tokens
        return call

    @model_validator(mode="after")
    def _no_circle(self) -> "Call":
        every: list[Call | Substitute] = [self, *self.fallbacks]
        endpoints = [(entry.model, entry.base_url) for entry in every]
        for entry in endpoints:
            if endpoints.count(entry) > 1:
                raise ValueError(f"`fallbacks` form a circle: {entry[0]!r} is asked twice")
        return self

    @property
    def substitutes(self) -> list["Call"]:
        """The fallback calls, which inherit the sampling but no endpoint.

        An inherited endpoint or key would send one provider's key to another.
        """
        own = {"fallbacks", "base_url", "api_key_env", "price", "limits", "extra_body"}
        own |= {"context_window", "max_response_mb"}
        inherited = self.model_dump(include=Call.model_fields.keys() - own, exclude_none=True)
        substitutes = [
            Call.model_validate(inherited | substitute.model_dump(exclude_unset=True))
            for substitute in self.fallbacks
        ]
        share = self.share
        return (
            substitutes
            if share is None
            else [substitute.with_share(share) for substitute in substitutes]
        )

    @property
    def extras(self) -> dict[str, Any]:
        """The arguments of the call besides the messages."""
        fields = self.model_dump(include={"response_format", "tools", "tool_choice"})
        return {key: value for key, value in fields.items() if value is not None}
