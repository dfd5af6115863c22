"""The `pairwise` judge: two answers, compared in both orders to expose position bias."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from moagraph.evals.judge import JudgeCase, JudgeVerdict, Order, Ruling, Trial
from moagraph.evals.judges.messages import build_pair_messages
from moagraph.evals.judges.model_judge import ModelJudge, ask_for_verdicts
from moagraph.nodes.models.reply import Reply
from moagraph.nodes.state import Json

MAX_TOKENS = 2048
FORM = "[[A]], [[B]], or [[C]] for a tie"
ORDERS: tuple[Order, ...] = ("ab", "ba")


@dataclass(frozen=True)
class PairwiseJudge(ModelJudge):
    """A model that says which of two answers is better."""

    prompts: Mapping[str, Json] = field(default_factory=dict)
    method: str = "pairwise"
    compares: bool = True

    def trials(self, case: JudgeCase) -> Sequence[Trial]:
        """Return one trial for each order of the answers."""
        trials = []
        for order in ORDERS:
            built = build_pair_messages(case, self.prompts, swapped=order == "ba")
            trials.append(Trial(case, self.inputs(built.messages), built.prompt, order))
        return trials

    async def rule(self, trial: Trial) -> Ruling:
        """Ask the model for the better answer's letter."""

        def parse(reply: Reply) -> list[JudgeVerdict]:
            preference = parse_preference(reply.text, trial.order or "ab")
            return [JudgeVerdict(preference, parsed=preference is not None)]

        return await ask_for_verdicts(self.call, trial.inputs["messages"], FORM, parse)


def parse_preference(text: str, order: Order) -> float | None:
    """Return 1 for the baseline, 2 for the system, 1.5 for a tie, by FastChat's rules.

    Args:
        text: The judge's reply.
        order: Which answer was A: the system's in `ab`, the baseline's in `ba`.
    """
    letter = next((letter for letter in "ABC" if f"[[{letter}]]" in text), None)
    if letter is None:
        return None
    if letter == "C":
        return 1.5
    return 2.0 if (letter == "A") == (order == "ab") else 1.0
