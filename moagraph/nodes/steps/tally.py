"""Tally: the members of a council have ranked the layer before; their rankings become one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, ClassVar, Literal

from pydantic import Field

from moagraph.nodes.node_spec import NodeSpec, NodeView
from moagraph.nodes.step_support.answer import message_of_text
from moagraph.nodes.step_support.selection import parse_best, seat_weights
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.base import Step, Update
from moagraph.nodes.texts.ballots import concordance, self_preference, borda_points, ranks

Ballots = dict[str, dict[str, float]]


class Tally(Step):
    """How many of the ranked answers are handed on; a member's `weight` counts its ranking."""

    ranks_previous_layer: ClassVar[bool] = True

    step: Literal["tally"] = "tally"
    keep: int | None = Field(
        None, ge=1, description="How many answers it hands on, the best first; all, unless said."
    )

    @property
    def leaves_one_answer(self) -> bool:
        """Whether only the best is left."""
        return self.keep == 1

    def answers_left(self, seats: int) -> int:
        """As many as it keeps."""
        return min(self.keep or seats, seats)

    async def run(self, view: NodeView) -> Update:
        """Count the rankings; the reviews give way to the answers that they are about."""
        if view.layer_skipped:
            return _left(view, view.answers, {}) if view.spec.ends_turn else {}
        texts = view.reading(view.spec.layer_reads).answers
        said = {seat: _named(view, seat, text, texts) for seat, text in reviews(view)}
        ballots = {seat: ranks(best, list(texts)) for seat, best in said.items() if best}
        heavy = seat_weights(view, said)
        counted = borda_points(ballots, heavy, list(texts))
        ranking = sorted(texts, key=lambda seat: -counted[seat])
        record = {
            "ranking": ranking,
            "points": {seat: round(counted[seat], 4) for seat in ranking},
            "of": (len(texts) - 1) * sum(heavy[seat] for seat in ballots),
            "ballots": {seat: best for seat, best in said.items() if best},
            **_weighed(heavy),
            **_agreement(view, ballots, list(texts)),
            **_unread(view, said),
            **_tied(counted, ranking, bool(ballots)),
        }
        record["grades"] = _grades(record, ballots)
        best = ranking[: 1 if view.spec.ends_turn else self.keep]
        return _left(view, {seat: texts[seat] for seat in best}, record)




def reviews(view: NodeView) -> list[tuple[str, str]]:
    """What each member wrote about the answers."""
    return list(view.answers.items())


def _left(view: NodeView, texts: Mapping[str, str], record: Json) -> dict[str, Any]:
    left: Json = {**record, "kept": list(texts), "texts": dict(texts)}
    if not view.spec.ends_turn:
        return {"steps": {view.spec.name: left}}
    text = next(iter(texts.values()))
    return {"steps": {view.spec.name: {**left, "text": text}}, "messages": [message_of_text(text)]}


def _named(
    view: NodeView, seat: str, text: str, texts: Mapping[str, str]
) -> list[str] | None:
    """The answers that a review ranks, by the numbers under which that member saw them."""
    order = _proposal(view, seat).get("order", list(texts))
    best = parse_best(text, order)
    return best and [one for one in best if one in texts]


def _proposal(view: NodeView, seat: str) -> Json:
    return dict(view.proposals().get(seat, {}))


def _weighed(heavy: Mapping[str, float]) -> Json:
    return {"weights": dict(heavy)} if set(heavy.values()) - {1.0} else {}


def _agreement(view: NodeView, ballots: Ballots, seats: Sequence[str]) -> Json:
    """How far the members agree, and how much better each ranks itself than the others do."""
    agree = concordance(list(ballots.values()), seats)
    found = self_preference(ballots, _own(view.recipe, view.spec))
    told: Json = {"agreement": None if agree is None else round(agree, 4)}
    if found:
        lead = fmean(others - own for own, others in found.values())
        own = {voter: [own, round(others, 4)] for voter, (own, others) in found.items()}
        told |= {"own_rank_and_others": own, "self_preference": round(lead, 4)}
    return told


def _own(recipe: Json, spec: NodeSpec) -> dict[str, str]:
    """Which answer is a member's own: that of the seat of its name, else of its number."""
    if spec.layer_reads is None:
        return {}
    voters = recipe["layers"][spec.layer - 1]["proposers"]
    before = list(enumerate(recipe["layers"][spec.layer_reads[0] - 1]["proposers"], 1))
    found = {}
    for number, voter in enumerate(voters, 1):
        name = voter.get("name")
        same = [n for n, one in before if one.get("name") == name] if name else [number]
        if len(same) == 1 and same[0] <= len(before):
            model = before[same[0] - 1][1]["model"]
            if model == voter["model"]:
                found[_seat(number, voters)] = _seat(same[0], before)
    return found


def _seat(number: int, of: Sequence[Any]) -> str:
    return f"{number:0{max(2, len(str(len(of))))}d}"


def _unread(view: NodeView, said: Mapping[str, list[str] | None]) -> Json:
    """Which reviews rank nothing, and which never came."""
    mute = [seat for seat, best in said.items() if not best]
    down = [seat for seat, one in view.proposals().items() if not one["ok"]]
    told: Json = {"unparsed": len(mute)}
    return told | ({"unread": mute} if mute else {}) | ({"no_review": down} if down else {})


def _tied(counted: Mapping[str, float], ranking: Sequence[str], read: bool) -> Json:
    if not read:
        return {"why": "no review could be read as a ranking: the answers stay as they sit"}
    ties = [seat for seat in ranking if counted[seat] == counted[ranking[0]]]
    reason = "equal points: the first seat's answer stands before the others"
    return {"tie": ties, "why": reason} if len(ties) > 1 else {}


def _grades(record: Json, ballots: Ballots) -> dict[str, str]:
    """What a prompt may be told of each answer."""
    told = {}
    for seat, counted in record["points"].items():
        first = sum(said[seat] == 1 for said in ballots.values())
        told[seat] = (
            f"{counted:g} of {record['of']:g} points, ranked first by {first} of {len(ballots)}"
        )
    return told
