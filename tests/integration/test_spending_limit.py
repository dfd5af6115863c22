"""`moa batch` and `moa eval run` under `--max-cost-usd`: both end, whatever the prices are."""

import asyncio
import json
import random
from pathlib import Path

import pytest

from moagraph.evals.run.batch import batch
from moagraph.evals.run.evaluation import RunOptions, evaluate
from moagraph.evals.run.spending_limit import SpendingLimitReached
from moagraph.evals.sets.open import open_set
from tests.provider import Provider

RECIPE = """
[defaults]
base_url = "{url}"
max_tokens = {max_tokens}
price = {{ input = {input}, output = {output} }}
[[layers]]
proposers = ["vllm:a"]
aggregate = {{ step = "synthesize", model = "vllm:agg" }}
"""
HANGS = 120  # seconds after which a run is taken for one that never ends; it takes about one


def questions(folder: Path, count: int) -> str:
    rows = [{"id": n, "prompt": "why? " * (n % 7 + 1)} for n in range(count)]
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder / "in.jsonl")


def recipe(folder: Path, url: str, seed: int) -> str:
    chance = random.Random(seed)
    prices = {"input": round(chance.uniform(1, 9), 2), "output": round(chance.uniform(15, 25), 2)}
    text = RECIPE.format(url=url, max_tokens=100, **prices)
    (folder / "priced.toml").write_text(text)
    return str(folder / "priced.toml")


@pytest.mark.parametrize("command", ["batch", "eval run"])
@pytest.mark.parametrize("seed", range(6))
async def test_a_run_under_a_spending_limit_ends(
    provider: Provider, tmp_path: Path, command: str, seed: int
) -> None:
    """The limit leaves room for two or three answers at once, so that the others wait."""
    for model in ("a", "agg"):
        provider.reply(model, "because " * 60)
    data, mix = open_set(questions(tmp_path, 12)), recipe(tmp_path, provider.base_url, seed)
    limited = RunOptions(max_cost_usd=0.012, concurrency=4)
    if command == "batch":
        run: asyncio.Task[object] = asyncio.create_task(
            batch(data, mix, tmp_path / "out.jsonl", limited)
        )
    else:
        run = asyncio.create_task(evaluate(tmp_path / "ev", data, [mix], options=limited))
    ended, _ = await asyncio.wait([run], timeout=HANGS)
    assert ended, "the run hangs"
    with pytest.raises(SpendingLimitReached, match=r"the limit of \$0\.012 is reached"):
        await run
