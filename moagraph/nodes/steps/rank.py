"""Rank: one model reads the answers and says which are the best, knowing none of their authors.

All in one list; or two by two, each pair in both orders, as a model that prefers what it reads
first then contradicts itself, which is counted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from moagraph.nodes.step_support.ask_parsed import decided
from moagraph.nodes.models.call import Call
from moagraph.nodes.step_support.selection import Choosing, handed_on, ranking
from moagraph.nodes.errors import StepFailed
from moagraph.nodes.messages.fence import Reading, shuffled
from moagraph.nodes.messages.build import Telling, shown
from moagraph.nodes.state import Json, Place, State, answers, passed, settings
from moagraph.nodes.texts.pairwise import Match, Pair, pairs, strengths, verdict

Calls = dict[str, Json]


class Rank(Call, Reading, Choosing):
    """Which model ranks, and by which prompt."""

    ORDERS: ClassVar[int] = 2

    step: Literal["rank"] = "rank"
    by: Literal["list", "pairs", "tournament"] = Field(
        "list", description="All at once; each two, in both orders; or two by two, losers leaving."
    )
    max_calls: int | None = Field(
        None, ge=2, description="The most comparisons that are asked; each pair takes two."
    )
    prompt: str = Field(
        default_factory=lambda said: "rank" if said.get("by", "list") == "list" else "compare",
        description="A prompt's name, a path, or the text; where pairs are compared, `compare`.",
    )
    otherwise: Literal["fail", "first"] = Field(
        "fail", description="Where no verdict can be read: fail, or let the first answer stand."
    )
    anonymise: bool | None = True

    @model_validator(mode="after")
    def _bounds_pairs(self) -> "Rank":
        if self.by == "list" and self.max_calls is not None:
            raise ValueError('`max_calls` bounds `by` "pairs" and "tournament"; a list is one call')
        return self

    def calls(self, seats: int) -> int:
        """One for a list; two for each pair that is compared."""
        if self.by == "list":
            return 1
        matches = seats - 1 if self.by == "tournament" else seats * (seats - 1) // 2
        return min(self.ORDERS * matches, self.ORDERS * self.matches)

    @property
    def matches(self) -> int:
        """How many pairs the bound leaves room for."""
        return 10**6 if self.max_calls is None else self.max_calls // self.ORDERS


async def rank(state: State, place: Place) -> dict[str, Any]:
    """Ask the ranker; where it gives no verdict, asked twice, all answers are handed on."""
    if passed(state, place.layer) and not place.last:
        return {}
    step = Rank.model_validate(settings(state, place))
    texts = answers(state, place)
    if len(texts) == 1:
        return handed_on(state, place, list(texts), step.keep, {})
    ways = {"list": _list, "pairs": _pairs, "tournament": _tournament}
    ranked, record = await ways[step.by](state, place, step)
    if ranked is None and place.last and step.otherwise == "fail":
        call = next(iter(record["calls"].values()))
        why = call["error"] or f"no ranking in {call['text'][:80]!r}"
        raise StepFailed(f"`{place.node}` got no ranking from `{step.model}`: {why}", record)
    if ranked is None:
        record["why"] = "no ranking could be read: the answers stand as they sit"
        return handed_on(state, place, list(texts), len(texts), record)
    return handed_on(state, place, ranked, step.keep, {**record, "ranking": ranked})


async def _list(state: State, place: Place, step: Rank) -> tuple[list[str] | None, Json]:
    order = list(shown(state, place))
    ranked, call = await decided(
        state, place, step, Telling(alone=True), lambda said: ranking(said, order)
    )
    return ranked, {"calls": {"ranker": call}, "unparsed": int(ranked is None)}


async def _pairs(state: State, place: Place, step: Rank) -> tuple[list[str] | None, Json]:
    """Every pair, or as many as there may be, each seat about as often."""
    seats = list(answers(state, place))
    mixed = shuffled(seats, state["recipe"]["salt"], place.node)
    chosen = pairs(seats if step.max_calls is None else mixed, step.matches)
    matches, calls = await _played(state, place, step, chosen)
    return _outcome(seats, matches, calls, dict.fromkeys(seats, 0))


async def _tournament(state: State, place: Place, step: Rank) -> tuple[list[str] | None, Json]:
    """Two by two, the winners against each other; who comes far stands before who is strong."""
    seats = list(answers(state, place))
    left = shuffled(seats, state["recipe"]["salt"], place.node)
    came, played = dict.fromkeys(seats, 0), list[Match]()
    calls: Calls = {}
    while len(left) > 1 and len(played) < step.matches:
        games = list(zip(left[::2], left[1::2], strict=False))[: step.matches - len(played)]
        matches, more = await _played(state, place, step, games)
        winners = [_winner(match, seats) for match in matches]
        out = {seat for match in matches for seat in match.pair} - {*winners}
        left = [seat for seat in left if seat not in out]
        for seat in left:
            came[seat] += 1
        played, calls = [*played, *matches], {**calls, **more}
    return _outcome(seats, played, calls, came)


def _winner(match: Match, seats: Sequence[str]) -> str:
    """Who won more of the two games; where that is nobody, who sits first."""
    return min(match.pair, key=lambda seat: (-match.won[seat], seats.index(seat)))


async def _played(
    state: State, place: Place, step: Rank, games: Sequence[Pair]
) -> tuple[list[Match], Calls]:
    """All games at once, each pair in both orders."""
    asked: list[Awaitable[tuple[str | None, Json]]] = []
    labels: list[str] = []
    texts = answers(state, place)
    for one, other in games:
        for order in ((one, other), (other, one)):
            both = {seat: texts[seat] for seat in order}
            telling = Telling(both, alone=True, ordered=True)
            labels.append(f"{order[0]} or {order[1]}")
            asked.append(decided(state, place, step, telling, _reader(order), labels[-1]))
    said = await asyncio.gather(*asked)
    verdicts = [value for value, _ in said]
    matches = [
        Match(pair, there, back)
        for pair, there, back in zip(games, verdicts[::2], verdicts[1::2], strict=True)
    ]
    return matches, {label: call for label, (_, call) in zip(labels, said, strict=True)}


def _reader(order: Pair) -> Callable[[str], str | None]:
    return lambda said: verdict(said, order)


def _outcome(
    seats: Sequence[str], matches: Sequence[Match], calls: Calls, came: dict[str, int]
) -> tuple[list[str] | None, Json]:
    """The seats by how far they came and how strong they are; equals as they sit."""
    strong = {seat: round(value, 4) for seat, value in strengths(seats, matches).items()}
    verdicts = [verdict for match in matches for verdict in (match.there, match.back)]
    both, flips = sum(m.both for m in matches), sum(m.flipped for m in matches)
    record = {
        "calls": calls,
        "strengths": strong,
        "pairs": len(matches),
        "flips": flips,
        "flip_rate": round(flips / both, 4) if both else None,
        "ties": verdicts.count("tie"),
        "unparsed": verdicts.count(None),
    }
    ranked = sorted(seats, key=lambda seat: (-came[seat], -strong[seat]))
    return (None if verdicts.count(None) == len(verdicts) else ranked), record
