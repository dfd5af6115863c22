"""A whole evaluation without a network, killed twice and resumed: `python -m bench.pipeline`.

Layer 1 is recorded, the embedded model aggregates, and the embedded model judges each answer
against the recorded baseline by its log-probabilities. SIGKILL falls in the midst of the answers
and in the midst of the verdicts; what stood then must stand afterwards, byte for byte, and each
answer and verdict must be there once. With so small a model the verdicts mean nothing.
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
class Setting:
    """What is run, and where."""

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
    def words(self) -> list[str]:
        """The one command that is run again and again."""
        return [
            *("eval", "run", "--data", str(self.replay), "--out", str(self.folder / "ev")),
            *("--recorded", str(self.replay), "--limit", str(self.rows)),
            *("--system", str(self.folder / "recorded-layer.toml")),
            *("--baseline", f"recorded:{self.baseline}"),
            *("--judge", f"pairwise-logprobs:{self.judge}"),
            *("--concurrency", str(self.at_once)),
        ]

    def written(self) -> None:
        """The recipe's file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        seats = ", ".join(f'"recorded:{model}"' for model in self.proposers)
        text = RECIPE.format(tokens=self.tokens, seats=seats, model=self.aggregator)
        (self.folder / "recorded-layer.toml").write_text(text)


@dataclass
class Came:
    """What the pipeline came to."""

    stood: list[int] = field(default_factory=list)  # rows that each kill found
    lost: int = 0
    twice: int = 0
    answers: int = 0
    mixed: int = 0
    verdicts: int = 0
    read: int = 0
    calls: int = 0
    seconds: float = 0.0
    told: str = ""


def piped(setting: Setting, kills: Sequence[tuple[str, int]]) -> Came:
    """Run; kill once a file has so many rows; run again; at last let it end."""
    came, began = Came(), time.monotonic()
    setting.written()
    before: dict[str, bytes] = {}
    for file, rows in kills:
        _killed(setting, file, rows)
        came.lost += sum(not now.startswith(before.get(f, b"")) for f, now in _whole(setting))
        before = dict(_whole(setting))
        came.stood.append(before[file].count(b"\n"))
    done = subprocess.run([MOA, *setting.words], env=environment(), capture_output=True, text=True)
    came.told = done.stderr
    came.lost += sum(not now.startswith(before.get(f, b"")) for f, now in _whole(setting))
    _count(setting, came)
    came.seconds = time.monotonic() - began
    return came


def _killed(setting: Setting, file: str, rows: int) -> None:
    with subprocess.Popen(
        [MOA, *setting.words], env=environment(), stderr=subprocess.PIPE
    ) as process:
        while process.poll() is None and _rows(setting, file) < rows:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)


def _rows(setting: Setting, file: str) -> int:
    found = setting.folder / "ev" / file
    return found.read_bytes().count(b"\n") if found.exists() else 0


def _whole(setting: Setting) -> Iterator[tuple[str, bytes]]:
    """The files' whole lines; a line that was cut by the kill is not yet a row."""
    for file in FILES:
        path = setting.folder / "ev" / file
        data = path.read_bytes() if path.exists() else b""
        yield file, data[: data.rfind(b"\n") + 1]


def _count(setting: Setting, came: Came) -> None:
    answers, verdicts = (
        [json.loads(line) for line in data.splitlines()] for _, data in _whole(setting)
    )
    keys = Counter(row["key"] for row in (*answers, *verdicts))
    mixed = [row for row in answers if row["kind"] == "recipe" and row["status"] == "done"]
    came.twice = sum(number - 1 for number in keys.values())
    came.answers = sum(row["status"] == "done" for row in answers)
    came.mixed = len(mixed)
    came.verdicts, came.read = len(verdicts), sum(row["parsed"] for row in verdicts)
    asked = [step for row in mixed for step in row["steps"] if "model" in step]
    came.calls = sum(step["attempts"] for step in asked)


def rows(setting: Setting, came: Came) -> Iterator[str]:
    """A Markdown table."""
    yield "| | |"
    yield "|---|---|"
    yield f"| instructions | {setting.rows} |"
    yield f"| recorded layer 1 | {', '.join(setting.proposers)} |"
    yield f"| aggregator, and judge | {named(setting.aggregator)}, {named(setting.judge)} |"
    yield f"| answers of the mixture and of the recorded baseline | {came.answers} |"
    yield f"| rows that stood at the kills | {', '.join(map(str, came.stood))} |"
    yield f"| files that lost a row by a kill | {came.lost} |"
    yield f"| answers or verdicts that are there twice | {came.twice} |"
    yield f"| calls of the aggregator that are on the bill | {came.calls} |"
    yield f"| verdicts, and how many of them could be read | {came.verdicts}, {came.read} |"
    yield f"| seconds for all three runs | {came.seconds:.0f} |"


def named(model: str) -> str:
    """The model without the folder of its file."""
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
    said = vars(parser.parse_args())
    setting = Setting(
        **{**said, "replay": said["replay"].resolve(), "folder": said["folder"].resolve()}
    )
    came = piped(setting, [("answers.jsonl", setting.rows), ("verdicts.jsonl", setting.rows // 2)])
    print("\n".join(rows(setting, came)))
    print(came.told)


if __name__ == "__main__":
    main()
