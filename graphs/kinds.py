"""Every kind of step: what a recipe may say of it, and what its nodes do."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Annotated, Any, Protocol, Union

from pydantic import Field

from nodes.attribute import Attribute, attribute
from nodes.concat import Concat
from nodes.judge import Panel, judge
from nodes.rank import Rank, rank
from nodes.state import Place, State
from nodes.step import Step as AnyStep
from nodes.synthesize import Synthesize, synthesize
from nodes.tally import Tally, tally
from nodes.vote import Vote, vote


class Act(Protocol):
    """What a step's file offers: a coroutine of the same name."""

    def __call__(self, state: State, place: Place) -> Awaitable[dict[str, Any]]:
        """Read the state, perhaps ask models, return what is to be written."""


KINDS: dict[str, type[AnyStep]] = {
    "attribute": Attribute,
    "concat": Concat,
    "judge": Panel,
    "rank": Rank,
    "synthesize": Synthesize,
    "tally": Tally,
    "vote": Vote,
}

# By the kind of node: most steps are drawn as one node of their own name.
ACTS: dict[str, Act] = {
    "attribute": attribute,
    "judge": judge,
    "rank": rank,
    "synthesize": synthesize,
    "tally": tally,
    "vote": vote,
}

if TYPE_CHECKING:
    Step = AnyStep
else:
    Step = Annotated[Union[tuple(KINDS.values())], Field(discriminator="step")]  # noqa: UP007
