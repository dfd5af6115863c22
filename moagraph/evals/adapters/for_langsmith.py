"""A recipe in LangSmith's `aevaluate`; nothing leaves this machine unless that is asked for."""

import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from langsmith import Client, aevaluate, tracing_context
from langsmith.schemas import Example

from moagraph.evals.adapters.conversation import Bench, mean_of, sampling, talker
from moagraph.evals.dataset import DataSet, Item
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json

Target = Callable[[Json], Awaitable[Json]]
Evaluator = Callable[..., Awaitable[Json]]
NOWHERE = UUID(int=0)  # the data set of examples that lie on this machine only


class Mute(Client):
    """A client that sends nothing: `upload_results=False` still sends the target's own runs."""

    def create_run(self, *_: Any, **__: Any) -> None:
        """Say nothing."""

    def update_run(self, *_: Any, **__: Any) -> None:
        """Say nothing."""


def target(recipe: str, upload: bool = False) -> Target:
    """What `aevaluate` calls: `messages` and `turns` in, the `answer` and how it came about out."""
    asked = talker(recipe)

    async def answer(inputs: Json) -> Json:
        item = Item("", tuple(inputs["turns"]), tuple(map(tuple, inputs["before"])))
        wanted, answers = asked.at(inputs), list[str]()
        took: list[Json] = []
        with tracing_context(enabled=upload):  # else LangSmith's own switch would not hold
            for _ in item.turns:
                came = await wanted.answer(item.messages(answers))
                answers.append(came.answer)
                took.append(came.as_json())
        return {"answer": answers[-1], "answers": answers, "runs": took}

    return answer


def examples(data: DataSet) -> list[Example]:
    """The rows as LangSmith's examples; the same row is the same example each time."""
    return [_example(data, item) for item in data.items]


def evaluator(name: str, data: DataSet) -> Evaluator:
    """One of our judges as LangSmith's evaluator."""
    bench = Bench(name, data)

    async def judged(inputs: Json, outputs: Json) -> Json:
        with tracing_context(enabled=False):
            verdicts = await bench.verdicts(inputs["id"], outputs["answers"])
        unread = sum(not verdict.parsed for verdict in verdicts)
        comment = f"{unread} of {len(verdicts)} verdicts could not be read" if unread else ""
        return {"key": bench.judge.method, "score": mean_of(verdicts), "comment": comment}

    return judged


async def evaluate(
    recipe: str,
    data: DataSet | str,
    judges: Sequence[str] = (),
    *,
    upload: bool = False,
    evaluators: Sequence[Any] = (),
    **said: Any,
) -> Any:
    """Run `aevaluate` on a recipe; with `upload`, on the data set of that name in LangSmith."""
    if upload != isinstance(data, str):
        raise UsageError(
            "with `upload`, name a data set that is in LangSmith; without it, give one of yours"
        )
    if isinstance(data, str):
        if judges:
            raise UsageError("our judges know our data sets only: give `evaluators` of your own")
        return await aevaluate(
            target(recipe, upload=True), data=data, evaluators=list(evaluators), **said
        )
    ours: list[Any] = [evaluator(name, data) for name in judges]
    with tracing_context(enabled=False), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*upload_(results|runs).* is in beta")
        return await aevaluate(
            target(recipe),
            data=examples(data),
            evaluators=[*ours, *evaluators],
            upload_results=False,
            client=Mute(api_key="", auto_batch_tracing=False, info={}),
            **said,
        )


def _example(data: DataSet, item: Item) -> Example:
    before = [list(one) for one in item.before]
    inputs = {"id": item.id, "turns": list(item.turns), "before": before}
    inputs |= sampling(data, item)
    outputs: Mapping[str, Any] = {"references": list(item.references)} if item.references else {}
    return Example(
        id=uuid5(NAMESPACE_URL, f"{data.name}/{item.id}"),
        dataset_id=NOWHERE,
        inputs=inputs,
        outputs=dict(outputs),
        metadata={"category": item.category, "dataset": data.name},
    )
