"""Rank: one model reads the answers without their authors and says which are the best.

It reads all in one list; or two by two, each pair in both orders, since a model that prefers what
it reads first then contradicts itself, which is counted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, Literal, TypeAlias

from pydantic import Field, model_validator

from moagraph.nodes.errors import StepFailed
from moagraph.nodes.messages.build import MessageBuilder, PromptArguments
from moagraph.nodes.messages.fence import Reading, shuffle_seats
from moagraph.nodes.models.call import Call
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.resources import Prompt
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.ask_parsed import ask_parsed
from moagraph.nodes.step_support.base import Update
from moagraph.nodes.step_support.selection import SelectionStep, parse_ranking, select_answers
from moagraph.nodes.texts.pairwise import Match, Pair, bradley_terry, parse_verdict, select_pairs

CallRecords: TypeAlias = dict[str, Json]
Ranking: TypeAlias = tuple[list[str] | None, Json]  # the seats, the best first; and the record


class Rank(Call, Reading, SelectionStep):
    """Which model ranks, and with which prompt."""

    ORDERS: ClassVar[int] = 2

    step: Literal["rank"] = "rank"
    by: Literal["list", "pairs", "tournament"] = Field(
        "list", description="All at once; each two, in both orders; or two by two, losers leaving."
    )
    max_calls: int | None = Field(
        None, ge=2, description="The most comparisons that are asked; each pair takes two."
    )
    prompt: Prompt = Field(
        default_factory=lambda data: "rank" if data.get("by", "list") == "list" else "compare",
        description="A prompt's name, a path, or the text; where pairs are compared, `compare`.",
    )
    otherwise: Literal["fail", "first"] = Field(
        "fail", description="Where no verdict can be read: fail, or let the first answer stand."
    )
    anonymise: bool | None = True

    @model_validator(mode="after")
    def _check_max_calls(self) -> "Rank":
        if self.by == "list" and self.max_calls is not None:
            raise ValueError('`max_calls` bounds `by` "pairs" and "tournament"; a list is one call')
        return self

    def call_count(self, answers: int) -> int:
        """Return one call for a list; two for each pair that is compared."""
        if self.by == "list":
            return 1
        matches = answers - 1 if self.by == "tournament" else answers * (answers - 1) // 2
        return min(self.ORDERS * matches, self.ORDERS * self._max_matches)

    async def run(self, view: NodeView) -> Update:
        """Ask the ranker; if no verdict can be read, all answers are passed on."""
        if view.layer_skipped and not view.spec.ends_turn:
            return {}
        texts = view.answers
        if len(texts) == 1:
            return select_answers(view, list(texts), self.keep, {})
        methods = {
            "list": self._rank_list,
            "pairs": self._rank_pairs,
            "tournament": self._rank_tournament,
        }
        ranked, record = await methods[self.by](view)
        if ranked is None and view.spec.ends_turn and self.otherwise == "fail":
            call = next(iter(record["calls"].values()))
            reason = call["error"] or f"no ranking in {call['text'][:80]!r}"
            raise StepFailed(
                f"`{view.spec.name}` got no ranking from `{self.model}`: {reason}", record
            )
        if ranked is None:
            record["why"] = "no ranking could be read: the answers stand as they sit"
            return select_answers(view, list(texts), len(texts), record)
        return select_answers(view, ranked, self.keep, {**record, "ranking": ranked})

    async def _rank_list(self, view: NodeView) -> Ranking:
        order = list(MessageBuilder(view).references)
        arguments = PromptArguments(alone=True)
        ranked, call = await ask_parsed(
            view, self, arguments, lambda text: parse_ranking(text, order)
        )
        return ranked, {"calls": {"ranker": call}, "unparsed": int(ranked is None)}

    async def _rank_pairs(self, view: NodeView) -> Ranking:
        """Compare every pair, or as many as `max_calls` allows, each seat about equally often."""
        seats = list(view.answers)
        shuffled = shuffle_seats(seats, view.recipe["salt"], view.spec.name)
        selected = select_pairs(seats if self.max_calls is None else shuffled, self._max_matches)
        matches, calls = await self._compare(view, selected)
        return _outcome(seats, matches, calls, dict.fromkeys(seats, 0))

    async def _rank_tournament(self, view: NodeView) -> Ranking:
        """Compare two by two, winners against each other; the rounds survived count first."""
        seats = list(view.answers)
        remaining = shuffle_seats(seats, view.recipe["salt"], view.spec.name)
        rounds, matches = dict.fromkeys(seats, 0), list[Match]()
        calls: CallRecords = {}
        while len(remaining) > 1 and len(matches) < self._max_matches:
            games = list(zip(remaining[::2], remaining[1::2], strict=False))
            games = games[: self._max_matches - len(matches)]
            played, more = await self._compare(view, games)
            winners = {_winner(match, seats) for match in played}
            losers = {seat for match in played for seat in match.pair} - winners
            remaining = [seat for seat in remaining if seat not in losers]
            for seat in remaining:
                rounds[seat] += 1
            matches, calls = [*matches, *played], {**calls, **more}
        return _outcome(seats, matches, calls, rounds)

    async def _compare(
        self, view: NodeView, games: Sequence[Pair]
    ) -> tuple[list[Match], CallRecords]:
        """Compare all pairs at once, each in both orders."""
        requests: list[Awaitable[tuple[str | None, Json]]] = []
        labels: list[str] = []
        for first, second in games:
            for order in ((first, second), (second, first)):
                texts = {seat: view.answers[seat] for seat in order}
                arguments = PromptArguments(texts, alone=True, ordered=True)
                labels.append(f"{order[0]} or {order[1]}")
                requests.append(
                    ask_parsed(view, self, arguments, _verdict_parser(order), labels[-1])
                )
        results = await asyncio.gather(*requests)
        verdicts = [value for value, _ in results]
        matches = [
            Match(pair, forward, backward)
            for pair, forward, backward in zip(games, verdicts[::2], verdicts[1::2], strict=True)
        ]
        return matches, {label: call for label, (_, call) in zip(labels, results, strict=True)}

    @property
    def _max_matches(self) -> int:
        """How many pairs may be compared."""
        return 10**6 if self.max_calls is None else self.max_calls // self.ORDERS


def _winner(match: Match, seats: Sequence[str]) -> str:
    """Return who won more of the two games; of equals, the first seat."""
    return min(match.pair, key=lambda seat: (-match.wins[seat], seats.index(seat)))


def _verdict_parser(order: Pair) -> Callable[[str], str | None]:
    return lambda text: parse_verdict(text, order)


def _outcome(
    seats: Sequence[str], matches: Sequence[Match], calls: CallRecords, rounds: dict[str, int]
) -> Ranking:
    """Rank the seats by rounds survived, then by strength; equals in seat order."""
    strength = {seat: round(value, 4) for seat, value in bradley_terry(seats, matches).items()}
    verdicts = [verdict for match in matches for verdict in (match.forward, match.backward)]
    both, flips = sum(m.is_decided for m in matches), sum(m.is_flipped for m in matches)
    record = {
        "calls": calls,
        "strengths": strength,
        "pairs": len(matches),
        "flips": flips,
        "flip_rate": round(flips / both, 4) if both else None,
        "ties": verdicts.count("tie"),
        "unparsed": verdicts.count(None),
    }
    ranked = sorted(seats, key=lambda seat: (-rounds[seat], -strength[seat]))
    return (None if verdicts.count(None) == len(verdicts) else ranked), record
