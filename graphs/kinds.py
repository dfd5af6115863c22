"""Every kind of step: what a recipe may say of it, and what its nodes do."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Annotated, Any, Protocol, Union

from pydantic import Field

from nodes.cite import Cite, cite
from nodes.compress import Compress, compress
from nodes.concat import Concat
from nodes.decide import decide
from nodes.detect import Detect, detect
from nodes.gate import Gate, gate
from nodes.rank import Rank, rank
from nodes.retrieve import Retrieve, retrieve
from nodes.revise import revise
from nodes.sql import Sql, sql
from nodes.state import Place, State
from nodes.step import Step as AnyStep
from nodes.synthesize import Synthesize, synthesize
from nodes.verify import Verify, verify


class Act(Protocol):
    """What a step's file offers: a coroutine of the same name."""

    def __call__(self, state: State, place: Place) -> Awaitable[dict[str, Any]]:
        """Read the state, perhaps ask models, return what is to be written."""


KINDS: dict[str, type[AnyStep]] = {
    "cite": Cite,
    "compress": Compress,
    "concat": Concat,
    "detect": Detect,
    "gate": Gate,
    "rank": Rank,
    "retrieve": Retrieve,
    "sql": Sql,
    "synthesize": Synthesize,
    "verify": Verify,
}

# By the kind of node: most steps are drawn as one node of their own name.
ACTS: dict[str, Act] = {
    "cite": cite,
    "compress": compress,
    "gate": gate,
    "decide": decide,
    "detect": detect,
    "rank": rank,
    "retrieve": retrieve,
    "sql": sql,
    "revise": revise,
    "synthesize": synthesize,
    "verify": verify,
}

if TYPE_CHECKING:
    Step = AnyStep
else:
    Step = Annotated[Union[tuple(KINDS.values())], Field(discriminator="step")]  # noqa: UP007
