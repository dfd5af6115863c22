"""What the seats said of whom an answer was made, whichever steps came between."""

from dataclasses import replace

from moagraph.nodes.node_spec import NodeView


def proposed(view: NodeView) -> dict[str, str]:
    """The usable answers, by seat, of the layer that the node's answer comes from."""
    layer = layer_of(view)
    return view.reading((layer, (f"L{layer}_join",)), ignore_gates=True).answers


def layer_of(view: NodeView) -> int:
    """That layer: its own, or where it was left out the one before; or that of a gate."""
    assert view.spec.reads is not None
    layer = view.spec.reads[0]
    for gate in view.spec.gates:
        if view.is_settled(gate):
            return int(gate[1:].split("_")[0])
    while passes := view.records.get(f"L{layer}_join", {}).get("passes"):
        layer = passes[0]
    return layer
