"""Builds a judge from its name: `exact`, or a method and its model, as `grade:openai:gpt-4o`."""

from difflib import get_close_matches

from moagraph.evals.dataset import DataSet, Item
from moagraph.evals.judge import AnswerJudge, JudgeCase
from moagraph.evals.judges import flask, grade, pairwise
from moagraph.evals.judges.flask import FlaskJudge
from moagraph.evals.judges.grade import GradeJudge
from moagraph.evals.judges.model_judge import build_call
from moagraph.evals.judges.pairwise import PairwiseJudge
from moagraph.evals.judges.pairwise_logprobs import build_pairwise_logprobs
from moagraph.evals.judges.python_function import load_function_judge
from moagraph.evals.judges.recorded_preferences import load_recorded_preferences
from moagraph.evals.judges.reference_match import ReferenceMatchJudge
from moagraph.nodes.errors import UnknownName, UsageError
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.providers import check

MATCH_METHODS = ("exact", "numeric")
MODEL_METHODS = ("pairwise", "pairwise-logprobs", "grade", "flask")
METHODS = (*MATCH_METHODS, *MODEL_METHODS, "python", "recorded")


def build_judge(name: str, data: DataSet, max_tokens: int | None = None) -> AnswerJudge:
    """Build the judge; one that cannot judge a row is refused before any answer is paid for.

    Args:
        name: The method and, after a colon, the model, function or file that it uses.
        data: The data set, whose judge prompts and references the judge uses.
        max_tokens: The longest reply of a judge that asks a model; None for the method's default.
    """
    judge = _build(name, data, max_tokens)
    for item in data.items:
        for turn in range(1, len(item.turns) + 1):
            judge.trials(_case_without_answers(item, turn))
    return judge


def _case_without_answers(item: Item, turn: int) -> JudgeCase:
    return JudgeCase(item, "", ("",) * turn, "", ("",) * turn)


def _build(name: str, data: DataSet, max_tokens: int | None) -> AnswerJudge:
    method, colon, target = name.partition(":")
    if method not in METHODS:
        raise UnknownName(_unknown_method(method))
    if method in MATCH_METHODS:
        if colon:
            raise UsageError(f"`{method}` takes no model: write `--judge {method}`, not `{name}`")
        return ReferenceMatchJudge(name, method)
    if not target:
        missing = {"python": "package.module:function", "recorded": "FILE"}
        example = missing.get(method, "provider:model")
        raise UsageError(f"`--judge {method}` is incomplete: write `{method}:{example}`")
    if method == "python":
        return load_function_judge(name, target)
    if method == "recorded":
        return load_recorded_preferences(name, target)
    return _build_model_judge(name, method, target, data, max_tokens)


def _build_model_judge(
    name: str, method: str, model: str, data: DataSet, max_tokens: int | None
) -> AnswerJudge:
    if method == "pairwise-logprobs":
        _checked_call(model, 1)
        return build_pairwise_logprobs(name, model)
    if method == "pairwise":
        call = _checked_call(model, max_tokens or pairwise.MAX_TOKENS)
        return PairwiseJudge(name, call, data.prompts)
    if method == "grade":
        return GradeJudge(name, _checked_call(model, max_tokens or grade.MAX_TOKENS), data.prompts)
    return FlaskJudge(name, _checked_call(model, max_tokens or flask.MAX_TOKENS))


def _checked_call(model: str, max_tokens: int) -> Call:
    """Build the call and check its provider and API key."""
    call = build_call(model, max_tokens)
    check(call)
    return call


def _unknown_method(method: str) -> str:
    near = get_close_matches(method, METHODS, 1)
    hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(METHODS)}"
    return f"there is no judge {method!r}; {hint}"
