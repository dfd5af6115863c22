"""A whole evaluation without a network, killed twice and resumed: `python -m bench.pipeline`.

Layer 1 is recorded, the embedded model aggregates, and the embedded model judges each answer
against the recorded baseline by its log-probabilities. SIGKILL arrives among the answers and among
the verdicts. Rows written before must be unchanged, byte for byte, and each answer and verdict must
be there once. The verdicts of so small a model have no meaning.
"""

import argparse
import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.terminal import MOA, environment

LOCAL = "local:smollm2-135m"
BASELINE = "gpt4_1106_preview"
PROPOSERS = ("Qwen1.5-110B-Chat", "Meta-Llama-3-70B-Instruct", "dbrx-instruct")
RECIPE = """
name = "recorded-layer"
[defaults]
max_tokens = {tokens}
timeout = 600
[[layers]]
proposers = [{seats}]
aggregate = {{ step = "synthesize", model = "{model}", temperature = 0.2 }}
"""
FILES = ("answers.jsonl", "verdicts.jsonl")


@dataclass(frozen=True)
class PipelineConfig:
    """The parameters of the evaluation."""

    folder: Path
    replay: Path
    rows: int
    proposers: Sequence[str] = PROPOSERS
    baseline: str = BASELINE
    aggregator: str = LOCAL
    judge: str = LOCAL
    tokens: int = 96
    at_once: int = 2

    @property
    def arguments(self) -> list[str]:
        """The arguments of the `moa` command, which is run repeatedly."""
        return [
            *("eval", "run", "--data", str(self.replay), "--out", str(self.folder / "ev")),
            *("--recorded", str(self.replay), "--limit", str(self.rows)),
            *("--system", str(self.folder / "recorded-layer.toml")),
            *("--baseline", f"recorded:{self.baseline}"),
            *("--judge", f"pairwise-logprobs:{self.judge}"),
            *("--concurrency", str(self.at_once)),
        ]

    def write_recipe(self) -> None:
        """Write the recipe to the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        seats = ", ".join(f'"recorded:{model}"' for model in self.proposers)
        text = RECIPE.format(tokens=self.tokens, seats=seats, model=self.aggregator)
        (self.folder / "recorded-layer.toml").write_text(text)


@dataclass
class PipelineOutcome:
    """The state of the files after all runs."""

    rows_at_kills: list[int] = field(default_factory=list)
    lost: int = 0
    duplicates: int = 0
    answers: int = 0
    recipe_answers: int = 0
    verdicts: int = 0
    parsed: int = 0
    calls: int = 0
    seconds: float = 0.0
    stderr: str = ""


def run_pipeline(config: PipelineConfig, kills: Sequence[tuple[str, int]]) -> PipelineOutcome:
    """Run the evaluation to its end, with kills.

    Args:
        config: The evaluation.
        kills: Pairs of a file and the number of its rows at which the process is killed.
    """
    outcome, began = PipelineOutcome(), time.monotonic()
    config.write_recipe()
    before: dict[str, bytes] = {}
    for file, rows in kills:
        _run_and_kill(config, file, rows)
        outcome.lost += sum(
            not now.startswith(before.get(f, b"")) for f, now in _complete_lines(config)
        )
        before = dict(_complete_lines(config))
        outcome.rows_at_kills.append(before[file].count(b"\n"))
    done = subprocess.run(
        [MOA, *config.arguments], env=environment(), capture_output=True, text=True
    )
    outcome.stderr = done.stderr
    outcome.lost += sum(
        not now.startswith(before.get(f, b"")) for f, now in _complete_lines(config)
    )
    _count_rows(config, outcome)
    outcome.seconds = time.monotonic() - began
    return outcome


def _run_and_kill(config: PipelineConfig, file: str, rows: int) -> None:
    with subprocess.Popen(
        [MOA, *config.arguments], env=environment(), stderr=subprocess.PIPE
    ) as process:
        while process.poll() is None and _row_count(config, file) < rows:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)


def _row_count(config: PipelineConfig, file: str) -> int:
    path = config.folder / "ev" / file
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _complete_lines(config: PipelineConfig) -> Iterator[tuple[str, bytes]]:
    """Return the complete lines of each file; the kill may have cut the last line."""
    for file in FILES:
        path = config.folder / "ev" / file
        data = path.read_bytes() if path.exists() else b""
        yield file, data[: data.rfind(b"\n") + 1]


def _count_rows(config: PipelineConfig, outcome: PipelineOutcome) -> None:
    answers, verdicts = (
        [json.loads(line) for line in data.splitlines()] for _, data in _complete_lines(config)
    )
    keys = Counter(row["key"] for row in (*answers, *verdicts))
    by_recipe = [row for row in answers if row["kind"] == "recipe" and row["status"] == "done"]
    outcome.duplicates = sum(number - 1 for number in keys.values())
    outcome.answers = sum(row["status"] == "done" for row in answers)
    outcome.recipe_answers = len(by_recipe)
    outcome.verdicts, outcome.parsed = len(verdicts), sum(row["parsed"] for row in verdicts)
    calls = [step for row in by_recipe for step in row["steps"] if "model" in step]
    outcome.calls = sum(step["attempts"] for step in calls)


def rows(config: PipelineConfig, outcome: PipelineOutcome) -> Iterator[str]:
    """Return the rows of a Markdown table."""
    yield "| | |"
    yield "|---|---|"
    yield f"| instructions | {config.rows} |"
    yield f"| recorded layer 1 | {', '.join(config.proposers)} |"
    yield f"| aggregator, and judge | {short_name(config.aggregator)}, {short_name(config.judge)} |"
    yield f"| answers of the mixture and of the recorded baseline | {outcome.answers} |"
    yield f"| rows that stood at the kills | {', '.join(map(str, outcome.rows_at_kills))} |"
    yield f"| files that lost a row by a kill | {outcome.lost} |"
    yield f"| answers or verdicts that are there twice | {outcome.duplicates} |"
    yield f"| calls of the aggregator that are on the bill | {outcome.calls} |"
    yield f"| verdicts, and how many of them could be read | {outcome.verdicts}, {outcome.parsed} |"
    yield f"| seconds for all three runs | {outcome.seconds:.0f} |"


def short_name(model: str) -> str:
    """Return the model without the folder of its file."""
    provider, _, name = model.partition(":")
    return f"{provider}:{Path(name).name}"


def main() -> None:
    """Print the table; the results stay in the folder, for `moa eval report`."""
    parser = argparse.ArgumentParser(prog="python -m bench.pipeline", description=__doc__)
    parser.add_argument("replay", type=Path, help="alpaca_replay_40.jsonl.gz")
    parser.add_argument("folder", type=Path, help="where the results go; a new one")
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--aggregator", default=LOCAL)
    parser.add_argument("--judge", default=LOCAL)
    parser.add_argument("--proposers", nargs="+", default=PROPOSERS)
    parser.add_argument("--baseline", default=BASELINE)
    parser.add_argument("--tokens", type=int, default=96)
    options = vars(parser.parse_args())
    options |= {name: options[name].resolve() for name in ("replay", "folder")}
    config = PipelineConfig(**options)
    outcome = run_pipeline(
        config, [("answers.jsonl", config.rows), ("verdicts.jsonl", config.rows // 2)]
    )
    print("\n".join(rows(config, outcome)))
    print(outcome.stderr)


if __name__ == "__main__":
    main()
