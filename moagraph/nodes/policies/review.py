"""A person looks at a layer before it is handed on: keeps, edits, drops, adds, pins, or stops."""

from typing import Annotated, Any, Literal

from langgraph.types import interrupt
from pydantic import BaseModel, ConfigDict, Field, create_model

from moagraph.nodes.errors import Stopped
from moagraph.nodes.state import Json, Proposal

PERSON = "person"


class Review(BaseModel):
    """What a person decided about a layer's answers; nothing said keeps them all."""

    model_config = ConfigDict(extra="forbid")

    edit: dict[str, str] = Field(default_factory=dict, description="Seat -> its new text.")
    drop: list[str] = Field(default_factory=list, description="Seats that are not handed on.")
    add: list[str] = Field(default_factory=list, description="Answers of your own.")
    pin: list[str] = Field(default_factory=list, description="Seats that no step may leave out.")
    abort: bool = Field(False, description="Stop the run here.")


def review(layer: int, proposals: dict[str, Proposal]) -> dict[str, Json]:
    """Pause until a person has answered, and give the seats that this changes."""
    shown = {seat: {"model": p["model"], "text": p["text"]} for seat, p in proposals.items()}
    said = interrupt({"layer": layer, "answers": shown}, response_schema=_schema(proposals))
    decided = Review.model_validate(said.model_dump())
    if decided.abort:
        raise Stopped(f"a person stopped the run behind layer {layer}")
    return changed(proposals, decided)


class Decision(Review):
    """What a person decided about an answer that failed its checks; nothing said accepts it."""

    edit: dict[Annotated[str, Field(pattern="^answer$")], str] = Field(default_factory=dict)
    drop: list[str] = Field(default_factory=list, max_length=0)
    add: list[str] = Field(default_factory=list, max_length=0)
    pin: list[str] = Field(default_factory=list, max_length=0)


def decision(layer: int, node: str, answer: str, complaints: list[str]) -> str | None:
    """Pause until a person has answered, and give the text that they want in its place."""
    shown = {"layer": layer, "step": node, "answer": answer, "complaints": complaints}
    said = Decision.model_validate(interrupt(shown, response_schema=Decision).model_dump())
    if said.abort:
        raise Stopped(f"a person stopped the run at `{node}`")
    return said.edit.get("answer")


def changed(proposals: dict[str, Proposal], said: Review) -> dict[str, Json]:
    """The seats' records as the person wants them, new ones behind the last."""
    records: dict[str, Json] = {seat: edited(proposals[seat], t) for seat, t in said.edit.items()}
    records |= {seat: dropped(proposals[seat]) for seat in said.drop}
    for seat in said.pin:
        records[seat] = {**proposals[seat], **records.get(seat, {}), "pinned": True}
    width = max((len(seat) for seat in proposals), default=2)
    for number, text in enumerate(said.add, len(proposals) + 1):
        records[f"{number:0{width}d}"] = added(text)
    return records


def edited(proposal: Proposal, text: str) -> Json:
    """The proposal with a person's text."""
    told = {"text": text, "ok": True, "kind": "ok", "error": None, "edited": True}
    return {**proposal, **told}


def dropped(proposal: Proposal) -> Json:
    """The proposal left out; its text stays for those who look."""
    told = {"ok": False, "kind": "skipped", "error": "dropped by a person", "edited": True}
    return {**proposal, **told}


def added(text: str) -> Json:
    """A person's own answer; it cost nothing."""
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
    """The review of these very seats, so that the engine refuses any other."""
    seat: Any = Literal[tuple(proposals)]
    return create_model(
        "ReviewOfLayer",
        __base__=Review,
        edit=(dict[seat, str], Field(default_factory=dict)),
        drop=(list[seat], Field(default_factory=list)),
        pin=(list[seat], Field(default_factory=list)),
    )
