"""Every kind of step: what a recipe may say of it, and what its nodes do."""

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Annotated, Any, Protocol, Union

from pydantic import Field

from moagraph.nodes.state import Place, State
from moagraph.nodes.step_support.base import Step as AnyStep
from moagraph.nodes.steps.attribute import Attribute, attribute
from moagraph.nodes.steps.cite import Cite, cite
from moagraph.nodes.steps.compress import Compress, compress
from moagraph.nodes.steps.concat import Concat
from moagraph.nodes.steps.detect import Detect, detect
from moagraph.nodes.steps.gate import Gate, gate
from moagraph.nodes.steps.judge import Panel, judge
from moagraph.nodes.steps.rank import Rank, rank
from moagraph.nodes.steps.redact import Redact, redact
from moagraph.nodes.steps.report import Report, report
from moagraph.nodes.steps.restore import Restore, restore
from moagraph.nodes.steps.retrieve import Retrieve, retrieve
from moagraph.nodes.steps.route import Route, route
from moagraph.nodes.steps.sql import Sql, sql
from moagraph.nodes.steps.synthesize import Synthesize, synthesize
from moagraph.nodes.steps.tally import Tally, tally
from moagraph.nodes.steps.verify import Verify, decide, revise, verify
from moagraph.nodes.steps.vote import Vote, vote


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
