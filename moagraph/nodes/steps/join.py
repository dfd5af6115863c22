"""Where a layer comes together: enough answers, or the run stops here and can be retried."""

from typing import Any

from moagraph.nodes.steps.concat import concat
from moagraph.nodes.errors import QuorumFailed
from moagraph.nodes.policies.review import review
from moagraph.nodes.state import Place, Proposal, State, merge_keys, passed, seats, settings


async def join(state: State, place: Place) -> dict[str, Any]:
    """Let a person look where the recipe says so, and write which answers are handed on."""
    layer = settings(state, place)
    proposals = seats(state, place.layer)
    changes = review(place.layer, proposals) if layer.get("review") else {}
    proposals = merge_keys(proposals, [changes])
    if passed(state, place.layer):
        return {"steps": {place.node: {"kept": [], "passes": place.reads}}}
    kept = concat(proposals)
    quorum = min(layer["quorum"], asked(proposals))
    if len(kept) < quorum:
        raise QuorumFailed(_too_few(place.layer, proposals, len(kept), quorum))
    update: dict[str, Any] = {"steps": {place.node: {"kept": kept}}}
    return {**update, "layers": {str(place.layer): changes}} if changes else update


def asked(proposals: dict[str, Proposal]) -> int:
    """How many seats were asked; a budget may have left some out."""
    return sum(
        proposal["kind"] != "skipped" or proposal["edited"] for proposal in proposals.values()
    )


def _too_few(layer: int, proposals: dict[str, Proposal], usable: int, quorum: int) -> str:
    failed = [f"{s} {p['model']}: {p['error']}" for s, p in proposals.items() if not p["ok"]]
    return (
        f"layer {layer} has {usable} usable answers of {len(proposals)}, and needs {quorum} "
        f"({'; '.join(failed)})"
    )
