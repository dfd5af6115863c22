import asyncio
import re
from typing import Any

import pytest

from moagraph import ask
from moagraph.cli.render.rows import DisplayRow
from moagraph.nodes.errors import StepFailed
from moagraph.nodes.messages.window import find_window
from moagraph.nodes.models.call import Call
from moagraph.prompts import read
from tests.faults import Always, Status
from tests.mixtures import mixture, turn
from tests.provider import Provider

ASKED = ("user", "why is the sky blue?")
TRIO = ["openai:a", "openai:b", "openai:c"]
MARK = re.compile(r"\n\[… ([\d,]+) characters left out …\]\n")


def system(provider: Provider, model: str = "agg") -> str:
    """The system message of the model's last call."""
    calls = [call for call in provider.calls if call.model == model]
    return str(calls[-1].messages[0]["content"])


def tokens(text: str) -> float:
    return len(text.encode()) / 4


def small(window: int, **said: Any) -> dict[str, Any]:
    return {"model": "openai:agg", "context_window": window, **said}


@pytest.fixture
def long_answers(provider: Provider) -> None:
    provider.reply("a", "word " * 4000)
    provider.reply("b", "short and whole")
    provider.reply("c", "other " * 8000)


@pytest.mark.usefixtures("long_answers")
def test_long_answers_are_cut_to_one_length_and_short_ones_stay_whole(provider: Provider) -> None:
    [step] = [s for s in ask(ASKED[1], mixture(TRIO, aggregator=small(4000))).steps if "ok" in s]
    told = system(provider)
    assert "\n2. short and whole\n" in told
    assert tokens(told) + tokens(ASKED[1]) < 4000 - 1000
    left = [int(number.replace(",", "")) for number in MARK.findall(told)]
    assert step["shortened"] == {"01": left[0], "03": left[1]}
    row = DisplayRow("1 synthesize", "openai:agg", 1, record=step)
    assert row.status.endswith("2 answers shortened")
    assert abs((len("word " * 4000) - left[0]) - (len("other " * 8000) - left[1])) < 20
    assert tokens(told) > 0.6 * 4000
    assert told.startswith(f"{read('synthesize')}\n1. word word")
    assert told.endswith("other other")


@pytest.mark.usefixtures("long_answers")
@pytest.mark.parametrize("said", [{"context_window": 100_000}, {}])
def test_where_everything_fits_not_a_byte_changes(provider: Provider, said: Any) -> None:
    result = ask(ASKED[1], mixture(TRIO, aggregator={"model": "openai:agg", **said}))
    long_, other = ("word " * 4000).strip(), ("other " * 8000).strip()
    assert system(provider) == (f"{read('synthesize')}\n1. {long_}\n2. short and whole\n3. {other}")
    assert "shortened" not in result.steps[-1]


@pytest.mark.usefixtures("long_answers")
def test_a_fenced_answer_is_cut_inside_its_fence(provider: Provider) -> None:
    turn(mixture(TRIO, aggregator=small(4000, fence=True)), ASKED)
    told = system(provider)
    parts = re.findall(r"\n\[begin (\w{32})\]\n(.*?)\n\[end \1\]", told, re.DOTALL)
    assert [bool(MARK.search(body)) for _, body in parts] == [True, False, True]
    assert tokens(told) < 4000


@pytest.mark.parametrize("text", ["空が青いのは" * 1500, "👩🏽‍🚀 " * 1500, "сказка " * 2000])
def test_a_text_in_any_script_is_cut_until_it_fits(provider: Provider, text: str) -> None:
    provider.reply("a", text)
    provider.reply("b", "word " * 3000)
    turn(mixture(["openai:a", "openai:b"], aggregator=small(3000)), ASKED)
    told = system(provider)
    assert len(MARK.findall(told)) == 2
    assert tokens(told) < 3000 - 750


