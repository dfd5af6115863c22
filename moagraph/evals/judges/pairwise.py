"""Two answers side by side, asked about in both orders: a judge that likes the first one shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from moagraph.evals.judge import Case, Order, Ruling, Trial, Verdict
from moagraph.evals.judges.asking import ModelJudge, ruled
from moagraph.evals.judges.wording import pair
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.state import Json

MAX_TOKENS = 2048
FORM = "[[A]], [[B]], or [[C]] for a tie"
ORDERS: tuple[Order, ...] = ("ab", "ba")


@dataclass(frozen=True)
class Pairwise(ModelJudge):
    """A model that says which of two answers is better."""

    prompts: Mapping[str, Json] = field(default_factory=dict)
    method: str = "pairwise"
    compares: bool = True

    def trials(self, case: Case) -> Sequence[Trial]:
        """One for each order."""
        found = []
        for order in ORDERS:
            words = pair(case, self.prompts, swapped=order == "ba")
            said = self.said(words.messages)
            found.append(Trial(case, said, words.prompt, order))
        return found

    async def rule(self, trial: Trial) -> Ruling:
        """Ask for the letter."""

        def read(reply: Reply) -> list[Verdict]:
            liked = preference(reply.text, trial.order or "ab")
            return [Verdict(liked, parsed=liked is not None)]

        return await ruled(self.call, trial.said["messages"], FORM, read)


def preference(text: str, order: Order) -> float | None:
    """1 for the baseline, 2 for the system, 1.5 for a tie; read as FastChat reads it."""
    letter = next((letter for letter in "ABC" if f"[[{letter}]]" in text), None)
    if letter is None:
        return None
    if letter == "C":
        return 1.5
    return 2.0 if (letter == "A") == (order == "ab") else 1.0
