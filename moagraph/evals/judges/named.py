"""A judge by its name: `exact`, or a way to judge and who does it, as `grade:openai:gpt-4o`."""

from difflib import get_close_matches

from moagraph.evals.dataset import DataSet, Item
from moagraph.evals.judge import Case, Judge
from moagraph.evals.judges import flask, grade, pairwise
from moagraph.evals.judges.asking import call_of
from moagraph.evals.judges.flask import Flask
from moagraph.evals.judges.grade import Grade
from moagraph.evals.judges.logprobs import pairwise_logprobs
from moagraph.evals.judges.match import Match
from moagraph.evals.judges.pairwise import Pairwise
from moagraph.evals.judges.python import python
from moagraph.evals.judges.recorded import recorded
from moagraph.nodes.errors import UnknownName, UsageError
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.providers import check

ALONE = ("exact", "numeric")
ASKING = ("pairwise", "pairwise-logprobs", "grade", "flask")
METHODS = (*ALONE, *ASKING, "python", "recorded")


def judge(said: str, data: DataSet, max_tokens: int | None = None) -> Judge:
    """The judge of that name for the data set, refused where it cannot judge one of its rows."""
    found = _named(said, data, max_tokens)
    for item in data.items:
        for turn in range(1, len(item.turns) + 1):
            found.trials(_unanswered(item, turn))
    return found


def _unanswered(item: Item, turn: int) -> Case:
    """What a judge would be given: what it lacks of a row shows before answers are paid for."""
    return Case(item, "", ("",) * turn, "", ("",) * turn)


def _named(said: str, data: DataSet, max_tokens: int | None) -> Judge:
    method, colon, who = said.partition(":")
    if method not in METHODS:
        raise UnknownName(_unknown(method))
    if method in ALONE:
        if colon:
            raise UsageError(f"`{method}` asks nobody: say `--judge {method}`, without {who!r}")
        return Match(said, method)
    if not who:
        raise UsageError(f"`--judge {method}` needs to know who judges: `{method}:WHO`")
    if method == "python":
        return python(said, who)
    if method == "recorded":
        return recorded(said, who)
    return _asking(said, method, who, data, max_tokens)


def _asking(said: str, method: str, who: str, data: DataSet, max_tokens: int | None) -> Judge:
    if method == "pairwise-logprobs":
        return pairwise_logprobs(said, _checked(call_of(who, 1)).model)
    if method == "pairwise":
        call = _checked(call_of(who, max_tokens or pairwise.MAX_TOKENS))
        return Pairwise(said, call, data.prompts)
    if method == "grade":
        call = _checked(call_of(who, max_tokens or grade.MAX_TOKENS))
        return Grade(said, call, data.prompts)
    return Flask(said, _checked(call_of(who, max_tokens or flask.MAX_TOKENS)))


def _checked(call: Call) -> Call:
    check(call)
    return call


def _unknown(method: str) -> str:
    near = get_close_matches(method, METHODS, 1)
    hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(METHODS)}"
    return f"there is no judge {method!r}; {hint}"
