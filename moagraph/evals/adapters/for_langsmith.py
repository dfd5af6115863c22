"""LangSmith's `aevaluate` for recipes; nothing is uploaded unless `upload` is set."""

import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from langsmith import Client, aevaluate, tracing_context
from langsmith.schemas import Example

from moagraph.evals.adapters.conversation import RowJudge, mean_value, open_system, sampling_of
from moagraph.evals.dataset import DataSet, Item
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json

Target = Callable[[Json], Awaitable[Json]]
Evaluator = Callable[..., Awaitable[Json]]
LOCAL_DATASET = UUID(int=0)  # for examples that are not in LangSmith


class OfflineClient(Client):
    """A client that sends no runs: `upload_results=False` would still send the target's."""

    def create_run(self, *_: Any, **__: Any) -> None:
        """Do nothing."""

    def update_run(self, *_: Any, **__: Any) -> None:
        """Do nothing."""


def target(recipe: str, upload: bool = False) -> Target:
    """Build the target that `aevaluate` calls.

    Its input has `turns`, and the earlier messages in `before`. Its output has the last `answer`,
    all `answers`, and the `runs` that produced them.

    Args:
        recipe: The name or path of a recipe, or `provider:model`.
        upload: Whether LangSmith traces the runs.
    """
    system = open_system(recipe)

    async def answer(inputs: Json) -> Json:
        item = Item("", tuple(inputs["turns"]), tuple(map(tuple, inputs["before"])))
        sampled, answers = system.with_sampling(inputs), list[str]()
        runs: list[Json] = []
        # LANGSMITH_TRACING would otherwise enable tracing.
        with tracing_context(enabled=upload):
            for _ in item.turns:
                result = await sampled.answer(item.messages(answers))
                answers.append(result.answer)
                runs.append(result.as_json())
        return {"answer": answers[-1], "answers": answers, "runs": runs}

    return answer


def examples(data: DataSet) -> list[Example]:
    """Convert the rows to examples; a row's example always has the same id."""
    return [_example(data, item) for item in data.items]


def evaluator(name: str, data: DataSet) -> Evaluator:
    """Build an evaluator from one of our judges.

    Args:
        name: The judge's name, as for `moa eval run --judge`.
        data: The data set that the examples are from.
    """
    judge = RowJudge(name, data)

    async def judged(inputs: Json, outputs: Json) -> Json:
        with tracing_context(enabled=False):
            verdicts = await judge.verdicts(inputs["id"], outputs["answers"])
        unparsed = sum(not verdict.parsed for verdict in verdicts)
        comment = f"{unparsed} of {len(verdicts)} verdicts could not be parsed" if unparsed else ""
        return {"key": judge.judge.method, "score": mean_value(verdicts), "comment": comment}

    return judged


async def evaluate(
    recipe: str,
    data: DataSet | str,
    judges: Sequence[str] = (),
    *,
    upload: bool = False,
    evaluators: Sequence[Any] = (),
    **options: Any,
) -> Any:
    """Run `aevaluate` on a recipe.

    Args:
        recipe: The name or path of a recipe, or `provider:model`.
        data: One of our data sets; with `upload`, the name of a data set in LangSmith.
        judges: The names of our judges, as for `moa eval run --judge`; not with `upload`.
        upload: Whether the results and traces are sent to LangSmith.
        evaluators: Further evaluators of LangSmith.
        options: Passed to `aevaluate`.
    """
    if upload != isinstance(data, str):
        raise UsageError(
            "with `upload`, name a data set that is in LangSmith; without it, pass a `DataSet`"
        )
    if isinstance(data, str):
        if judges:
            raise UsageError(
                "our judges need one of our data sets: with `upload`, pass `evaluators` instead"
            )
        return await aevaluate(
            target(recipe, upload=True), data=data, evaluators=list(evaluators), **options
        )
    own: list[Any] = [evaluator(name, data) for name in judges]
    with tracing_context(enabled=False), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*upload_(results|runs).* is in beta")
        return await aevaluate(
            target(recipe),
            data=examples(data),
            evaluators=[*own, *evaluators],
            upload_results=False,
            client=OfflineClient(api_key="", auto_batch_tracing=False, info={}),
            **options,
        )


def _example(data: DataSet, item: Item) -> Example:
    history = [list(message) for message in item.history]
    inputs = {"id": item.id, "turns": list(item.turns), "before": history}
    inputs |= sampling_of(data, item)
    outputs: Mapping[str, Any] = {"references": list(item.references)} if item.references else {}
    return Example(
        id=uuid5(NAMESPACE_URL, f"{data.name}/{item.id}"),
        dataset_id=LOCAL_DATASET,
        inputs=inputs,
        outputs=dict(outputs),
        metadata={"category": item.category, "dataset": data.name},
    )
