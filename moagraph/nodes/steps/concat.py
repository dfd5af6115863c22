"""Hand on all of a layer's answers, in seat order: the paper's wiring, and no model is asked."""

from typing import Literal

from moagraph.nodes.state import Proposal
from moagraph.nodes.step_support.base import Step


class Concat(Step):
    """The step has no settings."""

    step: Literal["concat"] = "concat"

    def nodes(self, seats: int) -> tuple[str, ...]:
        """None of its own: the join does it."""
        return ()


def concat(proposals: dict[str, Proposal]) -> list[str]:
    """The seats whose answers the next layer reads."""
    return [seat for seat, proposal in sorted(proposals.items()) if proposal["ok"]]
