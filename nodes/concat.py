"""Hand on all of a layer's answers, in seat order: the paper's wiring, and no model is asked."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from nodes.state import Proposal


class Concat(BaseModel):
    """The step has no settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    step: Literal["concat"] = "concat"


def concat(proposals: dict[str, Proposal]) -> list[str]:
    """The seats whose answers the next layer reads."""
    return [seat for seat, proposal in sorted(proposals.items()) if proposal["ok"]]
