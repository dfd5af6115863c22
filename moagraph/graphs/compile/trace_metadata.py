"""Add to a node's run in a trace: who answered, with which prompt version, at what cost."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator

from langsmith import get_current_run_tree

from moagraph.nodes.node_spec import NodeSpec, NodeView
from moagraph.nodes.state import Json, State

FIELDS = ("answered_by", "kind", "input_tokens", "output_tokens", "attempts", "cost_usd")


def with_trace_metadata(
    work: Callable[[State], Awaitable[Json]], spec: NodeSpec
) -> Callable[[State], Awaitable[Json]]:
    """Wrap a node's work so that its run carries metadata where there is a trace."""

    async def traced(state: State) -> Json:
        update = await work(state)
        if run := get_current_run_tree():
            run.add_metadata(_metadata(NodeView(state, spec), update))
        return update

    return traced


def prompt_version(text: str) -> str:
    """Return a short hash by which the answers to one wording of a prompt are found."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _metadata(view: NodeView, update: Json) -> Json:
    metadata: Json = {}
    for record in _records(update):
        metadata |= {key: record[key] for key in FIELDS if record.get(key) is not None}
    prompt = view.settings.get("prompt")
    if prompt and view.spec.reads:
        metadata["prompt_version"] = prompt_version(view.recipe["prompts"][prompt])
    return metadata


def _records(update: Json) -> Iterator[Json]:
    for seats in update.get("layers", {}).values():
        yield from (record for record in seats.values() if record)
    yield from (record for record in update.get("steps", {}).values() if record)
