import json
from pathlib import Path
from typing import Any

import pytest

from moagraph import RecipeError, ask, open_threads
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import load_recipe
from moagraph.graphs.recipe.schema import Recipe
from moagraph.threads.result import Result
from tests.faults import Always, Status
from tests.provider import Provider
from tests.terminal import moa, saved

RECIPE = """
[defaults]
base_url = "{url}"
attempts = 1
[[layers]]
proposers = ["vllm:a", "vllm:b", "vllm:c"]
{first}
[[layers]]
debate = true
proposers = ["vllm:a", "vllm:b", "vllm:c"]
aggregate = {{ step = "synthesize", model = "vllm:agg" }}
{second}
"""
PROMPT = (
    "Others have answered the same question. This is what they said, numbered:\n"
    "\n1. I, a, say four\n2. I, c, say six\n\n"
    "Read it critically, and what you said yourself no less. Say in a few words what is wrong in "
    "which answer, and what has convinced you: it is the reasons that count, not how many say so. "
    "Then answer the question anew and in full, for somebody who has read none of this."
)


def debating(folder: Path, provider: Provider, first: str = "", second: str = "") -> str:
    for model, text in (("a", "four"), ("b", "five"), ("c", "six")):
        provider.reply(model, f"I, {model}, say {text} ", f"{model} says four")
    provider.reply("agg", "four")
    return saved(folder, RECIPE.format(url=provider.base_url, first=first, second=second))


def second_of(provider: Provider, model: str) -> list[dict[str, Any]]:
    return [call for call in provider.calls if call.model == model][1].messages


def test_each_is_told_its_own_answer_as_its_own_and_the_others_as_theirs(
    provider: Provider, tmp_path: Path
) -> None:
    came = ask("two and two?", debating(tmp_path, provider), system="Be short.")
    assert (came.status, came.answer) == ("done", "four")
    assert second_of(provider, "b") == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "two and two?"},
        {"role": "assistant", "content": "I, b, say five"},
        {"role": "user", "content": PROMPT},
    ]
    own = [second_of(provider, model)[2]["content"] for model in "abc"]
    assert own == ["I, a, say four", "I, b, say five", "I, c, say six"]
    assert came.usage["calls"] == len(provider.calls) == 3 + 3 + 1


def test_what_they_were_sent_is_shown_again(provider: Provider, tmp_path: Path) -> None:
    recipe = debating(tmp_path, provider)
    moa("ask", "--recipe", recipe, "--thread", "t", "two and two?")
    _, layer = json.loads(moa("show", "t", "--sent", "--json").out)["layers"]
    sent = [proposal["sent"] for proposal in layer["proposals"]]
    assert sent == [second_of(provider, model) for model in "abc"]


