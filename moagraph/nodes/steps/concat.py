"""Pass on all of a layer's answers, in seat order: the wiring of the paper, without a call."""

from typing import Literal

from moagraph.nodes.step_support.base import Step


class Concat(Step):
    """The step has no settings; the layer's join does its work."""

    step: Literal["concat"] = "concat"

    def node_kinds(self, answers: int) -> tuple[str, ...]:
        """It has no node of its own."""
        return ()
