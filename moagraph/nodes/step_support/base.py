"""The base class of every step: its settings in a recipe, its properties, and what it does."""

from collections.abc import Sequence
from typing import Any, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from moagraph.nodes.node_spec import NodeView

BEFORE, AGGREGATE, AFTER = "before", "aggregate", "after"

Update: TypeAlias = dict[str, Any]


class Step(BaseModel):
    """One step of a recipe.

    A subclass declares its keys as pydantic fields, its name as
    `step: Literal["name"] = "name"`, its properties as class attributes, and its work in `run`.
    Everything that needs to know a property of a step asks these attributes; nothing compares
    names of steps.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Where in a recipe it may stand: `before`, `aggregate`, `after`.
    positions: ClassVar[tuple[str, ...]] = (AGGREGATE,)
    # The variables that its prompt may use.
    prompt_variables: ClassVar[tuple[str, ...]] = ("question", "references")
    # Its model's tokens are the answer, so the caller's sampling and tools apply to it.
    writes_answer: ClassVar[bool] = False
    # It may end the turn early, by writing `settled` into its record.
    may_end_turn: ClassVar[bool] = False
    # Each of its nodes reads all answers again, not what its earlier nodes have left.
    rereads_answers: ClassVar[bool] = False
    # The proposers of its layer rank the answers of the layer before.
    ranks_previous_layer: ClassVar[bool] = False
    # It needs exactly one answer before it.
    needs_single_answer: ClassVar[bool] = False
    # Only `after` may follow it.
    must_be_last: ClassVar[bool] = False
    # In `after`, it still reads all proposals of the last layer.
    reads_all_proposals: ClassVar[bool] = False
    # It replaces private details in the question before any other node sees it.
    redacts: ClassVar[bool] = False
    # It puts the private details back at the end of the turn.
    restores: ClassVar[bool] = False
    # It chooses which named seats of the first layer answer.
    routes: ClassVar[bool] = False

    step: str
    asks: int = Field(0, ge=0, description="The calls that it makes; filled in by the reader.")

    async def run(self, view: NodeView) -> Update:
        """Do the step's work.

        Args:
            view: What the node sees of the state: answers, records, the conversation.

        Returns:
            The state update: `{"steps": {view.spec.name: record}}`, and `messages` with the
            answer if `view.spec.ends_turn`.
        """
        raise NotImplementedError(f"step {self.step!r} has no `run`")

    @property
    def needs_logprobs(self) -> bool:
        """Whether the proposers must report how likely their tokens were."""
        return False

    @property
    def leaves_one_answer(self) -> bool:
        """Whether one answer is left after it."""
        return self.needs_single_answer

    @property
    def only_annotates(self) -> bool:
        """Whether it leaves all answers as they are."""
        return False

    @property
    def needs_passages(self) -> bool:
        """Whether it reads passages that an earlier step must retrieve."""
        return False

    @property
    def may_pause(self) -> bool:
        """Whether it may wait for a person."""
        return False

    def check_ready(self) -> None:
        """Refuse, before any call, a run that lacks what the step needs on this machine."""

    def files(self, recipe: str) -> Sequence[str]:
        """Return the file patterns that its result depends on, in the recipe of that name."""
        return ()

    def answers_left(self, answers: int) -> int:
        """Return how many of so many answers are left after it."""
        return 1 if self.leaves_one_answer else answers

    def node_kinds(self, answers: int) -> tuple[str, ...]:
        """Return the kinds of its nodes, in the order in which they run."""
        return (self.step,)

    def call_count(self, answers: int) -> int:
        """Return its calls if it reads so many answers and nothing fails."""
        return 0

    def calls_per_judge(self, answers: int) -> int:
        """Return the calls of each of its judges."""
        return self.call_count(answers)

    def passage_tokens(self) -> int:
        """Return about how many tokens of passages it adds to the question."""
        return 0

    def placement_error(self, seats: Sequence[Any], last: bool) -> str | None:
        """Return why it cannot stand next to a layer of these seats; None if it can."""
        return None
