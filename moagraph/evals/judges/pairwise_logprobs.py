"""The `pairwise-logprobs` judge: AlpacaEval's comparison by the log-probabilities of one letter.

The order of the two answers is derived from a hash of the instruction, so that it never changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import Any

from moagraph.evals.dataset import digest
from moagraph.evals.judge import JudgeCase, JudgeVerdict, Order, Ruling, Trial
from moagraph.evals.judges.messages import number_turns
from moagraph.evals.judges.model_judge import ModelJudge, ask_for_verdicts, build_call
from moagraph.nodes.errors import UsageError
from moagraph.nodes.models.providers import speaks_openai
from moagraph.nodes.models.reply import Reply
from moagraph.prompts import render

PROMPT = "judge-letter"
TOP_LOGPROBS = 5
BLANK = " \t\n\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class PairwiseLogprobsJudge(ModelJudge):
    """A model that says which of two answers is better, and how probable that is."""

    method: str = "pairwise-logprobs"
    compares: bool = True

    def trials(self, case: JudgeCase) -> Sequence[Trial]:
        """Return one trial, in the order derived from the instruction."""
        order: Order = "ab" if int(digest(case.questions), 16) % 2 else "ba"
        first, second = case.answers, case.baseline_answers
        if order == "ba":
            first, second = second, first
        text = render(
            PROMPT,
            question=number_turns(case.questions),
            answer_a=number_turns(first),
            answer_b=number_turns(second),
        )
        return [Trial(case, self.inputs([("user", text)]), PROMPT, order)]

    async def rule(self, trial: Trial) -> Ruling:
        """Ask the model for the letter and its log-probabilities."""

        def parse(reply: Reply) -> list[JudgeVerdict]:
            first = probability_of_a(self._top_logprobs(reply))
            if first is None:
                return [JudgeVerdict(parsed=False)]
            return [JudgeVerdict(1 + (first if trial.order == "ab" else 1 - first))]

        return await ask_for_verdicts(self.call, trial.inputs["messages"], "A or B", parse)

    def _top_logprobs(self, reply: Reply) -> Sequence[Any]:
        """Return the likeliest first tokens; a server that sends a text without them is refused."""
        if not reply.text.strip(BLANK):
            return []  # an empty reply, or half of a character, has no log-probabilities
        logprobs = reply.message.response_metadata.get("logprobs") if reply.message else None
        content = (logprobs or {}).get("content") or []
        if not content or not content[0].get("top_logprobs"):
            raise _no_logprobs(self.call.model)
        tokens: Sequence[Any] = content[0]["top_logprobs"]
        return tokens


def build_pairwise_logprobs(name: str, model: str) -> PairwiseLogprobsJudge:
    """Build the judge; a provider whose protocol has no log-probabilities is refused.

    Args:
        name: The judge's name, as the user wrote it.
        model: The model to ask, as `provider:model`.
    """
    options = {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
    # At temperature 1, as in AlpacaEval: some servers apply the temperature to the logprobs.
    call = build_call(model, 1, temperature=1.0, extra_body=options)
    if not speaks_openai(call) or model.startswith(("scripted:", "recorded:")):
        raise _no_logprobs(model)
    return PairwiseLogprobsJudge(name, call)


def probability_of_a(tokens: Sequence[Any]) -> float | None:
    """Return the probability of A relative to B; None if neither letter is among the tokens.

    Args:
        tokens: The `top_logprobs` of the first token.
    """
    sums = {"A": 0.0, "B": 0.0}
    for token in tokens:
        letter = str(token["token"]).strip()
        if letter in sums:
            sums[letter] += exp(token["logprob"])
    total = sum(sums.values())
    return sums["A"] / total if total > 0 else None


def _no_logprobs(model: str) -> UsageError:
    return UsageError(
        f"`{model}` returns no log-probabilities, which `pairwise-logprobs` needs: "
        "use `pairwise`, or a server that returns them"
    )
