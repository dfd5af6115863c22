import asyncio
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from moagraph import RecipeError, ask
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import load_recipe
from moagraph.nodes.node_spec import NodeSpec, NodeView
from moagraph.nodes.policies.review import added
from moagraph.nodes.steps.detect import Detect
from moagraph.prompts import read
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
aggregate = {steps}
[[after]]
step = "detect"
model = "vllm:judge"
{said}
"""
SYNTHESIZE = '{ step = "synthesize", model = "vllm:agg" }'
DRAFT = "# Paris\n\nParis is large. It has e.g. 9 rivers!\n```\nx. y.\n```\n1. It is in France."
CLAIMS = ["Paris is large.", "It has e.g. 9 rivers!", "1. It is in France."]


def checking(
    folder: Path, provider: Provider, *verdicts: str, said: str = "", steps: str = SYNTHESIZE
) -> str:
    for model, text in (("a", "Large."), ("b", "In France."), ("c", "Rivers?")):
        provider.reply(model, text)
    provider.reply("agg", DRAFT)
    by_sample = dict(zip(("Large.", "In France.", "Rivers?"), verdicts, strict=False))

    def judge(call: Any) -> str:
        heard = str(call.messages[0]["content"])
        return next(
            said for sample, said in by_sample.items() if f"sources:\n\n1. {sample}" in heard
        )

    provider.reply("judge", judge)
    text = RECIPE.format(url=provider.base_url, steps=steps, said=said)
    return saved(folder, text)


def record(came: Result) -> dict[str, Any]:
    return next(step for step in came.steps if step["node"].startswith("L1_detect"))


def test_each_sample_is_read_once_with_all_sentences_and_what_few_support_is_marked(
    provider: Provider, tmp_path: Path
) -> None:
    verdicts = ("1: yes\n2: no\n3: yes", "1: yes\n2: no\n3: yes", "**1**: Yes\n2) no\n3 - no")
    recipe = checking(tmp_path, provider, *verdicts, said="mark = true")
    came = ask("What of Paris?", recipe)
    assert (came.status, came.answer) == (
        "done",
        DRAFT.replace("9 rivers!", "9 rivers! [unsupported]"),
    )
    told = record(came)
    assert [one["text"] for one in told["sentences"]] == CLAIMS
    assert [one["score"] for one in told["sentences"]] == [0.0, 1.0, 0.333]
    assert (told["unsupported"], told["unparsed"], told["sources"]) == (1, 0, 3)
    assert [call.model for call in provider.calls[4:]] == ["judge"] * 3
    [heard] = provider.calls[4].messages
    assert heard["role"] == "user"
    assert "What was asked:\nWhat of Paris?\n\nThe sources:\n\n1. Large.\n\n" in heard["content"]
    assert (
        "The sentences:\n1. Paris is large.\n2. It has e.g. 9 rivers!\n3. 1. It is"
        in (heard["content"])
    )
    assert came.usage["calls"] == len(provider.calls) == max_calls(load_recipe(recipe)) == 3 + 1 + 3


def test_without_a_mark_the_answer_stays_as_it_was(provider: Provider, tmp_path: Path) -> None:
    recipe = checking(tmp_path, provider, *["1: no\n2: no\n3: no"] * 3)
    done = moa("ask", "--recipe", recipe, "--thread", "t", "What of Paris?")
    assert (done.code, done.out) == (0, DRAFT + "\n")
    assert "L1_detect finds 3 of 3 sentences unsupported" in moa("show", "t", "--sent").out


def test_an_answer_that_was_picked_is_no_sample_of_itself(
    provider: Provider, tmp_path: Path
) -> None:
    provider.reply("ranker", "2")
    steps = '{ step = "rank", model = "vllm:ranker" }'
    recipe = checking(tmp_path, provider, "1: no", "1: no", "1: yes", steps=steps)
    came = ask("What of Paris?", recipe)
    assert came.answer == "In France."
    assert sorted(record(came)["calls"]) == ["01", "03"]
    assert record(came)["sentences"] == [{"text": "In France.", "score": 0.5, "unsupported": False}]


def test_verdicts_that_cannot_be_read_are_asked_for_once_more_and_counted_for_nothing(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = checking(tmp_path, provider, "1: yes\n2: yes", "1: no\n2: no\n3: yes", "no")
    came = ask("What of Paris?", recipe)
    told = record(came)
    assert [one["score"] for one in told["sentences"]] == [1.0, 1.0, 0.0]
    assert told["unparsed"] == 2
    assert len(provider.calls) == came.usage["calls"] == 3 + 1 + 3 + 2


def test_without_any_verdict_nothing_is_marked_and_no_score_is_made_up(
    provider: Provider, tmp_path: Path
) -> None:
    recipe = checking(tmp_path, provider, "", said="mark = true")
    provider.script("judge", Always(Status(400)))
    came = ask("What of Paris?", recipe)
    assert (came.status, came.answer) == ("done", DRAFT)
    assert [one["score"] for one in record(came)["sentences"]] == [None] * 3
    assert record(came)["unparsed"] == 0


def test_it_can_stand_in_the_layer_itself(provider: Provider, tmp_path: Path) -> None:
    detect = '{ step = "detect", model = "vllm:judge", mark = true }'
    recipe = checking(tmp_path, provider, *["1: no\n2: yes\n3: yes"] * 3)
    text = Path(recipe).read_text().split("[[after]]")[0]
    recipe = saved(tmp_path, text.replace(SYNTHESIZE, f"[{SYNTHESIZE}, {detect}]"))
    came = ask("What of Paris?", recipe)
    assert came.answer == DRAFT.replace("large.", "large. [unsupported]")
    assert len(provider.calls) == max_calls(load_recipe(recipe)) == 7


def test_a_single_seat_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    text = RECIPE.format(url="http://127.0.0.1:1/v1", steps=SYNTHESIZE, said="")
    with pytest.raises(RecipeError, match="it needs two seats or more"):
        load_recipe(saved(tmp_path, text.replace('"vllm:a", "vllm:b", ', "")))


def test_passages_are_read_only_where_something_retrieves_them(tmp_path: Path) -> None:
    said = 'by = "passages"'
    text = RECIPE.format(url="http://127.0.0.1:1/v1", steps=SYNTHESIZE, said=said)
    with pytest.raises(RecipeError, match="reads what a step in `before` has retrieved: there is"):
        load_recipe(saved(tmp_path, text))


def grounded(provider: Provider, passages: list[dict[str, str]]) -> dict[str, Any]:
    """The record of a detector behind a step that has retrieved these."""
    step = {"step": "detect", "model": "vllm:judge", "by": "passages", "mark": True}
    step["prompt"] = "detect"
    step["base_url"] = provider.base_url
    layer = {"proposers": [{"model": "vllm:a"}], "aggregate": []}
    state: Any = {
        "messages": [HumanMessage("What of Paris?")],
        "layers": {"1": {"01": dict(added("Paris is large. It is in Spain."))}},
        "steps": {"L0_retrieve": {"passages": passages}, "L1_join": {"kept": ["01"]}},
        "recipe": {"layers": [layer], "after": [step], "prompts": {"detect": read("detect")}},
    }
    reads = (1, ("L1_join",))
    preparation = ("L0_retrieve",)
    spec = NodeSpec(
        "L1_detect", ("after", 0), 1, reads=reads, ends_turn=True, preparation=preparation
    )
    update = asyncio.run(Detect.model_validate(step).run(NodeView(state, spec)))
    assert update["messages"][0].text == update["steps"]["L1_detect"]["text"]
    record: dict[str, Any] = update["steps"]["L1_detect"]
    return record


def test_all_passages_are_read_together(provider: Provider) -> None:
    provider.reply("judge", "1: yes\n2: no")
    passages = [
        {"id": "a.md#1", "text": "Paris has many people.", "source": "a.md"},
        {"id": "b.md#1", "text": "Paris is in France.", "source": "b.md"},
    ]
    told = grounded(provider, passages)
    assert told["text"] == "Paris is large. It is in Spain. [unsupported]"
    [call] = provider.calls
    assert (
        "The sources:\n\n1. Paris has many people.\n2. Paris is in France.\n"
        in (call.messages[0]["content"])
    )
    assert (told["sources"], told["unparsed"]) == (2, 0)


def test_where_nothing_was_retrieved_nothing_is_borne_out(provider: Provider) -> None:
    told = grounded(provider, [])
    assert told["text"] == "Paris is large. [unsupported] It is in Spain. [unsupported]"
    assert provider.calls == []
