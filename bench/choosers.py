"""What picking one of several answers wins, on recorded answers: `python -m bench.choosers`.

The six judged models answer as it was recorded, and the recipe's own steps pick: a vote by
likeness, and with `--ranker MODEL` a model that ranks a sample of the questions. GPT-4 judged
every answer against a baseline's; a way to choose wins what the answers that it picks have won.
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
VERDICT = 24  # tokens


class Steps:
    """Seats that say what was recorded, and steps that pick among them."""

    def __init__(self, provider: Provider, *steps: Mapping[str, Any]) -> None:
        """The steps of the one layer."""
        self.provider = provider
        self.steps = steps
        self.came: list[Result] = []

    def __call__(self, question: str, answers: Mapping[str, str]) -> str:
        """The model whose answer the steps pick."""
        models = list(answers)
        for model in models:
            self.provider.reply(slug(model), answers[model])
        self.came.append(asyncio.run(aask(question, self._recipe(models))))
        self.provider.calls.clear()
        picked = next(step["kept"][0] for step in reversed(self.came[-1].steps) if "kept" in step)
        return models[int(picked) - 1]

    def noted(self, key: str) -> list[Any]:
        """What the deciding step has noted under that key, question by question."""
        steps = [step for came in self.came for step in came.steps if key in step]
        return [step[key] for step in steps if step[key] is not None]

    def _recipe(self, models: Sequence[str]) -> Recipe:
        url = self.provider.base_url
        seats = [{"model": f"vllm:{slug(model)}", "base_url": url} for model in models]
        layer = {"proposers": seats, "aggregate": list(self.steps)}
        return Recipe.model_validate({"name": "choosers", "layers": [layer]})


def vote(provider: Provider) -> dict[str, Chooser]:
    """The vote that any text can be put to."""
    return {"vote by likeness (chrF)": Steps(provider, {"step": "vote", "by": "similar"})}


def rankers(provider: Provider, model: str) -> dict[str, Steps]:
    """The model as ranker, of a list and in a tournament of pairs."""
    said = {"step": "rank", "model": model, "temperature": TEMPERATURE, "max_tokens": VERDICT}
    told = {**said, "timeout": 900}
    return {
        f"{model} ranks a list": Steps(provider, told),
        f"{model} in a tournament": Steps(provider, {**told, "by": "tournament"}),
    }


def sampled(questions: Sequence[Question], size: int) -> list[Question]:
    """So many of the questions, spread evenly."""
    return [questions[number * len(questions) // size] for number in range(size)]


def rows(found: Sequence[ChooserResult]) -> Iterator[str]:
    """A table: what each way wins, and whom it picks most."""
    yield "| way to choose | questions | win rate % | 95 % interval | picks most |"
    yield "|---|---|---|---|---|"
    for one in found:
        between = " to ".join(f"{end:.1f}" for end in one.interval or ())
        most = max(one.picks, key=lambda name: one.picks[name]) if one.picks else ""
        share = f"{most}, {100 * one.picks[most] / one.n:.0f} %" if most else ""
        yield f"| {one.name} | {one.n} | {one.win_rate:.1f} | {between} | {share} |"


def told(ways: Mapping[str, Steps]) -> Iterator[str]:
    """What rankers contradict themselves in, and what could not be read of them."""
    for name, steps in ways.items():
        flips, pairs = sum(steps.noted("flips")), sum(steps.noted("pairs"))
        calls = sum(len(called) for called in steps.noted("calls"))
        order = f", {flips} of {pairs} pairs changed their winner with the order" if pairs else ""
        failed = sum(came.status != "done" for came in steps.came)
        unparsed = sum(steps.noted("unparsed"))
        yield (
            f"{name}: {calls} verdicts, {unparsed} that could not be read{order}; "
            f"{failed} of {len(steps.came)} questions without a ranking"
        )


def report(
    provider: Provider, questions: Sequence[Question], model: str | None, size: int
) -> Iterator[str]:
    """Everything that is measured, as it comes."""
    yield from rows(compare_choosers(questions, vote(provider)))
    if model:
        ways = rankers(provider, model)
        found = compare_choosers(sampled(questions, size), {**vote(provider), **ways})
        yield from ("", f"The same on {size} of the questions, with a real ranker:", "")
        yield from (*rows(found), "", *told(ways))


def main() -> None:
    """Print the tables, for `bench/results/choosers.md`."""
    parser = argparse.ArgumentParser(prog="python -m bench.choosers", description=__doc__)
    parser.add_argument("--data", type=Path, default=FOLDER)
    parser.add_argument("--ranker", metavar="MODEL")
    parser.add_argument("--sample", type=int, default=40, help="questions that the ranker ranks")
    said = parser.parse_args()
    with Provider() as provider:
        for line in report(provider, read_questions(said.data), said.ranker, said.sample):
            print(line, flush=True)


if __name__ == "__main__":
    main()
