import tomllib
from typing import Any

import pytest

from moagraph.evals.flops import TABLE, ActiveParameters, compute_tflops, parse_active_parameters
from moagraph.nodes.errors import UsageError


def record(model: str, heard: int | None, said: int | None, **more: Any) -> dict[str, Any]:
    return {
        "model": model,
        "answered_by": None,
        "kind": "ok",
        "ok": True,
        "attempts": 1,
        "input_tokens": heard,
        "output_tokens": said,
        **more,
    }


KNOWN = parse_active_parameters(["vllm:a=10", "b=20"])


def layer(*records: dict[str, Any]) -> dict[str, Any]:
    return {"layer": 1, "proposals": list(records)}


def test_tflops_are_twice_parameters_times_tokens() -> None:
    layers = [layer(record("vllm:a", 100, 50), record("openai:x/b", 100, 10))]
    steps = [{"node": "L1_join", "kept": ["01"]}, record("vllm:a", 300, 100)]
    assert compute_tflops(layers, steps, KNOWN) == pytest.approx(
        {
            "decode": 0.02 * 50 + 0.04 * 10 + 0.02 * 100,
            "total": 0.02 * 150 + 0.04 * 110 + 0.02 * 400,
            "latency": max(0.02 * 150, 0.04 * 110) + 0.02 * 400,
        }
    )


def test_what_is_not_known_makes_the_whole_unknown() -> None:
    one = record("vllm:a", 100, 50)
    assert compute_tflops([layer(one, record("openai:gpt-4o", 1, 1))], [], KNOWN) is None
    assert compute_tflops([layer(one, record("vllm:a", None, None))], [], KNOWN) is None
    assert compute_tflops([], [], KNOWN) is None


def test_what_did_not_run_took_nothing() -> None:
    one = record("vllm:a", 0, 500)
    idle = record("openai:gpt-4o", None, None, ok=False, attempts=0, kind="skipped")
    failed = record("openai:gpt-4o", None, None, ok=False, kind="timeout")
    came = compute_tflops([layer(one, idle, failed)], [], KNOWN)
    assert came == {"decode": 10.0, "total": 10.0, "latency": 10.0}


def test_a_substitute_is_counted_as_what_it_is() -> None:
    one = record("vllm:a", 0, 500, kind="substituted", answered_by="openai:b")
    came = compute_tflops([layer(one)], [], KNOWN)
    assert came is not None
    assert came["decode"] == 20.0


def test_the_table_knows_models_by_the_end_of_their_names_and_gives_sources() -> None:
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    assert all(row["billions"] > 0 and row["source"] for row in rows.values())
    known = ActiveParameters()
    assert known.billions("together:Qwen/Qwen1.5-72B-Chat") == 72
    assert known.billions("together:mistralai/Mixtral-8x22B-Instruct-v0.1") == 39
    assert known.billions("recorded:dbrx-instruct@file.jsonl") == 36
    assert known.billions("openai:gpt-4o") is None
    assert KNOWN.billions("together:x/b") == 20


@pytest.mark.parametrize("odd", ["a", "a=", "=3", "a=x", "a=0", "a=-1", "a=nan", "a=inf"])
def test_parameters_are_said_as_a_model_and_billions(odd: str) -> None:
    with pytest.raises(UsageError, match="it takes MODEL=BILLIONS"):
        parse_active_parameters([odd])


def test_the_example_of_parameters_is_taken() -> None:
    with pytest.raises(UsageError) as refused:
        parse_active_parameters(["foo"])
    example = str(refused.value).rpartition("such as ")[2]
    assert parse_active_parameters([example]).billions("vllm:my-model") == 7.2
