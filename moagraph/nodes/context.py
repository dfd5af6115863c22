"""The context of a run: what its caller sets for the last step."""

from typing import Any

from langgraph.runtime import get_runtime
from pydantic import BaseModel, ConfigDict, Field


class Context(BaseModel):
    """How the last step writes the answer; what is not set stays as the recipe has it."""

    model_config = ConfigDict(extra="forbid")

    temperature: float | None = Field(None, ge=0, le=2, description="0 is steady, 1 is lively.")
    top_p: float | None = Field(
        None, gt=0, le=1, description="The share of likely words it picks from."
    )
    max_tokens: int | None = Field(None, ge=1, description="The longest answer, in tokens.")
    seed: int | None = Field(None, description="For providers that can repeat an answer.")
    reasoning_effort: str | None = Field(
        None, description="How long a reasoning model thinks, such as low or high."
    )
    stop: list[str] | None = Field(None, description="Texts at which the answer ends.")
    response_format: dict[str, Any] | None = Field(
        None, description="OpenAI's `response_format`, for an answer in JSON."
    )
    tools: list[dict[str, Any]] | None = Field(
        None, description="Tools in OpenAI's form; the last step may call them."
    )
    tool_choice: str | dict[str, Any] | None = Field(None, description="Which tool, if any.")


def run_settings() -> dict[str, Any]:
    """Return what the caller of this run has set for the last step."""
    context = get_runtime(Context).context or Context()
    return context.model_dump(include=set(Context.model_fields), exclude_none=True)
