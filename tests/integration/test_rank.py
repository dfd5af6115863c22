import json
from pathlib import Path

from graphs.load import load_recipe
from moagraph import ask, open_threads, retry
from tests.provider import Provider
from tests.terminal import moa, saved

RECIPE = """
[defaults]
base_url = "{url}"
[[layers]]
proposers = ["vllm:alpha-1", "vllm:beta-1", "vllm:gamma-1"]
aggregate = {{ step = "rank", model = "vllm:judge" }}
"""


def ranker(folder: Path, provider: Provider) -> str:
    for model, text in (("alpha-1", "I am alpha-1: four"), ("beta-1", "five"), ("gamma-1", "six")):
        provider.reply(model, text)
    return saved(folder, RECIPE.format(url=provider.base_url))


def shown_sent(thread: str) -> list[object]:
    told = json.loads(moa("show", thread, "--sent", "--json").out)
    return [call["sent"] for step in told["steps"] for call in step.get("calls", {}).values()]


def test_the_ranker_hears_the_question_and_all_answers_in_one_message(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = ranker(tmp_path, provider)
    provider.reply("judge", "Answer 2 is right.\n2 > 3 > 1")
    with open_threads() as threads:
        came = ask("two and two?", recipe, thread="t", threads=threads)
    assert (came.status, came.answer) == ("done", "five")
    [told] = provider.calls[-1].messages
    assert told["role"] == "user"
    assert "What was asked:\ntwo and two?\n" in told["content"]
    assert "\n1. I am [a model]: four\n2. five\n3. six\n" in told["content"]
    [kept] = shown_sent("t")
    assert kept == [{"role": "user", "content": told["content"]}]
    [step] = [step for step in came.steps if "ranking" in step]
    assert (step["ranking"], step["kept"], step["unparsed"]) == (["02", "03", "01"], ["02"], 0)
    assert came.usage["calls"] == len(provider.calls) == 4
    assert load_recipe(recipe).calls == 4


def test_a_ranking_without_form_is_asked_for_once_more_and_then_fails(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = ranker(tmp_path, provider)
    provider.reply("judge", "They are all fine!")
    with open_threads() as threads:
        came = ask("two and two?", recipe, thread="t", threads=threads)
        assert (came.status, came.answer) == ("failed", "")
        assert "got no ranking from `vllm:judge`: no ranking in 'They are all fine!'" in str(
            came.error
        )
        assert len(provider.calls) == 5
        assert provider.calls[-1].messages[1] == {
            "role": "assistant",
            "content": "They are all fine!",
        }
        provider.reply("judge", "3")
        came = retry("t", threads)
    assert (came.status, came.answer) == ("done", "six")
    assert len(provider.calls) == 6
