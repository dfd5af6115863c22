"""Where a layer comes together: enough answers, or the run stops here and can be retried."""

from typing import Any

from nodes.concat import concat
from nodes.errors import QuorumFailed
from nodes.state import Place, Proposal, State, seats, settings


async def join(state: State, place: Place) -> dict[str, Any]:
    """Count the layer's usable answers and write which of them it hands on."""
    proposals = seats(state, place.layer)
    kept = concat(proposals)
    quorum = settings(state, place)["quorum"]
    if len(kept) < quorum:
        raise QuorumFailed(_too_few(place.layer, proposals, len(kept), quorum))
    return {"steps": {place.node: {"kept": kept}}}


def _too_few(layer: int, proposals: dict[str, Proposal], usable: int, quorum: int) -> str:
    failed = [f"{s} {p['model']}: {p['error']}" for s, p in proposals.items() if not p["ok"]]
    return (
        f"layer {layer} has {usable} usable answers of {len(proposals)}, and needs {quorum} "
        f"({'; '.join(failed)})"
    )
