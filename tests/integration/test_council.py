import re
from pathlib import Path
from typing import Any

import pytest

from moagraph import ask, open_threads
from moagraph.graphs.compile.build import build
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import load_recipe
from moagraph.graphs.recipe.schema import Recipe
from tests.faults import Always, Status
from tests.mixtures import graph_of
from tests.provider import Answer, Call, Provider
from tests.terminal import moa

TEXTS = {
    "a": "The sky is blue because of Rayleigh. Air scatters short waves most.",
    "b": "It is the colour of the sea up there.",
    "c": "Nobody really knows why it is so.",
}
BEST = "abc"  # what every member thinks, unless told otherwise


def council(**said: Any) -> Recipe:
    """The council that ships, of three members and a chairman."""
    recipe = load_recipe("council").resolved()
    recipe.pop("name")
    for layer in recipe["layers"]:
        seats = zip("abc", layer["proposers"], strict=True)
        layer["proposers"] = [{**seat, "model": f"openai:{name}"} for name, seat in seats]
    *_, chairman = recipe["layers"][1]["aggregate"]
    chairman["model"] = "openai:chair"
    chairman |= said
    return Recipe.model_validate({"name": "council", **recipe})


def member(name: str, review: Answer) -> Answer:
    """Answers the question, and ranks what it is shown."""

    def said(call: Call) -> Any:
        if "Review them as a peer" not in str(call.messages[0]["content"]):
            return TEXTS[name]
        return review(call) if callable(review) else review

    return said


def ranked(best: str = BEST) -> Answer:
    """A review that ranks the answers so, by the numbers that they have there."""

    def said(call: Call) -> str:
        return "Fine.\n" + " > ".join(str(seen(call).index(name) + 1) for name in best)

    return said


def seen(call: Call) -> list[str]:
    """The answers in the order in which the call shows them."""
    told = str(call.messages[0]["content"])
    return sorted(TEXTS, key=lambda name: told.index(TEXTS[name]))


def seat(provider: Provider, **reviews: Answer) -> None:
    for name in TEXTS:
        provider.reply(name, member(name, reviews.get(name, ranked())))
    provider.reply("chair", f"{TEXTS['a'].partition('. ')[0]}. And that is all there is to it.")


def step(came: Any, kind: str) -> dict[str, Any]:
    return next(dict(one) for one in came.steps if kind in one["node"])


def reviews(provider: Provider) -> list[Call]:
    return [call for call in provider.calls if "as a peer" in str(call.messages[0]["content"])]


def test_every_member_ranks_all_answers_in_an_order_of_its_own(provider: Provider) -> None:
    seat(provider)
    recipe = council()
    orders = set()
    for _ in range(4):
        came = ask("why is the sky blue?", recipe)
        assert came.status == "done"
        orders |= {"".join(seen(call)) for call in reviews(provider)}
    assert len(orders) > 1
    assert all(len(call.messages) == 1 for call in reviews(provider))
    [told] = reviews(provider)[0].messages
    assert "What was asked:\nwhy is the sky blue?\n" in told["content"]
    assert re.search(r"\n1\.\s+\[begin \w{32}\]\n", told["content"])
    assert came.usage["calls"] == max_calls(recipe) == 7
    assert len(provider.calls) == 28


def test_the_ranks_become_one_by_the_order_that_each_member_saw(provider: Provider) -> None:
    seat(provider, c=ranked("cab"))
    told = step(ask("why?", council()), "tally")
    assert told["ranking"] == ["01", "02", "03"]
    assert (told["points"], told["of"]) == ({"01": 5, "02": 2, "03": 2}, 6)
    assert told["ballots"]["03"] == ["03", "01", "02"]
    assert told["own_rank_and_others"] == {"01": [1, 1.5], "02": [2, 2.5], "03": [1, 3]}
    assert told["self_preference"] == 1.0
    assert told["agreement"] == pytest.approx(1 / 3, abs=1e-4)
    assert (told["unparsed"], "weights" in told) == (0, False)


def test_the_chairman_sees_answers_and_points_the_best_first(provider: Provider) -> None:
    seat(provider, a=ranked("cab"), b=ranked("cba"))
    ask("why?", council())
    chair = provider.calls[-1]
    assert seen(chair) == ["c", "a", "b"]
    system = str(chair.messages[0]["content"])
    assert "by the same numbers:\n\n1. 4 of 6 points, ranked first by 2 of 3\n2. 3 of 6" in system
    assert chair.messages[1:] == [{"role": "user", "content": "why?"}]


def test_a_members_weight_counts_its_ranking(provider: Provider) -> None:
    seat(provider, c=ranked("cab"))
    said = council().resolved()
    said["layers"][1]["proposers"][2]["weight"] = 5
    told = step(ask("why?", Recipe.model_validate(said)), "tally")
    assert told["ranking"] == ["03", "01", "02"]
    assert told["weights"] == {"01": 1.0, "02": 1.0, "03": 5.0}


