"""What LangSmith gets to see, taken from a server that speaks its protocol."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from moagraph.graphs.compile.trace_metadata import prompt_version
from moagraph.prompts import read
from tests.faults import Status
from tests.langsmith import Traces, langsmith
from tests.mixtures import mixture
from tests.provider import Provider

KEY = "sk-canary-7f3a9c51"
WORDS = ("secret question", "secret answer", "secret finding", "secret complaint")
ROOT = Path(__file__).parents[2]


RECIPE = mixture(["openai:a", "together:b"], ["openai:c"], name="two-layers")


@pytest.fixture(scope="module")
def answering() -> Iterator[Provider]:
    with Provider() as provider:
        provider.reply("a", "the secret finding of a")
        provider.reply("agg", "the secret answer")
        yield provider


@pytest.fixture(scope="module", params=["whole", "stream"])
def traces(request: pytest.FixtureRequest, answering: Provider) -> Iterator[Traces]:
    """What one run leaves, with and without a stream of tokens."""
    with langsmith() as traces:
        run(answering, traces, request.param)
        yield traces


def run(provider: Provider, traces: Traces, way: str, **said: str) -> str:
    """Let a process of its own run the recipe; it says what went wrong."""
    told = {
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_ENDPOINT": traces.url,
        "LANGSMITH_API_KEY": KEY,
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": provider.base_url,
        "TOGETHER_API_KEY": KEY,
        "TOGETHER_API_BASE": provider.base_url,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.child.traced", json.dumps(RECIPE.resolved()), way],
        cwd=ROOT, env=os.environ | told | said, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def everything(traces: Traces) -> str:
    return b"".join(body for _, body in traces.bodies).decode()


def test_every_node_is_a_run_below_one_root(traces: Traces) -> None:
    [root] = [run for run in traces.runs.values() if not run.get("parent_run_id")]
    assert root["name"] == "two-layers"
    assert {child["name"] for child in traces.children("two-layers")} == {
        "begin", "L1_01_a", "L1_02_b", "L1_join", "L2_01_c", "L2_join", "L2_synthesize",
    }  # fmt: skip
    assert [child["run_type"] for child in traces.children("L1_01_a")] == ["llm"]


def test_the_root_says_which_thread_and_which_recipe(traces: Traces) -> None:
    said = traces.metadata("two-layers")
    assert (said["thread_id"], said["recipe"]) == ("t-1", "two-layers")
    assert said["recipe_version"] == RECIPE.version
    assert mixture(["openai:other"], name="two-layers").version != RECIPE.version


def test_a_proposer_says_its_place_its_model_and_its_tokens(traces: Traces) -> None:
    said = traces.metadata("L1_01_a")
    assert (said["role"], said["layer"], said["seat"]) == ("proposer", 1, "01")
    assert (said["model"], said["answered_by"]) == ("openai:a", "a")
    assert (said["input_tokens"], said["output_tokens"], said["attempts"]) == (3, 5, 1)
    [call] = traces.children("L1_01_a")
    assert call["extra"]["metadata"]["usage_metadata"]["output_tokens"] == 5


def test_whoever_was_told_of_a_layer_says_by_which_prompt(traces: Traces) -> None:
    for node in ("L2_01_c", "L2_synthesize"):
        assert traces.metadata(node)["prompt_version"] == prompt_version(read("synthesize"))
    assert "prompt_version" not in traces.metadata("L1_01_a")


def test_a_node_does_not_repeat_the_whole_state(traces: Traces) -> None:
    assert traces.named("L2_synthesize")["inputs"] == {}
    assert "secret answer" in json.dumps(traces.named("L2_synthesize")["outputs"])


def test_no_key_is_sent(traces: Traces) -> None:
    assert "secret answer" in everything(traces)
    assert KEY not in everything(traces)


@pytest.mark.parametrize(("way", "fails"), [("stream", False), ("whole", True)])
def test_with_content_off_no_word_is_sent(answering: Provider, way: str, fails: bool) -> None:
    for model in ("b", "agg") if fails else ():
        answering.script(model, Status(400, message="secret complaint"))
    with langsmith() as traces:
        said = run(answering, traces, way, MOA_TRACE_CONTENT="off")
    assert ("secret complaint" in said) == fails
    sent = everything(traces)
    assert not [word for word in (*WORDS, "this is answer", "the secret") if word in sent]
    assert traces.metadata("L1_01_a")["output_tokens"] == 5
    assert (traces.named("two-layers").get("error") is not None) == fails


def test_nothing_is_sent_when_tracing_is_off(answering: Provider) -> None:
    with langsmith() as traces:
        run(answering, traces, "whole", LANGSMITH_TRACING="false")
    assert traces.bodies == []


@pytest.mark.parametrize("content", ["on", "off"])
def test_the_same_spans_go_out_over_opentelemetry(answering: Provider, content: str) -> None:
    told = {"LANGSMITH_OTEL_ENABLED": "true", "LANGSMITH_OTEL_ONLY": "true"}
    with langsmith() as traces:
        told["OTEL_EXPORTER_OTLP_ENDPOINT"] = traces.url
        run(answering, traces, "whole", MOA_TRACE_CONTENT=content, **told)
    sent = b"".join(body for path, body in traces.bodies if path == "/v1/traces")
    assert b"L1_01_a" in sent
    assert (b"secret answer" in sent) == (content == "on")
    assert KEY.encode() not in sent
