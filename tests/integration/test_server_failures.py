from collections.abc import Iterator

import openai
import pytest

from tests.faults import Always, Fault, Hang, MidStreamError, Status, TruncatedBody
from tests.provider import Provider
from tests.serving import HI, Served, save, serving

ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
LAST: dict[str, tuple[Fault, int]] = {
    "it is down": (Status(500, message="down"), 502),
    "it refuses our key": (Status(401), 502),
    "it is busy": (Status(429, retry_after=60), 503),
    "it hangs": (Hang(), 504),
    "it refuses what the caller asked": (Status(400, message="bad tools"), 400),
}


@pytest.fixture
def served(provider: Provider) -> Iterator[Served]:
    once = {"attempts": 1, "timeout": 1}
    save("mix", ["openai:a", "openai:b"], defaults=once)
    with serving() as served:
        yield served


@pytest.mark.parametrize(("fault", "status"), LAST.values(), ids=LAST)
def test_a_layer_that_fails_has_the_status_that_fits(
    served: Served, provider: Provider, fault: Fault, status: int
) -> None:
    for model in ("a", "b"):
        provider.script(model, Always(fault))
    for stream in (False, True):
        with pytest.raises(openai.APIStatusError) as failed:
            served.ask(stream=stream)
        assert failed.value.status_code == status
        assert "layer 1 has 0 usable answers of 2" in failed.value.message
    assert {call.model for call in provider.calls} == {"a", "b"}


@pytest.mark.parametrize(("fault", "status"), LAST.values(), ids=LAST)
def test_a_last_step_that_fails_has_the_status_that_fits(
    served: Served, provider: Provider, fault: Fault, status: int
) -> None:
    provider.script("agg", Always(fault))
    with pytest.raises(openai.APIStatusError) as failed:
        served.ask()
    assert failed.value.status_code == status
    assert "`L1_synthesize` got no answer from `openai:agg`" in failed.value.message


def test_a_failure_in_the_stream_ends_it_as_an_error(served: Served, provider: Provider) -> None:
    provider.script("agg", Always(Status(500, message="down")))
    with pytest.raises(openai.APIError, match="got no answer from `openai:agg`: 500: down"):
        served.stream()
    lines = served.post({"model": "mix", "messages": HI, "stream": True}).text.splitlines()
    assert lines[-2].startswith('data: {"error":{"message":')
    assert "data: [DONE]" not in lines


@pytest.mark.parametrize("fault", [MidStreamError("oh"), TruncatedBody()], ids=str)
def test_an_answer_that_breaks_off_is_no_success(
    served: Served, provider: Provider, fault: Fault
) -> None:
    provider.reply("agg", "one two three four five six")
    provider.script("agg", Always(fault))
    with pytest.raises(openai.APIError, match="got no answer"):
        served.stream()


def test_an_answer_that_was_begun_is_not_begun_again(provider: Provider) -> None:
    save("mix", ["openai:a"], defaults={"attempts": 3})
    provider.reply("agg", "one two three four five six")
    provider.script("agg", TruncatedBody())
    with serving() as served:
        said: list[str] = []
        with served.client() as client:
            chunks = client.chat.completions.create(model="mix", messages=HI, stream=True)
            with pytest.raises(openai.APIError, match="broke off"):
                said.extend(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert "".join(said) == "one two three"
        assert served.ask().choices[0].message.content == "one two three four five six"


def test_an_answer_that_had_not_begun_is_tried_again(provider: Provider) -> None:
    save("mix", ["openai:a"])
    provider.reply("agg", "one two")
    provider.script("agg", Status(500))
    with serving() as served:
        assert "".join(c.choices[0].delta.content or "" for c in served.stream()) == "one two"


@ways
def test_one_proposer_that_fails_is_no_failure(
    served: Served, provider: Provider, stream: bool
) -> None:
    provider.script("a", Always(Status(500)))
    provider.reply("agg", "well")
    if stream:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in served.stream())
    else:
        text = served.ask().choices[0].message.content
    assert text == "well"


@ways
def test_a_key_that_the_server_lacks_is_its_own_fault(
    served: Served, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(openai.InternalServerError, match="OPENAI_API_KEY is not set") as failed:
        served.ask(stream=stream)
    assert failed.value.status_code == 503


@ways
def test_an_empty_question_is_refused_and_costs_nothing(
    served: Served, provider: Provider, stream: bool
) -> None:
    for messages in ([{"role": "user", "content": " "}], [{"role": "system", "content": "x"}]):
        with pytest.raises(openai.BadRequestError, match="question"):
            served.ask(messages=messages, stream=stream)
    assert provider.calls == []


def test_a_recipe_that_cannot_be_read_is_the_servers_fault(served: Served) -> None:
    save("broken").write_text("layers = 7\n", encoding="utf-8")
    with pytest.raises(openai.InternalServerError, match=r"broken\.toml:1"):
        served.ask("moa/broken")
    assert "moa/mix" in served.get("/v1/models").text


def test_a_recipe_that_waits_for_a_person_is_refused(served: Served) -> None:
    file = save("slow")
    file.write_text(file.read_text().replace("{ proposers", "{ review = true, proposers"))
    with pytest.raises(openai.BadRequestError, match="pauses for a person"):
        served.ask("moa/slow")
