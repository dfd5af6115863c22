"""Where a layer comes together: enough answers, or the run stops here and can be retried."""

from typing import Any

from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.steps.concat import concat
from moagraph.nodes.errors import QuorumFailed
from moagraph.nodes.policies.review import review
from moagraph.nodes.state import Proposal, merge_keys


async def join(view: NodeView) -> dict[str, Any]:
    """Let a person look where the recipe says so, and write which answers are handed on."""
    layer = view.settings
    proposals = view.proposals()
    changes = review(view.spec.layer, proposals) if layer.get("review") else {}
    proposals = merge_keys(proposals, [changes])
    if view.layer_skipped:
        return {"steps": {view.spec.name: {"kept": [], "passes": view.spec.reads}}}
    kept = concat(proposals)
    quorum = min(layer["quorum"], asked(proposals))
    if len(kept) < quorum:
        raise QuorumFailed(_too_few(view.spec.layer, proposals, len(kept), quorum))
    update: dict[str, Any] = {"steps": {view.spec.name: {"kept": kept}}}
    return {**update, "layers": {str(view.spec.layer): changes}} if changes else update


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
