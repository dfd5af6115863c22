"""A recipe in inspect_ai: a solver, a scorer that is one of our judges, and a task of both.

A file of two lines is a task for `inspect eval`:
`from moagraph.evals.adapters.for_inspect import mixture_task` and
`task = mixture_task(data="rows.jsonl", recipe="moa-lite", judge="exact")`.
"""

from typing import Any

from moagraph.evals.adapters.conversation import Bench, mean_of, sampling, talker
from moagraph.evals.dataset import DataSet, Item
from moagraph.evals.sets.open import open_set
from moagraph.nodes.errors import MissingExtra

try:
    from inspect_ai import Task, task
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import (
        ChatMessage,
        ChatMessageAssistant,
        ChatMessageSystem,
        ChatMessageUser,
        ModelOutput,
        ModelUsage,
    )
    from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
    from inspect_ai.solver import Generate, Solver, TaskState, solver
except ImportError as error:
    raise MissingExtra("this needs inspect_ai: run `pip install 'moagraph[inspect]'`") from error

KINDS: dict[str, Any] = {
    "system": ChatMessageSystem,
    "user": ChatMessageUser,
    "assistant": ChatMessageAssistant,
}


@solver  # type: ignore[untyped-decorator,unused-ignore]
def mixture(recipe: str) -> Solver:
    """Answer with a recipe or a model; further turns stand in the sample's metadata."""
    asked = talker(recipe)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        runs, wanted = [], asked.at(state.metadata)
        for question in (None, *state.metadata.get("turns", ())):
            if question is not None:
                state.messages.append(ChatMessageUser(content=question))
            came = await wanted.answer([(m.role, m.text) for m in state.messages])
            state.messages.append(ChatMessageAssistant(content=came.answer, source="generate"))
            runs.append(came.as_json())
        state.output = ModelOutput.from_content(recipe, runs[-1]["answer"])
        state.output.usage = _usage([run["usage"] for run in runs])
        state.metadata["moagraph"] = runs
        return state

    return solve


@scorer(metrics=[mean(), stderr()])  # type: ignore[untyped-decorator,unused-ignore]
def judged(name: str, data: str) -> Scorer:
    """One of our judges, on the last turn; the mean of its skills where it grades several."""
    bench = Bench(name, open_set(data))

    async def score(state: TaskState, target: Target) -> Score:
        said = [m.text for m in state.messages if m.role == "assistant"]
        answers = said[-1 - len(state.metadata.get("turns", ())) :]
        verdicts = await bench.verdicts(state.sample_id, answers)
        value = mean_of(verdicts)
        unread = sum(not verdict.parsed for verdict in verdicts)
        told = {"unread": unread, "skills": {v.skill: v.score for v in verdicts if v.skill}}
        return Score(
            value=float("nan") if value is None else value, answer=answers[-1], metadata=told
        )

    return score


@task  # type: ignore[untyped-decorator,unused-ignore]
def mixture_task(data: str, recipe: str = "local", judge: str = "exact") -> Task:
    """A data set of ours, answered by a recipe and judged by one of our judges."""
    found = open_set(data)
    return Task(
        dataset=MemoryDataset(samples(found), name=found.name),
        solver=mixture(recipe),
        scorer=judged(judge, data),
    )


def samples(data: DataSet) -> list[Sample]:
    """The rows as inspect's samples."""
    return [_sample(data, item) for item in data.items]


def _sample(data: DataSet, item: Item) -> Sample:
    first = [*item.before, ("user", item.turns[0])]
    messages: list[ChatMessage] = [KINDS[role](content=text) for role, text in first]
    return Sample(
        id=item.id,
        input=messages,
        target=list(item.references) or "",
        metadata={
            "category": item.category,
            "turns": list(item.turns[1:]),
            **sampling(data, item),
        },
    )


def _usage(taken: list[dict[str, int]]) -> ModelUsage:
    heard, said = (sum(one[key] for one in taken) for key in ("input_tokens", "output_tokens"))
    return ModelUsage(input_tokens=heard, output_tokens=said, total_tokens=heard + said)
