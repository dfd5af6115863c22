"""What a node's run in a trace says of itself: who answered, by which prompt, at what cost."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from langsmith import get_current_run_tree

from moagraph.nodes.state import Json, Place, State, settings

TOLD = ("answered_by", "kind", "input_tokens", "output_tokens", "attempts", "cost_usd")


def noted(act: partial[Awaitable[Json]]) -> Callable[[State], Awaitable[Json]]:
    """The act, which leaves a note on its run where there is a trace."""

    async def told(state: State) -> Json:
        written = await act(state)
        place = act.keywords.get("place")
        if place and (run := get_current_run_tree()):
            run.add_metadata(_note(state, place, written))
        return written

    return told


def prompt_version(text: str) -> str:
    """A short hash by which the answers to one wording of a prompt are found."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _note(state: State, place: Place, written: Json) -> Json:
    note: Json = {}
    for record in _records(written):
        note |= {key: record[key] for key in TOLD if record.get(key) is not None}
    prompt = settings(state, place).get("prompt")
    if prompt and place.reads:
        note["prompt_version"] = prompt_version(state["recipe"]["prompts"][prompt])
    return note


def _records(written: Json) -> Iterator[Json]:
    for seats in written.get("layers", {}).values():
        yield from (record for record in seats.values() if record)
    yield from (record for record in written.get("steps", {}).values() if record)
