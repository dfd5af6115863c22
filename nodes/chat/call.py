"""What a recipe says of one call: the model, its sampling, its endpoint."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from nodes.chat.address import checked_url, split


def _named(model: str) -> str:
    split(model)
    return model


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("`api_key_env` takes the name of a variable that holds a key, not a key")
    return name


class Price(BaseModel):
    """Dollars for a million tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0, allow_inf_nan=False)
    output: float = Field(ge=0, allow_inf_nan=False)


class Sampling(BaseModel):
    """What `[defaults]`, a seat and a step can all say of a call."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    temperature: float | None = Field(None, ge=0, le=2, description="0 is steady, 1 is lively.")
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1, description="The longest answer, in tokens.")
    seed: int | None = None
    stop: list[str] | None = None
    reasoning_effort: str | None = Field(None, description="How long a model thinks: none, low …")
    timeout: float = Field(120, gt=0, description="Seconds for one call, attempts included.")
    attempts: int = Field(3, ge=1, le=10, description="How often a passing failure is tried.")
    base_url: Annotated[str, AfterValidator(checked_url)] | None = None
    api_key_env: Annotated[str, AfterValidator(_variable)] | None = None
    price: Price | None = Field(None, description="Where the list is wrong or silent.")
    extra_body: dict[str, Any] | None = None


class Call(Sampling):
    """One model and how it is asked; `sample` tells copies of one seat apart."""

    model: Annotated[str, AfterValidator(_named)]
    response_format: dict[str, Any] | None = Field(None, description="As OpenAI has it.")
    tools: list[dict[str, Any]] | None = Field(None, description="Tools in OpenAI's form.")
    tool_choice: str | dict[str, Any] | None = None

    @property
    def extras(self) -> dict[str, Any]:
        """What is said beside the messages, where it is said at all."""
        said = self.model_dump(include={"response_format", "tools", "tool_choice"})
        return {key: value for key, value in said.items() if value is not None}
