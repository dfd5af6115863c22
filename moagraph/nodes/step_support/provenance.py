"""Which proposals an answer was made from, whatever steps ran in between."""

from moagraph.nodes.node_spec import NodeView


def source_proposals(view: NodeView) -> dict[str, str]:
    """Return the usable answers, by seat, of the layer that the node's answer comes from."""
    layer = source_layer(view)
    return view.reading((layer, (f"L{layer}_join",)), ignore_gates=True).answers


def source_layer(view: NodeView) -> int:
    """Return that layer: the node's own, an earlier one if it was skipped, or that of a gate."""
    assert view.spec.reads is not None
    layer = view.spec.reads[0]
    for gate in view.spec.gates:
        if view.is_settled(gate):
            return int(gate[1:].split("_")[0])
    while passes := view.records.get(f"L{layer}_join", {}).get("passes"):
        layer = passes[0]
    return layer
