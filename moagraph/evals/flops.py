"""What an answer took to compute: 2 x active parameters x tokens, in TFLOPs.

`decode` counts the tokens said, `total` those heard as well. `latency` is how long one would wait
if all of a layer's models ran at once: of each layer the most, summed; each step is its own layer.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from moagraph.nodes.errors import UsageError
from moagraph.nodes.models.address import split
from moagraph.nodes.state import Json, calls_of_record

TABLE = Path(__file__).with_name("parameters.toml")


@dataclass(frozen=True)
class Parameters:
    """Billions of active parameters by model; what a user says goes before the table."""

    own: Mapping[str, float] = field(default_factory=dict)

    def of(self, model: str) -> float | None:
        """For a model by its full name, its own or its last part; None where it is not known."""
        names = _names(model)
        found = [self.own[name] for name in (model, *names) if name in self.own]
        found += [_table()[name.lower()] for name in names if name.lower() in _table()]
        return found[0] if found else None


def parameters_of(said: Sequence[str]) -> Parameters:
    """What `--active-parameters MODEL=BILLIONS` says."""
    own = {}
    for one in said:
        model, _, number = one.rpartition("=")
        try:
            own[model] = float(number)
        except ValueError:
            own[model] = -1.0
        if not model or not 0 < own[model] < float("inf"):
            raise UsageError(
                f"--active-parameters {one!r}: it takes MODEL=BILLIONS, such as vllm:my-model=7.2"
            )
    return Parameters(own)


def tflops(
    layers: Sequence[Json], steps: Sequence[Json], known: Parameters
) -> dict[str, float] | None:
    """For the records of one answer; None as soon as one model or its tokens are unknown."""
    rows = [[p for p in layer["proposals"]] for layer in layers]
    rows += [calls_of_record(step) for step in steps]
    taken = [[_one(record, known) for record in row if _ran(record)] for row in rows]
    pairs = [pair for row in taken for pair in row]
    if not pairs or None in pairs:
        return None
    return {
        "decode": sum(pair[0] for pair in pairs if pair),
        "total": sum(pair[1] for pair in pairs if pair),
        "latency": sum(max((pair[1] for pair in row if pair), default=0.0) for row in taken),
    }


def _ran(record: Json) -> bool:
    """Whether a model was at work: not where it answered from a cache or failed for nothing."""
    return bool(record["attempts"]) and (record["ok"] or bool(record["output_tokens"]))


def _one(record: Json, known: Parameters) -> tuple[float, float] | None:
    billions = known.of(record["answered_by"] or "") if record["kind"] == "substituted" else None
    billions = billions or known.of(record["model"])
    heard, said = record["input_tokens"], record["output_tokens"]
    if billions is None or heard is None or said is None:
        return None
    each = 2 * billions / 1000
    return each * said, each * (heard + said)


def _names(model: str) -> list[str]:
    """`together:Qwen/Qwen1.5-72B-Chat` is also called by what stands behind its `:` and `/`."""
    name = split(model)[1] if ":" in model else model
    name = name.partition("@")[0]
    return [name, name.rpartition("/")[2]]


@cache
def _table() -> dict[str, float]:
    said = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {name.lower(): float(row["billions"]) for name, row in said.items()}
