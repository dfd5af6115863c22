"""What a recipe with gates has saved: over its kept turns, how far each went and what it took."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from moagraph.graphs.compile.layout import early_end
from moagraph.graphs.recipe.load import recipe_from_state
from moagraph.graphs.usage import call_records, total_cost, total_usage
from moagraph.nodes.state import Json


@dataclass(frozen=True)
class Stage:
    """A layer over all turns: how many came to it, how many ended there, what it took each."""

    layer: int
    reached: int
    ended: int
    calls: float | None
    cost_usd: float | None


@dataclass(frozen=True)
class Runs:
    """All turns of a recipe: what they took, beside what two simpler ways would have taken.

    `every`: each turn goes through all layers. `last`: only the last layer is asked. Both take a
    layer at its mean over the turns that came to it, and are unknown where none did.
    """

    recipe: str
    turns: int
    escalated: float | None
    stages: list[Stage]
    took: Json
    every: Json | None
    last: Json | None

    def as_json(self) -> Json:
        """As `--json` prints it."""
        return asdict(self)


def runs(recipe: str, turns: Sequence[Json]) -> Runs:
    """Read the turns of one recipe; those of an older shape of it count by their layers."""
    ends = [_end(turn) for turn in turns]
    layers = max((len(turn["recipe"]["layers"]) for turn in turns), default=0)
    stages = [_stage(layer, turns, ends) for layer in range(1, layers + 1)]
    escalated = sum(end > 1 for end in ends) / len(ends) if ends else None
    took = _took([record for turn in turns for record in call_records(turn)])
    return Runs(
        recipe,
        len(turns),
        escalated,
        stages,
        took,
        _would(stages, len(turns)),
        _would(stages[-1:], len(turns)),
    )


def _end(turn: Json) -> int:
    """The last layer that the turn needed."""
    recipe = recipe_from_state(turn["recipe"], read_prompts=False)
    ended = early_end(recipe, turn["steps"])
    return ended[0] if ended else len(recipe.layers)


def _stage(layer: int, turns: Sequence[Json], ends: Sequence[int]) -> Stage:
    outcome = [turn for turn, end in zip(turns, ends, strict=True) if end >= layer]
    took = _took([record for turn in outcome for record in call_records(_only(turn, layer))])
    calls, dollars = took["calls"], took["cost_usd"]
    return Stage(
        layer,
        len(outcome),
        ends.count(layer),
        calls / len(outcome) if outcome else None,
        dollars / len(outcome) if outcome and dollars is not None else None,
    )


def _only(turn: Json, layer: int) -> Mapping[str, Any]:
    steps = {k: step for k, step in turn["steps"].items() if k.startswith(f"L{layer}_")}
    return {"layers": {layer: turn["layers"].get(str(layer), {})}, "steps": steps}


def _took(records: list[Mapping[str, Any]]) -> Json:
    return {"calls": total_usage(records)["calls"], "cost_usd": total_cost(records)}


def _would(stages: Sequence[Stage], turns: int) -> Json | None:
    """What so many turns would take through these stages; unknown where one was never reached."""
    calls = [stage.calls for stage in stages if stage.calls is not None]
    dollars = [stage.cost_usd for stage in stages if stage.cost_usd is not None]
    if not stages or len(calls) < len(stages):
        return None
    counted = len(dollars) == len(stages)
    return {
        "calls": round(turns * sum(calls), 1),
        "cost_usd": turns * sum(dollars) if counted else None,
    }
