"""inspect_ai: a solver that runs a recipe, a scorer that runs a judge, and a task of both.

A file of two lines is a task for `inspect eval`:
`from moagraph.evals.adapters.for_inspect import mixture_task` and
`task = mixture_task(data="rows.jsonl", recipe="moa-lite", judge="exact")`.
"""

from typing import Any

from moagraph.evals.adapters.conversation import RowJudge, mean_value, open_system, sampling_of
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

MESSAGE_CLASSES: dict[str, Any] = {
    "system": ChatMessageSystem,
    "user": ChatMessageUser,
    "assistant": ChatMessageAssistant,
}


@solver  # type: ignore[untyped-decorator,unused-ignore]
def mixture(recipe: str) -> Solver:
    """Answer with a recipe or a single model.

    Args:
        recipe: The name or path of a recipe, or `provider:model`. The sample's metadata may have
            further `turns`, which are asked one after another.
    """
    system = open_system(recipe)

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        runs, sampled = [], system.with_sampling(state.metadata)
        for question in (None, *state.metadata.get("turns", ())):
            if question is not None:
                state.messages.append(ChatMessageUser(content=question))
            result = await sampled.answer([(m.role, m.text) for m in state.messages])
            state.messages.append(ChatMessageAssistant(content=result.answer, source="generate"))
            runs.append(result.as_json())
        state.output = ModelOutput.from_content(recipe, runs[-1]["answer"])
        state.output.usage = _sum_usage([run["usage"] for run in runs])
        state.metadata["moagraph"] = runs
        return state

    return solve


@scorer(metrics=[mean(), stderr()])  # type: ignore[untyped-decorator,unused-ignore]
def judged(name: str, data: str) -> Scorer:
    """Score the last answer with one of our judges; several skills give their mean.

    Args:
        name: The judge's name, as for `moa eval run --judge`.
        data: The data set that the samples are from.
    """
    judge = RowJudge(name, open_set(data))

    async def score(state: TaskState, target: Target) -> Score:
        texts = [m.text for m in state.messages if m.role == "assistant"]
        answers = texts[-1 - len(state.metadata.get("turns", ())) :]
        verdicts = await judge.verdicts(state.sample_id, answers)
        value = mean_value(verdicts)
        unparsed = sum(not verdict.parsed for verdict in verdicts)
        skills = {verdict.skill: verdict.score for verdict in verdicts if verdict.skill}
        return Score(
            value=float("nan") if value is None else value,
            answer=answers[-1],
            metadata={"unread": unparsed, "skills": skills},
        )

    return score


@task  # type: ignore[untyped-decorator,unused-ignore]
def mixture_task(data: str, recipe: str = "local", judge: str = "exact") -> Task:
    """Build a task: a recipe answers one of our data sets, and a judge scores the answers.

    Args:
        data: A data set, as for `moa eval run --data`.
        recipe: The name or path of a recipe, or `provider:model`.
        judge: A judge that does not compare, as for `moa eval run --judge`.
    """
    opened = open_set(data)
    return Task(
        dataset=MemoryDataset(samples(opened), name=opened.name),
        solver=mixture(recipe),
        scorer=judged(judge, data),
    )


def samples(data: DataSet) -> list[Sample]:
    """Convert the rows to samples."""
    return [_sample(data, item) for item in data.items]


def _sample(data: DataSet, item: Item) -> Sample:
    conversation = [*item.history, ("user", item.turns[0])]
    messages: list[ChatMessage] = [
        MESSAGE_CLASSES[role](content=text) for role, text in conversation
    ]
    return Sample(
        id=item.id,
        input=messages,
        target=list(item.references) or "",
        metadata={
            "category": item.category,
            "turns": list(item.turns[1:]),
            **sampling_of(data, item),
        },
    )


def _sum_usage(usages: list[dict[str, int]]) -> ModelUsage:
    input_tokens = sum(usage["input_tokens"] for usage in usages)
    output_tokens = sum(usage["output_tokens"] for usage in usages)
    return ModelUsage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=input_tokens + output_tokens,
    )
