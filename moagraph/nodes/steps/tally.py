"""Tally: combine the rankings that the members of a council gave of the layer before."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import ClassVar, Literal

from pydantic import Field

from moagraph.nodes import node_names
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.answer import message_of_text
from moagraph.nodes.step_support.base import Step, Update
from moagraph.nodes.step_support.selection import parse_best, seat_weights
from moagraph.nodes.texts.ballots import borda_points, concordance, ranks, self_preference

Ballots = dict[str, dict[str, float]]


class Tally(Step):
    """How many of the ranked answers are passed on; a member's `weight` counts its ranking."""

    ranks_previous_layer: ClassVar[bool] = True

    step: Literal["tally"] = "tally"
    keep: int | None = Field(
        None, ge=1, description="How many answers it hands on, the best first; all, unless said."
    )

    @property
    def leaves_one_answer(self) -> bool:
        """Whether only the best is left."""
        return self.keep == 1

    def answers_left(self, answers: int) -> int:
        """Return as many as it keeps."""
        return min(self.keep or answers, answers)

    async def run(self, view: NodeView) -> Update:
        """Count the rankings; the answers that they rank replace the reviews."""
        if view.layer_skipped:
            return _pass_on(view, view.answers, {}) if view.spec.ends_turn else {}
        texts = view.reading(view.spec.layer_reads).answers
        rankings = {seat: _parse_review(view, seat, texts) for seat in view.answers}
        parsed = {seat: best for seat, best in rankings.items() if best}
        ballots = {seat: ranks(best, list(texts)) for seat, best in parsed.items()}
        weights = seat_weights(view, rankings)
        points = borda_points(ballots, weights, list(texts))
        ranking = sorted(texts, key=lambda seat: -points[seat])
        record = {
            "ranking": ranking,
            "points": {seat: round(points[seat], 4) for seat in ranking},
            "of": (len(texts) - 1) * sum(weights[seat] for seat in ballots),
            "ballots": parsed,
            **_weights_record(weights),
            **_agreement(view, ballots, list(texts)),
            **_unparsed(view, rankings),
            **_ties(points, ranking, bool(ballots)),
        }
        record["grades"] = _grades(record, ballots)
        best = ranking[: 1 if view.spec.ends_turn else self.keep]
        return _pass_on(view, {seat: texts[seat] for seat in best}, record)


def _pass_on(view: NodeView, texts: Mapping[str, str], record: Json) -> Update:
    """Return the update that leaves these answers; at the end of a recipe, the first is it."""
    final: Json = {**record, "kept": list(texts), "texts": dict(texts)}
    if not view.spec.ends_turn:
        return {"steps": {view.spec.name: final}}
    text = next(iter(texts.values()))
    return {"steps": {view.spec.name: {**final, "text": text}}, "messages": [message_of_text(text)]}


def _parse_review(view: NodeView, seat: str, texts: Mapping[str, str]) -> list[str] | None:
    """Return the answers that a review ranks, by the numbers under which its author saw them."""
    proposal: Json = dict(view.proposals().get(seat, {}))
    best = parse_best(view.answers[seat], proposal.get("order", list(texts)))
    return best and [seat for seat in best if seat in texts]


def _weights_record(weights: Mapping[str, float]) -> Json:
    return {"weights": dict(weights)} if set(weights.values()) - {1.0} else {}


def _agreement(view: NodeView, ballots: Ballots, seats: Sequence[str]) -> Json:
    """Return how far the members agree, and how much better each ranks itself than others do."""
    agreement = concordance(list(ballots.values()), seats)
    record: Json = {"agreement": None if agreement is None else round(agreement, 4)}
    if preferences := self_preference(ballots, _own_answers(view)):
        lead = fmean(others - own for own, others in preferences.values())
        record["own_rank_and_others"] = {
            voter: [own, round(others, 4)] for voter, (own, others) in preferences.items()
        }
        record["self_preference"] = round(lead, 4)
    return record


def _own_answers(view: NodeView) -> dict[str, str]:
    """Return each member's own answer: of the seat with its name, otherwise with its number."""
    if view.spec.layer_reads is None:
        return {}
    layers = view.recipe["layers"]
    voters = layers[view.spec.layer - 1]["proposers"]
    authors = layers[view.spec.layer_reads[0] - 1]["proposers"]
    own: dict[str, str] = {}
    for index, voter in enumerate(voters):
        name = voter.get("name")
        matches = [n for n, author in enumerate(authors) if author.get("name") == name]
        matches = matches if name else [index]
        if len(matches) != 1 or matches[0] >= len(authors):
            continue
        if authors[matches[0]]["model"] == voter["model"]:
            seat = node_names.seat(index, len(voters))
            own[seat] = node_names.seat(matches[0], len(authors))
    return own


def _unparsed(view: NodeView, rankings: Mapping[str, list[str] | None]) -> Json:
    """Return which reviews contain no ranking, and which members sent none."""
    unparsed = [seat for seat, best in rankings.items() if not best]
    failed = [seat for seat, proposal in view.proposals().items() if not proposal["ok"]]
    record: Json = {"unparsed": len(unparsed)}
    record |= {"unread": unparsed} if unparsed else {}
    return record | ({"no_review": failed} if failed else {})


def _ties(points: Mapping[str, float], ranking: Sequence[str], has_ballots: bool) -> Json:
    if not has_ballots:
        return {"why": "no review could be read as a ranking: the answers stay as they sit"}
    ties = [seat for seat in ranking if points[seat] == points[ranking[0]]]
    reason = "equal points: the first seat's answer stands before the others"
    return {"tie": ties, "why": reason} if len(ties) > 1 else {}


def _grades(record: Json, ballots: Ballots) -> dict[str, str]:
    """Return what a prompt may show of each answer's result."""
    grades = {}
    for seat, points in record["points"].items():
        first = sum(ranks_by_seat[seat] == 1 for ranks_by_seat in ballots.values())
        grades[seat] = (
            f"{points:g} of {record['of']:g} points, ranked first by {first} of {len(ballots)}"
        )
    return grades
