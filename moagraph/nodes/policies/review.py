"""Pause for a person who reviews answers: keeps, edits, drops, adds, pins them, or stops."""

from typing import Annotated, Any, Literal

from langgraph.types import interrupt
from pydantic import BaseModel, ConfigDict, Field, create_model

from moagraph.nodes.errors import Stopped
from moagraph.nodes.state import Json, Proposal

PERSON = "person"


class Review(BaseModel):
    """What a person decided about a layer's answers; an empty review keeps them all."""

    model_config = ConfigDict(extra="forbid")

    edit: dict[str, str] = Field(default_factory=dict, description="Seat -> its new text.")
    drop: list[str] = Field(default_factory=list, description="Seats that are not handed on.")
    add: list[str] = Field(default_factory=list, description="Answers of your own.")
    pin: list[str] = Field(default_factory=list, description="Seats that no step may leave out.")
    abort: bool = Field(False, description="Stop the run here.")


def review_layer(layer: int, proposals: dict[str, Proposal]) -> dict[str, Json]:
    """Pause for a review of a layer.

    Args:
        layer: The layer's number.
        proposals: Its proposals by seat.

    Returns:
        The records of the seats that the review changes.
    """
    answers = {seat: {"model": p["model"], "text": p["text"]} for seat, p in proposals.items()}
    response = interrupt({"layer": layer, "answers": answers}, response_schema=_schema(proposals))
    review = Review.model_validate(response.model_dump())
    if review.abort:
        raise Stopped(f"a person stopped the run behind layer {layer}")
    return apply_review(proposals, review)


class Decision(Review):
    """What a person decided about an answer that failed its checks; an empty one accepts it."""

    edit: dict[Annotated[str, Field(pattern="^answer$")], str] = Field(default_factory=dict)
    drop: list[str] = Field(default_factory=list, max_length=0)
    add: list[str] = Field(default_factory=list, max_length=0)
    pin: list[str] = Field(default_factory=list, max_length=0)


def review_answer(layer: int, node: str, answer: str, complaints: list[str]) -> str | None:
    """Pause for a review of an answer that failed its checks.

    Args:
        layer: The number of the layer before it.
        node: The node that checked it.
        answer: Its text.
        complaints: What the checks found.

    Returns:
        The text that replaces it, if the person has edited it.
    """
    request = {"layer": layer, "step": node, "answer": answer, "complaints": complaints}
    response = interrupt(request, response_schema=Decision)
    decision = Decision.model_validate(response.model_dump())
    if decision.abort:
        raise Stopped(f"a person stopped the run at `{node}`")
    return decision.edit.get("answer")


def apply_review(proposals: dict[str, Proposal], review: Review) -> dict[str, Json]:
    """Return the records of the seats that a review changes; added ones follow the last.

    Args:
        proposals: The layer's proposals by seat.
        review: The person's decisions.
    """
    records: dict[str, Json] = {
        seat: edited(proposals[seat], text) for seat, text in review.edit.items()
    }
    records |= {seat: dropped(proposals[seat]) for seat in review.drop}
    for seat in review.pin:
        records[seat] = {**proposals[seat], **records.get(seat, {}), "pinned": True}
    width = max((len(seat) for seat in proposals), default=2)
    for number, text in enumerate(review.add, len(proposals) + 1):
        records[f"{number:0{width}d}"] = added(text)
    return records


def edited(proposal: Proposal, text: str) -> Json:
    """Return the proposal with a person's text."""
    return {**proposal, "text": text, "ok": True, "kind": "ok", "error": None, "edited": True}


def dropped(proposal: Proposal) -> Json:
    """Return the proposal as skipped; its text stays in the record."""
    changes = {"ok": False, "kind": "skipped", "error": "dropped by a person", "edited": True}
    return {**proposal, **changes}


def added(text: str) -> Json:
    """Return a proposal that a person has written; it costs nothing."""
    record = Proposal(
        model=PERSON,
        answered_by=None,
        ok=True,
        kind="ok",
        text=text,
        error=None,
        input_tokens=0,
        output_tokens=0,
        seconds=0.0,
        attempts=0,
        cost_usd=0.0,
        cached=False,
        edited=True,
    )
    return dict(record)


def _schema(proposals: dict[str, Proposal]) -> type[BaseModel]:
    """Return the schema of a review of these seats, so that others are refused."""
    seat: Any = Literal[tuple(proposals)]
    return create_model(
        "ReviewOfLayer",
        __base__=Review,
        edit=(dict[seat, str], Field(default_factory=dict)),
        drop=(list[seat], Field(default_factory=list)),
        pin=(list[seat], Field(default_factory=list)),
    )