def test_in_an_order_of_chance_the_own_answer_has_no_number(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = debating(tmp_path, provider)
    text = Path(recipe).read_text()
    Path(recipe).write_text(text.replace("debate =", "shuffle = true\ndebate ="))
    came = ask("two and two?", recipe)
    for proposal, model in zip(came.layers[1]["proposals"], "abc", strict=True):
        others = [number for number in ("01", "02", "03") if number != proposal["seat"]]
        assert sorted(proposal["order"]) == others
        first = "abc"[int(proposal["order"][0]) - 1]
        assert f"\n1. I, {first}, say" in second_of(provider, model)[-1]["content"]


def test_a_seat_whose_answer_failed_hears_the_others_before_the_question(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = debating(tmp_path, provider)
    provider.script("b", Status(400), None)
    assert ask("two and two?", recipe).status == "done"
    system, user = second_of(provider, "b")
    assert system["content"] == PROMPT
    assert user == {"role": "user", "content": "two and two?"}


def test_the_only_one_left_has_nobody_to_debate_with(provider: Provider, tmp_path: Path) -> None:
    recipe = debating(tmp_path, provider)
    for model in "bc":
        provider.script(model, Status(400), None)
    assert ask("two and two?", recipe).status == "done"
    assert second_of(provider, "a") == [{"role": "user", "content": "two and two?"}]


def test_one_seat_alone_can_debate(provider: Provider, tmp_path: Path) -> None:
    text = Path(debating(tmp_path, provider)).read_text().replace("debate = true\n", "")
    head, tail = text.rsplit('"vllm:b"', 1)
    recipe = saved(tmp_path, head + '{ model = "vllm:b", debate = true }' + tail)
    assert ask("two and two?", recipe).status == "done"
    assert [len(second_of(provider, model)) for model in "abc"] == [2, 3, 2]
    assert second_of(provider, "a")[0]["content"].startswith("You have been provided")
    resolved = load_recipe(recipe).resolved()
    assert Recipe.model_validate(resolved).resolved() == resolved


def test_a_seat_can_stay_out_of_a_debate(provider: Provider, tmp_path: Path) -> None:
    head, tail = Path(debating(tmp_path, provider)).read_text().rsplit('"vllm:b"', 1)
    recipe = saved(tmp_path, head + '{ model = "vllm:b", debate = false }' + tail)
    resolved = load_recipe(recipe).resolved()
    assert Recipe.model_validate(resolved).resolved() == resolved
    assert ask("two and two?", recipe).status == "done"
    assert [len(second_of(provider, model)) for model in "abc"] == [3, 2, 3]


def test_who_agrees_at_once_does_not_debate(provider: Provider, tmp_path: Path) -> None:
    gate = 'aggregate = { step = "gate", by = "agree", like = "numeric" }'
    report = '[[after]]\nstep = "report"\nmodel = "vllm:clerk"'
    recipe = debating(tmp_path, provider, gate, report)
    for model in "abc":
        provider.reply(model, f"{model}: 4")
    provider.reply("clerk", "All say 4.")
    came = ask("two and two?", recipe)
    assert (came.status, came.answer) == ("done", "a: 4")
    assert [call.model for call in provider.calls[3:]] == ["clerk"]
    assert "\n1. a: 4\n2. b: 4\n3. c: 4\n" in provider.calls[-1].messages[0]["content"]


REFUSED = {
    "the first layer": (("debate = true\n", ""), ("[[layers]]", "[[layers]]\ndebate = true")),
    "another model": (('"vllm:c"]\naggregate', '"vllm:d"]\naggregate'),),
    "more seats": (('"vllm:c"]\naggregate', '"vllm:c", "vllm:d"]\naggregate'),),
    "a fresh layer": (("debate = true\n", "debate = true\nfresh = true\n"),),
}


@pytest.mark.parametrize("changes", REFUSED.values(), ids=REFUSED)
def test_who_has_not_answered_cannot_debate(
    provider: Provider, tmp_path: Path, changes: tuple[tuple[str, str], ...]
) -> None:
    file = Path(debating(tmp_path, provider))
    for old, new in changes:
        file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(RecipeError, match="debates: the same seat of the layer before must be"):
        load_recipe(file)


# The report.


def reporting(folder: Path, provider: Provider, said: str = "") -> str:
    report = f'[[after]]\nstep = "report"\nmodel = "vllm:clerk"\n{said}'
    provider.reply("clerk", "Agreed: nothing\nSaid by one: 2 says five.\n")
    text = Path(debating(folder, provider, second=report)).read_text()
    return saved(folder, text.replace("debate = true\n", "fresh = true\n"))


def record(came: Result) -> dict[str, Any]:
    return next(step for step in came.steps if step["node"] == "L2_report")


def test_a_report_reads_all_answers_and_stays_in_its_record(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = reporting(tmp_path, provider)
    done = moa("ask", "--recipe", recipe, "--thread", "t", "two and two?")
    assert done.out == "four\n"
    [told] = provider.calls[-1].messages
    assert (
        "What was asked:\ntwo and two?\n\nThe answers:\n\n1. a says four\n2. b says"
        in (told["content"])
    )
    shown = moa("show", "t", "--sent").out
    assert "L2_report reports\n    Agreed: nothing\n    Said by one: 2 says five." in shown
    assert len(provider.calls) == max_calls(load_recipe(recipe)) == 3 + 3 + 1 + 1


def test_a_report_can_stand_under_the_answer(provider: Provider, tmp_path: Path) -> None:
    came = ask("?", reporting(tmp_path, provider, 'append = true\nheading = "The council"'))
    assert came.answer == (
        "four\n\n## The council\n\nAgreed: nothing\nSaid by one: 2 says five.\n\n"
        "The answers: 1 vllm:a, 2 vllm:b, 3 vllm:c."
    )
    assert record(came)["seats"] == ["01", "02", "03"]
    assert came.usage["calls"] == len(provider.calls) == 8


def test_a_report_that_fails_leaves_the_answer_alone(provider: Provider, tmp_path: Path) -> None:
    recipe = reporting(tmp_path, provider, "append = true")
    provider.script("clerk", Always(Status(400)))
    came = ask("?", recipe)
    assert (came.status, came.answer) == ("done", "four")
    assert record(came)["report"] is None
    assert record(came)["calls"]["report"]["error"]
    assert came.usage["calls"] == 8


def test_a_single_answer_is_not_reported_on(provider: Provider, tmp_path: Path) -> None:
    recipe = reporting(tmp_path, provider, "append = true")
    for model in "bc":
        provider.script(model, None, Status(400))
    with open_threads() as threads:
        came = ask("?", recipe, threads=threads)
    assert (came.status, came.answer) == ("done", "four")
    assert "clerk" not in [call.model for call in provider.calls]
