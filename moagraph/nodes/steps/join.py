"""Join a layer: with enough answers the run goes on; otherwise it stops and can be retried."""

from typing import Any

from moagraph.nodes.errors import QuorumFailed
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.policies.review import review_layer
from moagraph.nodes.state import Proposal, merge_keys


async def join(view: NodeView) -> dict[str, Any]:
    """Pause for a person if the recipe says so, and write which answers are passed on."""
    layer, proposals, spec = view.settings, view.proposals(), view.spec
    changes = review_layer(spec.layer, proposals) if layer.get("review") else {}
    proposals = merge_keys(proposals, [changes])
    if view.layer_skipped:
        return {"steps": {spec.name: {"kept": [], "passes": spec.reads}}}
    usable = [seat for seat, proposal in sorted(proposals.items()) if proposal["ok"]]
    quorum = min(layer["quorum"], _called_seats(proposals))
    if len(usable) < quorum:
        raise QuorumFailed(_quorum_error(spec.layer, proposals, len(usable), quorum))
    update: dict[str, Any] = {"steps": {spec.name: {"kept": usable}}}
    return {**update, "layers": {str(spec.layer): changes}} if changes else update


def _called_seats(proposals: dict[str, Proposal]) -> int:
    """Count the seats that were called; a budget may have skipped some."""
    return sum(
        proposal["kind"] != "skipped" or proposal["edited"] for proposal in proposals.values()
    )


def _quorum_error(layer: int, proposals: dict[str, Proposal], usable: int, quorum: int) -> str:
    failed = [f"{s} {p['model']}: {p['error']}" for s, p in proposals.items() if not p["ok"]]
    return (
        f"layer {layer} has {usable} usable answers of {len(proposals)}, and needs {quorum} "
        f"({'; '.join(failed)})"
    )
