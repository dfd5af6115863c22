"""Every kind of step: what a recipe may say of it, and what its nodes do."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Annotated, Any, Protocol, Union

from pydantic import Field

from nodes.attribute import Attribute, attribute
from nodes.cite import Cite, cite
from nodes.compress import Compress, compress
from nodes.concat import Concat
from nodes.decide import decide
from nodes.detect import Detect, detect
from nodes.gate import Gate, gate
from nodes.judge import Panel, judge
from nodes.rank import Rank, rank
from nodes.redact import Redact, redact
from nodes.report import Report, report
from nodes.restore import Restore, restore
from nodes.retrieve import Retrieve, retrieve
from nodes.revise import revise
from nodes.route import Route, route
from nodes.sql import Sql, sql
from nodes.state import Place, State
from nodes.step import Step as AnyStep
from nodes.synthesize import Synthesize, synthesize
from nodes.tally import Tally, tally
from nodes.verify import Verify, verify
from nodes.vote import Vote, vote


class Act(Protocol):
    """What a step's file offers: a coroutine of the same name."""

    def __call__(self, state: State, place: Place) -> Awaitable[dict[str, Any]]:
        """Read the state, perhaps ask models, return what is to be written."""


KINDS: dict[str, type[AnyStep]] = {
    "attribute": Attribute,
    "cite": Cite,
    "compress": Compress,
    "concat": Concat,
    "detect": Detect,
    "gate": Gate,
    "judge": Panel,
    "rank": Rank,
    "redact": Redact,
    "report": Report,
    "restore": Restore,
    "retrieve": Retrieve,
    "route": Route,
    "sql": Sql,
    "synthesize": Synthesize,
    "tally": Tally,
    "verify": Verify,
    "vote": Vote,
}

# By the kind of node: most steps are drawn as one node of their own name.
ACTS: dict[str, Act] = {
    "attribute": attribute,
    "cite": cite,
    "compress": compress,
    "decide": decide,
    "detect": detect,
    "gate": gate,
    "judge": judge,
    "rank": rank,
    "redact": redact,
    "report": report,
    "restore": restore,
    "retrieve": retrieve,
    "revise": revise,
    "route": route,
    "sql": sql,
    "synthesize": synthesize,
    "tally": tally,
    "verify": verify,
    "vote": vote,
}

if TYPE_CHECKING:
    Step = AnyStep
else:
    Step = Annotated[Union[tuple(KINDS.values())], Field(discriminator="step")]  # noqa: UP007
