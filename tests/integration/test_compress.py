import re
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from moagraph import RecipeError, ask
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import load_recipe
from moagraph.nodes.messages.shorten import omission_mark
from tests.faults import Status
from tests.mixtures import graph_of
from tests.provider import Provider
from tests.terminal import saved

FILLER = "The weather was mild and nobody said much about it on that day. "
PASTED = f"{FILLER * 8}The boiler needs 140 litres. {FILLER * 8}".strip()
ASKED = f"How many litres does the boiler need?\n\n{PASTED}\n\nAnswer in one line."
RECIPE = """
[defaults]
base_url = "{url}"
{before}
[[layers]]
proposers = ["vllm:alpha", "vllm:beta"]
aggregate = [{between} {{ step = "synthesize", model = "vllm:agg" }}]
"""
AHEAD = '[[before]]\nstep = "compress"\n'


def recipe(folder: Path, provider: Provider, before: str = "", between: str = "") -> str:
    return saved(folder, RECIPE.format(url=provider.base_url, before=before, between=between))


def told(provider: Provider, model: str) -> str:
    call = next(call for call in provider.calls if call.model == model)
    return "\n".join(str(message["content"]) for message in call.messages)


def step(came: Any, node: str) -> dict[str, Any]:
    [found] = [one for one in came.steps if one["node"] == node]
    return dict(found)


def test_of_a_long_question_what_is_asked_for_stays(provider: Provider, tmp_path: Path) -> None:
    came = ask(ASKED, recipe(tmp_path, provider, AHEAD + "ratio = 0.2"))
    heard = told(provider, "alpha")
    assert heard == told(provider, "beta") == step(came, "L0_compress")["question"]
    assert heard.startswith("How many litres does the boiler need?\n\n")
    assert heard.endswith("\n\nAnswer in one line.")
    assert "The boiler needs 140 litres." in heard
    assert len(re.findall(r"characters left out", heard)) == 2
    record = step(came, "L0_compress")
    assert record["characters"]["before"] == len(PASTED)
    assert record["ratio"] == round(record["characters"]["after"] / len(PASTED), 3) <= 0.2
    assert record["tokens"]["after"] < record["tokens"]["before"]
    assert (
        came.usage["calls"]
        == len(provider.calls)
        == max_calls(load_recipe(recipe(tmp_path, provider)))
    )


def test_a_short_question_stays_as_it_is(provider: Provider, tmp_path: Path) -> None:
    came = ask("Why? It is cold. Tell me.", recipe(tmp_path, provider, AHEAD))
    assert told(provider, "alpha") == "Why? It is cold. Tell me."
    assert (step(came, "L0_compress")["ratio"], "question" in step(came, "L0_compress")) == (
        1,
        False,
    )


def test_answers_are_shortened_between_the_layers(provider: Provider, tmp_path: Path) -> None:
    provider.reply("alpha", PASTED)
    provider.reply("beta", "140.")
    between = '{ step = "compress", max_words = 30 },'
    came = ask("How many litres does the boiler need?", recipe(tmp_path, provider, "", between))
    left_out = omission_mark(8 * len(FILLER) - 1)
    short = f"{left_out} The boiler needs 140 litres. {left_out}"
    assert step(came, "L1_compress")["texts"] == {"01": short, "02": "140."}
    assert step(came, "L1_compress")["whole"] == ["02"]
    assert f"\n1. {short}\n2. 140." in told(provider, "agg")
    assert len(provider.calls) == 3


def test_a_model_writes_a_summary_of_each_text_as_data(provider: Provider, tmp_path: Path) -> None:
    provider.reply("alpha", PASTED)
    provider.reply("beta", f"{PASTED} [end of it]")
    provider.reply("short", "140 litres.")
    between = '{ step = "compress", by = "summary", model = "vllm:short", ratio = 0.1 },'
    one = recipe(tmp_path, provider, "", between)
    came = ask("How many litres?", one)
    assert came.usage["calls"] == len(provider.calls) == max_calls(load_recipe(one)) == 5
    heard = told(provider, "short")
    sign = re.search(r"\[begin ([0-9a-f]{32})\]", heard)
    assert sign
    assert f"\nHow many litres?\n\n[begin {sign[1]}]\nThe weather" in heard
    assert "in at most 21 words" in heard
    written = f"[… a summary of {len(PASTED):,} characters …]\n140 litres."
    assert step(came, "L1_compress")["texts"]["01"] == written
    assert f"\n1. {written}\n2. " in told(provider, "agg")


def test_a_summary_that_fails_or_is_no_shorter_leaves_the_text_whole(
    provider: Provider, tmp_path: Path
) -> None:
    provider.reply("alpha", PASTED)
    provider.reply("beta", f"{PASTED} More.")
    provider.script("short", Status(400))
    provider.reply("short", "long " * 1_000)
    between = '{ step = "compress", by = "summary", model = "vllm:short" },'
    came = ask("How many litres?", recipe(tmp_path, provider, "", between))
    record = step(came, "L1_compress")
    assert record["texts"] == {"01": PASTED, "02": f"{PASTED} More."}
    assert (record["ratio"], record["whole"]) == (1.0, ["01", "02"])
    assert sorted(call["ok"] for call in record["calls"].values()) == [False, True]
    assert came.status == "done"


def test_a_text_that_does_not_fit_the_summarizers_window_is_cut_with_a_mark(
    provider: Provider, tmp_path: Path
) -> None:
    provider.reply("short", "140 litres.")
    more = 'by = "summary"\nmodel = "vllm:short"\ncontext_window = 400\nmax_tokens = 50'
    came = ask(ASKED, recipe(tmp_path, provider, AHEAD + more))
    assert "characters left out" in told(provider, "short")
    assert step(came, "L0_compress")["calls"]["input"]["shortened"]["text"] > 0
    assert "\n140 litres.\n" in told(provider, "alpha")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("ratio = 0.5\nmax_words = 9", "`ratio` and `max_words` both say how much is kept"),
        ('by = "summary"', 'by = "summary" needs a `model`, and by = "extract" asks none'),
        ('model = "vllm:a"', 'by = "summary" needs a `model`, and by = "extract" asks none'),
        ("ratio = 1.0", "`ratio` 1.0: input should be less than 1"),
        ('by = "summary"\nmodel = "a"', "'a' is not `provider:model`"),
    ],
)
def test_a_wrong_compression_is_refused_when_the_recipe_is_read(
    provider: Provider, tmp_path: Path, more: str, message: str
) -> None:
    with pytest.raises(RecipeError, match=re.escape(message)):
        load_recipe(recipe(tmp_path, provider, AHEAD + more))


def test_a_question_of_more_than_text_stays_as_it_is(provider: Provider, tmp_path: Path) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    content: list[str | dict[Any, Any]] = [{"type": "text", "text": ASKED}, picture]
    graph_of(load_recipe(recipe(tmp_path, provider, AHEAD))).invoke(
        {"messages": [HumanMessage(content)]}
    )

    assert provider.calls[0].messages == [{"role": "user", "content": content}]
