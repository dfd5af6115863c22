"""The compute of an answer: 2 x active parameters x tokens, in TFLOPs.

`decode` counts output tokens; `total` also counts input tokens. `latency` assumes that the models
of a layer run in parallel: the largest count of each layer, summed; a step is a layer of its own.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from moagraph.nodes.errors import UsageError
from moagraph.nodes.models.address import split
from moagraph.nodes.state import Json, calls_of_record

TABLE = Path(__file__).with_name("parameters.toml")


@dataclass(frozen=True)
class ActiveParameters:
    """Billions of active parameters by model; the user's `overrides` come before the table."""

    overrides: Mapping[str, float] = field(default_factory=dict)

    def billions(self, model: str) -> float | None:
        """Return a model's active parameters, in billions; None for an unknown model.

        Args:
            model: The address; its last part alone also matches.
        """
        names = _short_names(model)
        matches = [self.overrides[name] for name in (model, *names) if name in self.overrides]
        matches += [_table()[name.lower()] for name in names if name.lower() in _table()]
        return matches[0] if matches else None


def parse_active_parameters(options: Sequence[str]) -> ActiveParameters:
    """Parse the values of `--active-parameters MODEL=BILLIONS`."""
    overrides = {}
    for option in options:
        model, _, number = option.rpartition("=")
        try:
            overrides[model] = float(number)
        except ValueError:
            overrides[model] = -1.0
        if not model or not 0 < overrides[model] < float("inf"):
            raise UsageError(
                f"--active-parameters {option!r}: it takes MODEL=BILLIONS, "
                "such as vllm:my-model=7.2"
            )
    return ActiveParameters(overrides)


def compute_tflops(
    layers: Sequence[Mapping[str, Any]], steps: Sequence[Json], parameters: ActiveParameters
) -> dict[str, float] | None:
    """Compute the TFLOPs of one answer from its records.

    Args:
        layers: The layers of the result, with their proposals.
        steps: The records of its steps.
        parameters: The size of each model.

    Returns:
        `decode`, `total` and `latency`; None if a model's size or a token count is unknown.
    """
    rows = [[p for p in layer["proposals"]] for layer in layers]
    rows += [calls_of_record(step) for step in steps]
    counts = [[_call_tflops(record, parameters) for record in row if _ran(record)] for row in rows]
    pairs = [pair for row in counts for pair in row]
    if not pairs or None in pairs:
        return None
    return {
        "decode": sum(pair[0] for pair in pairs if pair),
        "total": sum(pair[1] for pair in pairs if pair),
        "latency": sum(max((pair[1] for pair in row if pair), default=0.0) for row in counts),
    }


def _ran(record: Json) -> bool:
    """Return whether a model ran: not for a cached answer or a failed call without output."""
    return bool(record["attempts"]) and (record["ok"] or bool(record["output_tokens"]))


def _call_tflops(record: Json, parameters: ActiveParameters) -> tuple[float, float] | None:
    """Return the `decode` and `total` TFLOPs of one call."""
    substituted = record["kind"] == "substituted"
    billions = parameters.billions(record["answered_by"] or "") if substituted else None
    billions = billions or parameters.billions(record["model"])
    input_tokens, output_tokens = record["input_tokens"], record["output_tokens"]
    if billions is None or input_tokens is None or output_tokens is None:
        return None
    per_token = 2 * billions / 1000
    return per_token * output_tokens, per_token * (input_tokens + output_tokens)


def _short_names(model: str) -> list[str]:
    """Return the parts of `together:Qwen/Qwen1.5-72B-Chat` after its `:` and its last `/`."""
    name = split(model)[1] if ":" in model else model
    name = name.partition("@")[0]
    return [name, name.rpartition("/")[2]]


@cache
def _table() -> dict[str, float]:
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {name.lower(): float(row["billions"]) for name, row in rows.items()}