@pytest.mark.usefixtures("long_answers")
def test_each_proposer_is_cut_by_its_own_window(provider: Provider) -> None:
    second = [small(4000) | {"model": "openai:d"}, "openai:e"]
    state = turn(mixture(TRIO, second), ASKED)
    records = state["layers"]["2"]
    assert set(records["01"]["shortened"]) == {"01", "03"}
    assert "shortened" not in records["02"]
    assert MARK.search(system(provider, "d"))
    assert not MARK.search(system(provider, "e"))


@pytest.mark.usefixtures("long_answers")
def test_a_substitute_is_cut_by_its_own_window(provider: Provider) -> None:
    provider.script("agg", Always(Status(400)))
    told = {"model": "openai:agg", "fallbacks": [small(4000) | {"model": "openai:spare"}]}
    step = ask(ASKED[1], mixture(TRIO, aggregator=told)).steps[-1]
    assert step["kind"] == "substituted"
    assert set(step["shortened"]) == {"01", "03"}
    assert not MARK.search(system(provider, "agg"))
    assert MARK.search(system(provider, "spare"))


def test_a_question_that_does_not_fit_is_not_sent_and_the_others_answer(
    provider: Provider,
) -> None:
    state = turn(mixture(["openai:a", small(500) | {"model": "openai:b"}]), ("user", "why? " * 600))
    record = state["layers"]["1"]["02"]
    assert (record["ok"], record["kind"], record["attempts"]) == (False, "refused", 0)
    assert "the question does not fit the window of `openai:b`, 500 tokens" in record["error"]
    assert [call.model for call in provider.calls] == ["a", "agg"]


def test_an_aggregator_too_small_for_the_question_fails_the_run_unasked(
    provider: Provider,
) -> None:
    with pytest.raises(StepFailed, match="the question does not fit the window of `openai:agg`"):
        turn(mixture(["openai:a"], aggregator=small(500)), ("user", "why? " * 600))
    assert [call.model for call in provider.calls] == ["a"]


@pytest.mark.usefixtures("long_answers")
def test_an_aggregator_with_room_for_the_question_alone_is_not_asked(provider: Provider) -> None:
    with pytest.raises(StepFailed, match="3 answers and the question do not fit the window"):
        turn(mixture(TRIO, aggregator=small(500)), ("user", "why? " * 350))
    assert "agg" not in [call.model for call in provider.calls]


OVERFLOWS = [
    Status(400, code="context_length_exceeded", message="Your messages have 9000 tokens."),
    Status(400, message="This model's maximum context length is 8192 tokens."),
    Status(400, message="the request exceeds the available context size, try increasing it"),
]


@pytest.mark.parametrize("fault", OVERFLOWS, ids=["openai", "vllm", "llama.cpp"])
def test_a_providers_own_refusal_of_the_length_says_what_to_do(
    provider: Provider, fault: Status
) -> None:
    provider.script("b", Always(fault))
    record = turn(mixture(["openai:a", "openai:b"]), ASKED)["layers"]["1"]["02"]
    assert (record["kind"], record["attempts"]) == ("refused", 1)
    assert record["error"].startswith("too long for the model's window, a recipe may say")
    assert fault.message in record["error"]


def of(model: str, tokens: int = 50_000, **said: Any) -> int | None:
    return asyncio.run(find_window(Call(model=model, **said), tokens))


@pytest.mark.usefixtures("provider")
def test_a_window_is_known_from_the_recipe_a_table_a_profile_or_a_list() -> None:
    assert of("openai:gpt-4o", context_window=99) == 99
    assert of("together:meta-llama/Llama-3-70b-chat-hf") == 8192
    assert of("local:smollm2-135m") == of("ollama:llama3.2") == 4096
    assert of("openai:gpt-4o") == 128_000
    assert (of("together:Qwen/Qwen3.5-9B") or 0) >= 100_000


@pytest.mark.usefixtures("provider")
def test_an_unknown_window_is_no_limit_and_a_short_text_needs_none() -> None:
    assert of("openai:nobody-knows") is None
    assert of("openai:gpt-4o", base_url="http://127.0.0.1:9/v1") is None
    assert of("openai:gpt-4o", tokens=100) is None
    assert of("scripted:x") is None
