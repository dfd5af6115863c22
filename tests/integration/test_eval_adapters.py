"""Recipes in others' evaluation tools, on this machine; and nothing that leaves it unasked."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tracers.langchain import wait_for_all_tracers
from langsmith.utils import get_env_var

from moagraph.evals.adapters.for_langsmith import evaluate, examples, target
from moagraph.evals.run.evaluation import evaluate as evaluate_here
from moagraph.evals.sets.open import open_set
from moagraph.nodes.errors import UsageError
from tests.langsmith import Traces, langsmith
from tests.provider import Provider
from tests.terminal import MIX, environment, saved

ROWS = [
    {"id": 1, "question": "2+2?", "answer": "the answer of all"},
    {"id": 2, "question": "3+3?", "answer": "6", "system": "be brief"},
]


def data(folder: Path) -> str:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return str(folder / "rows.jsonl")


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A LangSmith that everything would be sent to."""
    with langsmith() as server:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", server.url)
        monkeypatch.setenv("LANGSMITH_API_KEY", "key")
        monkeypatch.setenv("LANGSMITH_TRACING", "true")
        monkeypatch.setattr("langsmith.run_trees._CLIENT", None)
        get_env_var.cache_clear()  # type: ignore[attr-defined]  # it is read only once
        yield server
        get_env_var.cache_clear()  # type: ignore[attr-defined]


async def test_a_recipe_is_evaluated_by_langsmith_and_nothing_is_uploaded(
    traces: Traces, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    found = open_set(data(tmp_path))
    judges = ["exact", "grade:scripted:Rating: [[7]]"]
    came = await evaluate(saved(tmp_path), found, judges, max_concurrency=2)
    rows = [row async for row in came]
    scores = {
        row["example"].inputs["id"]: {
            result.key: result.score for result in row["evaluation_results"]["results"]
        }
        for row in rows
    }
    assert scores == {1: {"exact": 1, "grade": 7}, 2: {"exact": 0, "grade": 7}}
    outputs = rows[0]["run"].outputs
    assert outputs["answer"] == "the answer of all"
    assert outputs["runs"][0]["usage"]["calls"] == 3
    wait_for_all_tracers()
    assert traces.bodies == []
    assert [str(it.message) for it in recwarn if "beta" in str(it.message)] == []


async def test_what_is_asked_to_be_uploaded_is(traces: Traces, tmp_path: Path) -> None:
    inputs = {"id": 1, "turns": ["why?"], "before": []}
    for upload in (False, True):
        await target(saved(tmp_path, name="mixture.toml"), upload)(inputs)
        wait_for_all_tracers()
        assert bool(traces.bodies) is upload
    assert traces.named("mixture")["outputs"]["messages"]


@pytest.mark.parametrize("said", ["on", "off"])
async def test_traces_of_single_models_and_judges_are_without_content_where_that_is_wanted(
    traces: Traces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("MOA_TRACE_CONTENT", said)
    found = open_set(data(tmp_path))
    await evaluate_here(tmp_path / "ev", found, ["scripted:echo"], ["grade:scripted:[[4]]"])
    wait_for_all_tracers()
    everything = b"".join(body for _, body in traces.bodies)
    assert (b"2+2?" in everything) is (said == "on")


@pytest.fixture
def questions(tmp_path: Path) -> str:
    """Two rows of MT-Bench, each of which has a temperature of its own."""
    rows = [
        {"question_id": 1, "category": "writing", "turns": ["a", "b"]},
        {"question_id": 2, "category": "math", "turns": ["c"]},
    ]
    (tmp_path / "question.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(tmp_path)


def asked_at(provider: Provider) -> dict[str, tuple[float, int]]:
    """By question, the temperature and the length that were asked for."""
    return {
        call.messages[-1]["content"]: (call.body["temperature"], call.body["max_tokens"])
        for call in provider.calls
    }


SAMPLING = {"a": (0.7, 1024), "b": (0.7, 1024), "c": (0.0, 1024)}


async def test_langsmith_asks_a_row_at_its_data_sets_temperature(
    provider: Provider, questions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_BASE_URL", provider.base_url)
    came = await evaluate("vllm:a", open_set(questions))
    assert len([row async for row in came]) == 2
    assert asked_at(provider) == SAMPLING


def test_inspect_asks_a_row_at_its_data_sets_temperature(
    provider: Provider, questions: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_BASE_URL", provider.base_url)
    inspected(tmp_path, questions, "vllm:a", "grade:scripted:[[4]]")
    assert asked_at(provider) == SAMPLING


def test_a_row_is_the_same_example_each_time(tmp_path: Path) -> None:
    one, other = (examples(open_set(data(tmp_path))) for _ in range(2))
    assert [e.id for e in one] == [e.id for e in other]
    assert one[1].inputs == {"id": 2, "turns": ["3+3?"], "before": [["system", "be brief"]]}
    assert one[1].outputs == {"references": ["6"]}


async def test_what_langsmith_cannot_do_is_refused(tmp_path: Path) -> None:
    found = open_set(data(tmp_path))
    with pytest.raises(UsageError, match="with `upload`, name a data set that is in LangSmith"):
        await evaluate("local", found, upload=True)
    with pytest.raises(UsageError, match="our judges need one of our data sets"):
        await evaluate("local", "theirs", ["exact"], upload=True)
    with pytest.raises(UsageError, match="compares two answers"):
        await evaluate("local", found, ["pairwise:scripted:x"])


INSPECT = """
import json, sys
from inspect_ai import eval
from moagraph.evals.adapters.for_inspect import mixture_task

task = mixture_task(data=sys.argv[1], recipe=sys.argv[2], judge=sys.argv[3])
[log] = eval(task, model="mockllm/model", log_dir=sys.argv[4], display="none")
print(json.dumps({
    "status": log.status,
    "metrics": {n: m.value for n, m in log.results.scores[0].metrics.items()},
    "answers": [s.output.completion for s in log.samples],
    "said": [[m.text for m in s.messages] for s in log.samples],
    "usage": [s.output.usage.total_tokens for s in log.samples],
    "calls": [s.metadata["moagraph"][-1]["usage"]["calls"] for s in log.samples],
}))
"""


def inspected(folder: Path, rows: str, recipe: str, judge: str) -> dict[str, Any]:
    """What inspect_ai says of it, in a process of its own."""
    pytest.importorskip("inspect_ai")
    command = [sys.executable, "-c", INSPECT, rows, recipe, judge, str(folder / "logs")]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(), cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def test_a_recipe_is_a_solver_and_a_judge_a_scorer_in_inspect(tmp_path: Path) -> None:
    came = inspected(tmp_path, data(tmp_path), saved(tmp_path, MIX), "exact")
    assert came["status"] == "success"
    assert came["metrics"]["mean"] == 0.5
    assert came["answers"] == ["the answer of all"] * 2
    assert came["calls"] == [3, 3]
    assert all(used > 0 for used in came["usage"])
    assert os.listdir(tmp_path / "logs")


def test_inspect_holds_all_turns(tmp_path: Path) -> None:
    (tmp_path / "question.jsonl").write_text(
        json.dumps({"question_id": 1, "category": "writing", "turns": ["a", "b"]}) + "\n"
    )
    came = inspected(tmp_path, str(tmp_path), "scripted:echo", "grade:scripted:[[4]]")
    assert came["said"] == [["a", "a", "b", "b"]]
    assert came["metrics"]["mean"] == 4
