"""What every step of a recipe has in common, whatever it does with the answers."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

BEFORE, AGGREGATE, AFTER = "before", "aggregate", "after"


class Step(BaseModel):
    """What a step may say; each kind says its own name in `step`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rooms: ClassVar[tuple[str, ...]] = (AGGREGATE,)  # where in a recipe it may stand
    speaks: ClassVar[tuple[str, ...]] = ("question", "references")  # what its prompt may name
    settles: ClassVar[bool] = False  # whether it may end the turn before its end
    rereads: ClassVar[bool] = False  # whether each of its nodes reads all answers anew
    writes: ClassVar[bool] = False  # whether what its model says is the answer, as it says it
    reviews: ClassVar[bool] = False  # whether its layer's seats judge the layer before
    single: ClassVar[bool] = False  # whether it reads the one answer that is left ahead of it
    ends: ClassVar[bool] = False  # whether nothing but `after` may come behind it
    compares: ClassVar[bool] = False  # whether it reads the last layer's seats from `after` too

    step: str
    asks: int = Field(0, ge=0, description="The calls that it makes; filled in by the reader.")

    @property
    def weighs(self) -> bool:
        """Whether it needs to know how likely the answers' tokens were."""
        return False

    @property
    def gives_one(self) -> bool:
        """Whether one answer is left behind it."""
        return self.single

    @property
    def remarks(self) -> bool:
        """Whether it only notes something, and leaves all as it is."""
        return False

    @property
    def grounds(self) -> bool:
        """Whether it reads passages, which a step ahead has to retrieve."""
        return False

    @property
    def pauses(self) -> bool:
        """Whether it may wait for a person."""
        return False

    def files(self, recipe: str) -> Sequence[str]:
        """The files, as patterns, that its outcome hangs on in the recipe of that name."""
        return ()

    def leaves(self, seats: int) -> int:
        """How many answers are left of so many."""
        return 1 if self.gives_one else seats

    def nodes(self, seats: int) -> tuple[str, ...]:
        """The kinds of nodes that it is drawn as, one behind the other."""
        return (self.step,)

    def calls(self, seats: int) -> int:
        """How often it asks a model, where it reads so many answers and nothing fails."""
        return 0

    def refusal(self, seats: Sequence[Any], last: bool) -> str | None:
        """Why it cannot stand behind, or ahead of, a layer of these seats."""
        return None

    def judgings(self, seats: int) -> int:
        """How often it asks each of its judges."""
        return self.calls(seats)
