"""The win rate of choosing one of several recorded answers: `python -m bench.choosers`.

The six judged models give their recorded answers, and the recipe's steps choose: a vote by
similarity, and with `--ranker MODEL` a model that ranks a sample of the questions. GPT-4 compared
every answer with a baseline's; a chooser's win rate is that of the answers that it picks.
"""

import argparse
import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from moagraph.api.ask import aask
from moagraph.evals.studies.choosers import Chooser, ChooserResult, compare_choosers
from moagraph.evals.studies.recorded_questions import Question, read_questions
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.node_names import slug
from moagraph.threads.result import Result
from tests.provider import Provider
from tests.recorded import FOLDER

TEMPERATURE = 0.0
VERDICT_TOKENS = 24


class StepChooser:
    """A chooser that runs a recipe: its seats give the recorded answers, its steps choose."""

    def __init__(self, provider: Provider, *steps: Mapping[str, Any]) -> None:
        """Take the provider and the steps of the layer."""
        self.provider = provider
        self.steps = steps
        self.results: list[Result] = []

    def __call__(self, question: str, answers: Mapping[str, str]) -> str:
        """Return the model whose answer the steps choose."""
        models = list(answers)
        for model in models:
            self.provider.reply(slug(model), answers[model])
        self.results.append(asyncio.run(aask(question, self._recipe(models))))
        self.provider.calls.clear()
        picked = next(
            step["kept"][0] for step in reversed(self.results[-1].steps) if "kept" in step
        )
        return models[int(picked) - 1]

    def recorded_values(self, key: str) -> list[Any]:
        """Return the values that the steps recorded under a key, by question."""
        steps = [step for result in self.results for step in result.steps if key in step]
        return [step[key] for step in steps if step[key] is not None]

    def _recipe(self, models: Sequence[str]) -> Recipe:
        url = self.provider.base_url
        seats = [{"model": f"vllm:{slug(model)}", "base_url": url} for model in models]
        layer = {"proposers": seats, "aggregate": list(self.steps)}
        return Recipe.model_validate({"name": "choosers", "layers": [layer]})


def vote(provider: Provider) -> dict[str, Chooser]:
    """Return the vote by similarity."""
    return {"vote by likeness (chrF)": StepChooser(provider, {"step": "vote", "by": "similar"})}


def rankers(provider: Provider, model: str) -> dict[str, StepChooser]:
    """Return the model as a ranker of a list, and of pairs in a tournament."""
    step = {
        "step": "rank",
        "model": model,
        "temperature": TEMPERATURE,
        "max_tokens": VERDICT_TOKENS,
        "timeout": 900,
    }
    return {
        f"{model} ranks a list": StepChooser(provider, step),
        f"{model} in a tournament": StepChooser(provider, {**step, "by": "tournament"}),
    }


def sample(questions: Sequence[Question], size: int) -> list[Question]:
    """Return a number of the questions, spread evenly."""
    return [questions[number * len(questions) // size] for number in range(size)]


def rows(results: Sequence[ChooserResult]) -> Iterator[str]:
    """Return a table of each chooser's win rate and favourite model."""
    yield "| way to choose | questions | win rate % | 95 % interval | picks most |"
    yield "|---|---|---|---|---|"
    for result in results:
        between = " to ".join(f"{end:.1f}" for end in result.interval or ())
        picks = result.picks
        favourite = max(picks, key=lambda name: picks[name]) if picks else ""
        share = f"{favourite}, {100 * picks[favourite] / result.n:.0f} %" if favourite else ""
        yield f"| {result.name} | {result.n} | {result.win_rate:.1f} | {between} | {share} |"


def consistency(ways: Mapping[str, StepChooser]) -> Iterator[str]:
    """Report how often rankers contradict themselves, and how many verdicts are unparsed."""
    for name, steps in ways.items():
        flips, pairs = sum(steps.recorded_values("flips")), sum(steps.recorded_values("pairs"))
        calls = sum(len(group) for group in steps.recorded_values("calls"))
        order = f", {flips} of {pairs} pairs changed their winner with the order" if pairs else ""
        failed = sum(result.status != "done" for result in steps.results)
        unparsed = sum(steps.recorded_values("unparsed"))
        yield (
            f"{name}: {calls} verdicts, {unparsed} that could not be read{order}; "
            f"{failed} of {len(steps.results)} questions without a ranking"
        )


def report(
    provider: Provider, questions: Sequence[Question], model: str | None, size: int
) -> Iterator[str]:
    """Return all tables, line by line as they are measured."""
    yield from rows(compare_choosers(questions, vote(provider)))
    if model:
        ways = rankers(provider, model)
        results = compare_choosers(sample(questions, size), {**vote(provider), **ways})
        yield from ("", f"The same on {size} of the questions, with a real ranker:", "")
        yield from (*rows(results), "", *consistency(ways))


def main() -> None:
    """Print the tables, for `bench/results/choosers.md`."""
    parser = argparse.ArgumentParser(prog="python -m bench.choosers", description=__doc__)
    parser.add_argument("--data", type=Path, default=FOLDER)
    parser.add_argument("--ranker", metavar="MODEL")
    parser.add_argument("--sample", type=int, default=40, help="questions that the ranker ranks")
    options = parser.parse_args()
    with Provider() as provider:
        for line in report(provider, read_questions(options.data), options.ranker, options.sample):
            print(line, flush=True)


if __name__ == "__main__":
    main()
