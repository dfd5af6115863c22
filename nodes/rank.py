"""Rank: one model reads all answers and says which are the best, knowing none of their authors."""

from typing import Any, Literal

from pydantic import Field

from nodes.asking import decided
from nodes.chat.call import Call
from nodes.choosing import Choosing, handed_on, ranking
from nodes.errors import StepFailed
from nodes.fence import Reading
from nodes.hearing import Telling, shown
from nodes.state import Place, State, answers, passed, settings


class Rank(Call, Reading, Choosing):
    """Which model ranks, and by which prompt."""

    step: Literal["rank"] = "rank"
    prompt: str = Field("rank", description="A prompt's name, a path, or the text.")
    anonymise: bool | None = True

    def calls(self, seats: int) -> int:
        """One, whatever it reads."""
        return 1


async def rank(state: State, place: Place) -> dict[str, Any]:
    """Ask the ranker; where it gives no ranking, twice, all answers are handed on."""
    if passed(state, place.layer) and not place.last:
        return {}
    step = Rank.model_validate(settings(state, place))
    texts = answers(state, place)
    if len(texts) == 1:
        return handed_on(state, place, list(texts), step.keep, {})
    order = list(shown(state, place, texts))
    ranked, call = await decided(
        state, place, step, Telling(alone=True), lambda said: ranking(said, order)
    )
    record = {"calls": {"ranker": call}, "unparsed": int(ranked is None)}
    if ranked is None and place.last:
        why = call["error"] or f"no ranking in {call['text'][:80]!r}"
        raise StepFailed(f"`{place.node}` got no ranking from `{step.model}`: {why}", call)
    if ranked is None:
        return handed_on(state, place, list(texts), len(texts), record)
    return handed_on(state, place, ranked, step.keep, {**record, "ranking": ranked})