def test_a_review_that_cannot_be_read_and_one_that_never_came_are_told(provider: Provider) -> None:
    seat(provider, b="All of them are lovely.")
    provider.script("c", None, Always(Status(400)))
    told = step(ask("why?", council()), "tally")
    assert (told["unparsed"], told["unread"], told["no_review"]) == (1, ["02"], ["03"])
    assert told["ranking"][0] == "01"


def test_without_any_readable_review_the_answers_stay_as_they_sit(provider: Provider) -> None:
    seat(provider, a="no", b="no", c="no")
    came = ask("why?", council())
    told = step(came, "tally")
    assert (came.status, told["ranking"], told["unparsed"]) == ("done", ["01", "02", "03"], 3)
    assert "no review could be read" in told["why"]
    assert seen(provider.calls[-1]) == ["a", "b", "c"]


def test_a_chairman_that_fails_does_not_take_the_run_along(provider: Provider) -> None:
    seat(provider, a=ranked("bac"), c=ranked("bca"))
    provider.script("chair", Always(Status(400)))
    came = ask("why?", council(attempts=1))
    assert (came.status, came.answer, came.usage["calls"]) == ("done", TEXTS["b"], 7)
    wrote = step(came, "synthesize")
    assert (wrote["stands"], "got no answer from `openai:chair`" in wrote["why"]) == ("02", True)
    assert step(came, "attribute")["taken"] == {"02": 1, "01": 0, "03": 0}


def test_what_was_taken_from_whom_and_what_was_left_out_is_told(provider: Provider) -> None:
    seat(provider)
    told = step(ask("why?", council()), "attribute")
    assert (told["taken"], told["new"]) == ({"01": 1, "02": 0, "03": 0}, 1)
    assert [one["from"] for one in told["traced"]] == ["01", None]
    assert told["left_out"] == [{"seat": "01", "text": "Air scatters short waves most."}]
    assert told["overruled"] is False


def test_a_chairman_that_overrules_the_ranking_does_not_do_so_in_silence(
    provider: Provider, tmp_path: Path
) -> None:
    seat(provider)
    provider.reply("chair", TEXTS["c"])
    with open_threads() as threads:
        came = ask("why?", council(), thread="t", threads=threads)
    told = step(came, "attribute")
    assert told["overruled"] is True
    assert "like those of 03, ranked 3 of 3, and 0 like those of 01" in told["why"]
    shown = moa("show", "t")
    assert "overruled: yes" in shown.out
    assert "points: 01 6, 02 3, 03 0" in shown.out
    assert "left out: seat 01, text Air scatters short waves most." in shown.out


def test_the_chairmans_words_are_the_answer_as_they_come(provider: Provider) -> None:
    seat(provider)
    provider.reply("chair", "from the chair alone")
    graph = graph_of(council())
    heard = ""
    for message, place in graph.stream({"messages": [("user", "why?")]}, stream_mode="messages"):
        if place.get("role") == "answer":
            heard += message.text
    assert heard.startswith("from the chair alone")
    state = graph.invoke({"messages": [("user", "why?")]})
    assert [message.text for message in state["messages"]] == ["why?", "from the chair alone"]


def test_what_all_members_say_is_taken_from_the_best_ranked(provider: Provider) -> None:
    for name in TEXTS:
        provider.reply(name, "it is four", "none is better")
    provider.reply("chair", "It is four.")
    came = ask("two and two?", council())
    assert step(came, "tally")["ranking"] == ["01", "02", "03"]
    told = step(came, "attribute")
    assert (told["taken"], told["left_out"]) == ({"01": 1, "02": 0, "03": 0}, [])


def test_one_member_that_answers_is_reviewed_alone(provider: Provider) -> None:
    provider.script("a", Always(Status(400)))
    provider.script("b", Always(Status(400)))
    provider.reply("c", "alone at last", "1")
    provider.reply("chair", "so be it then")
    came = ask("why?", council(attempts=1))
    told = step(came, "tally")
    assert (came.answer, told["ranking"], told["agreement"]) == ("so be it then", ["03"], None)


def test_a_tally_may_itself_pick_the_answer(provider: Provider) -> None:
    seat(provider, a=ranked("bac"), c=ranked("bca"))
    said = council().resolved()
    said["layers"][1]["aggregate"] = [{"step": "tally", "keep": 1}]
    said["after"] = []
    came = ask("why?", Recipe.model_validate(said))
    assert (came.answer, came.usage["calls"]) == (TEXTS["b"], 6)


@pytest.mark.parametrize("fresh", [False, True])
def test_a_tally_of_a_layer_that_reads_none_is_refused(fresh: bool) -> None:
    layer: dict[str, Any] = {"proposers": ["openai:a"], "aggregate": {"step": "tally", "keep": 1}}
    layers = [{"proposers": ["openai:a"]}, {**layer, "fresh": True}] if fresh else [layer]
    with pytest.raises(ValueError, match="counts how its layer ranks the one before"):
        Recipe.model_validate({"name": "r", "layers": layers})


def test_what_is_only_noted_is_drawn_behind_the_answer() -> None:
    assert ("L2_synthesize", "L2_attribute") in build(council()).edges
    nodes = build(council()).compile().get_graph().nodes
    assert (nodes["L2_synthesize"].metadata or {})["role"] == "answer"
