"""What the seats said of whom an answer was made, whichever steps came between."""

from dataclasses import replace

from moagraph.nodes.state import Place, State, answers, settled


def proposed(state: State, place: Place) -> dict[str, str]:
    """The usable answers, by seat, of the layer that the node's answer comes from."""
    layer = layer_of(state, place)
    return answers(state, replace(place, reads=(layer, (f"L{layer}_join",)), gates=()))


def layer_of(state: State, place: Place) -> int:
    """That layer: its own, or where it was left out the one before; or that of a gate."""
    assert place.reads is not None
    layer = place.reads[0]
    for gate in place.gates:
        if settled(state, gate):
            return int(gate[1:].split("_")[0])
    while passes := state["steps"].get(f"L{layer}_join", {}).get("passes"):
        layer = passes[0]
    return layer
