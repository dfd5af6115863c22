"""Whole evaluations without a network: a recorded layer, an aggregator and a judge, and kills."""

import json
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from bench.pipeline import PipelineConfig, PipelineOutcome, run_pipeline
from tests.faults import Hang
from tests.provider import Provider
from tests.terminal import MOA, environment, moa, until

QUESTIONS = ["Why is the sky blue?", "Who wrote Faust?", "What is 7 times 8?", "Name a colour."]


def replay(folder: Path) -> Path:
    """Four instructions with the answers of two models and a baseline."""
    rows = [
        {
            "index": number,
            "instruction": text,
            "outputs": {
                "one": f"One says {number}.",
                "two": f"Two: {number}.",
                "base": "Who knows.",
            },
        }
        for number, text in enumerate(QUESTIONS)
    ]
    (folder / "replay.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "replay.jsonl"


def killed(config: PipelineConfig, provider: Provider, model: str, call: int) -> None:
    """Run until the model hangs at that call of it, and kill."""
    provider.script(model, *[None] * (call - 1), Hang())
    with subprocess.Popen(
        [MOA, *config.arguments], env=environment(), stderr=subprocess.PIPE
    ) as process:
        until(lambda: sum(one.model == model for one in list(provider.calls)) == call)
        process.send_signal(signal.SIGKILL)


def test_a_killed_evaluation_asks_again_only_what_was_cut_off(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_BASE_URL", provider.base_url)
    provider.reply("judge", {"content": "A", "logprobs": [{"A": -0.2, "B": -1.8}]})
    config = PipelineConfig(
        tmp_path,
        replay(tmp_path),
        rows=4,
        proposers=("one", "two"),
        baseline="base",
        aggregator="vllm:agg",
        judge="vllm:judge",
        at_once=1,
    )
    config.write_recipe()
    killed(config, provider, "agg", 3)
    killed(config, provider, "judge", 2)
    done = moa(*config.arguments)
    assert done.code == 0, done.lines
    asked = Counter((c.model, c.messages[-1]["content"]) for c in provider.calls)
    times = {
        model: sorted(n for (m, _), n in asked.items() if m == model) for model in ("agg", "judge")
    }
    assert times == {"agg": [1, 1, 1, 2], "judge": [1, 1, 1, 2]}
    assert asked["agg", QUESTIONS[2]] == 2
    heard = provider.calls[0].messages[0]["content"]
    assert heard.endswith("\n1. One says 0.\n2. Two: 0.")
    assert "moa: 8 answers wanted, 8 are there already" in done.lines
    assert "moa: 4 verdicts wanted, 1 is there already" in done.lines
    rows = [json.loads(x) for x in (tmp_path / "ev" / "answers.jsonl").read_text().splitlines()]
    assert Counter(row["id"] for row in rows) == {0: 2, 1: 2, 2: 2, 3: 2}


def whole(outcome: PipelineOutcome, rows: int) -> None:
    """Nothing that stood was lost, and nothing is there twice."""
    assert (outcome.lost, outcome.duplicates) == (0, 0), outcome
    assert (outcome.answers, outcome.recipe_answers, outcome.verdicts) == (2 * rows, rows, rows), (
        outcome
    )
    assert outcome.calls == rows, outcome
    assert 1 <= outcome.rows_at_kills[-1] < rows, outcome
    assert f"moa: {2 * rows} answers wanted, {2 * rows} are there already" in outcome.stderr


@pytest.mark.weights
def test_the_embedded_model_aggregates_and_judges_what_was_recorded(
    gguf: Path, tmp_path: Path
) -> None:
    pytest.importorskip("xllamacpp")
    model = f"local:{gguf}"
    config = PipelineConfig(
        tmp_path,
        replay(tmp_path),
        rows=4,
        proposers=("one", "two"),
        baseline="base",
        aggregator=model,
        judge=model,
        tokens=8,
        at_once=1,
    )
    whole(run_pipeline(config, [("answers.jsonl", 3), ("verdicts.jsonl", 1)]), 4)
