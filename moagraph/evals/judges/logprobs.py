"""AlpacaEval's way to weigh two answers: one letter, and how sure the model is of it.

The answers stand in an order that is drawn from the instruction, so that it is the same each time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import Any

from moagraph.evals.dataset import digest
from moagraph.evals.judge import Case, Order, Ruling, Trial, Verdict
from moagraph.evals.judges.asking import ModelJudge, call_of, ruled
from moagraph.evals.judges.wording import talk
from moagraph.nodes.errors import UsageError
from moagraph.nodes.models.providers import speaks_openai
from moagraph.nodes.models.reply import Reply
from moagraph.prompts import render

PROMPT = "judge-letter"
TOP = 5
NOTHING = " \t\n\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class PairwiseLogprobs(ModelJudge):
    """A model that says which of two answers is better, and with which probability."""

    method: str = "pairwise-logprobs"
    compares: bool = True

    def trials(self, case: Case) -> Sequence[Trial]:
        """One, in the order that the instruction draws."""
        order: Order = "ab" if int(digest(case.questions), 16) % 2 else "ba"
        first, second = case.answers, case.against
        if order == "ba":
            first, second = second, first
        text = render(
            PROMPT, question=talk(case.questions), answer_a=talk(first), answer_b=talk(second)
        )
        return [Trial(case, self.said([("user", text)]), PROMPT, order)]

    async def rule(self, trial: Trial) -> Ruling:
        """Ask for the letter's probability."""

        def read(reply: Reply) -> list[Verdict]:
            first = weight(self._tokens(reply))
            if first is None:
                return [Verdict(parsed=False)]
            return [Verdict(1 + (first if trial.order == "ab" else 1 - first))]

        return await ruled(self.call, trial.said["messages"], "A or B", read)

    def _tokens(self, reply: Reply) -> Sequence[Any]:
        """The likeliest first tokens; a server that gives none beside its words cannot judge so."""
        if not reply.text.strip(NOTHING):
            return []  # it said nothing, or half of a letter: of that there are no odds
        told = reply.message.response_metadata.get("logprobs") if reply.message else None
        content = (told or {}).get("content") or []
        if not content or not content[0].get("top_logprobs"):
            raise _none(self.call.model)
        found: Sequence[Any] = content[0]["top_logprobs"]
        return found


def pairwise_logprobs(name: str, model: str) -> PairwiseLogprobs:
    """The judge, refused where its provider's protocol knows no log-probabilities."""
    asked = {"logprobs": True, "top_logprobs": TOP}
    # At temperature 1, as AlpacaEval asks it: some servers give the odds after the temperature.
    call = call_of(model, 1, temperature=1.0, extra_body=asked)
    if not speaks_openai(call) or model.startswith(("scripted:", "recorded:")):
        raise _none(model)
    return PairwiseLogprobs(name, call)


def weight(tokens: Sequence[Any]) -> float | None:
    """How probable A is beside B; None where the model would say neither."""
    sums = {"A": 0.0, "B": 0.0}
    for token in tokens:
        letter = str(token["token"]).strip()
        if letter in sums:
            sums[letter] += exp(token["logprob"])
    both = sum(sums.values())
    return sums["A"] / both if both > 0 else None


def _none(model: str) -> UsageError:
    return UsageError(
        f"`{model}` gives no log-probabilities, which `pairwise-logprobs` weighs: "
        "take `pairwise`, or a server that gives them"
    )
