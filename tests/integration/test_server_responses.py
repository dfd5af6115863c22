from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.faults import Status
from tests.provider import Provider
from tests.serving import Served, save, serving

TOOL: Any = {
    "type": "function",
    "name": "look",
    "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
    "strict": False,
}
CALLED: Any = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


@pytest.fixture
def served(provider: Provider) -> Iterator[Served]:
    save()
    with serving() as served:
        yield served


def last(provider: Provider) -> list[dict[str, Any]]:
    return provider.calls[-1].messages


def test_an_answer_with_its_bill(served: Served, provider: Provider) -> None:
    provider.reply("agg", "forty two")
    with served.client() as client:
        came = client.responses.create(
            model="moa/mix",
            input="why?",
            instructions="Be brief.",
            temperature=0.25,
            max_output_tokens=50,
        )
    assert (came.status, came.output_text, came.model) == ("completed", "forty two", "moa/mix")
    assert came.usage is not None
    assert came.usage.total_tokens == came.usage.input_tokens + came.usage.output_tokens > 0
    assert last(provider)[0]["content"].startswith("Be brief.\n\n")
    assert last(provider)[-1] == {"role": "user", "content": "why?"}
    body = provider.calls[-1].body
    assert (body["temperature"], body.get("max_tokens") or body["max_completion_tokens"]) == (
        0.25,
        50,
    )


def test_a_stream_is_what_the_whole_is(served: Served, provider: Provider) -> None:
    provider.reply("agg", "one two three four five")
    with served.client() as client, client.responses.stream(model="mix", input="why?") as stream:
        kinds, pieces = [], []
        for event in stream:
            kinds.append(event.type)
            if event.type == "response.output_text.delta":
                pieces.append(event.delta)
        came = stream.get_final_response()
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert len(pieces) > 1
    assert "".join(pieces) == came.output_text == "one two three four five"
    assert came.usage is not None


def test_a_conversation_with_tools_goes_to_and_fro(served: Served, provider: Provider) -> None:
    provider.reply("agg", {"tool_calls": [CALLED]}, "it is there")
    asked: list[Any] = [{"role": "user", "content": [{"type": "input_text", "text": "where?"}]}]
    with served.client() as client:
        came = client.responses.create(model="mix", input=asked, tools=[TOOL])
        call: Any = came.output[0]
        assert (call.type, call.name, call.arguments) == ("function_call", "look", "{}")
        told = {"type": "function_call_output", "call_id": call.call_id, "output": "here"}
        asked += [call.model_dump(exclude_none=True), told]
        came = client.responses.create(model="mix", input=asked, tools=[TOOL])
    assert came.output_text == "it is there"
    assert [message["role"] for message in last(provider)][-3:] == ["user", "assistant", "tool"]
    assert provider.calls[-1].body["tools"][0]["function"]["name"] == "look"


def test_called_tools_are_streamed(served: Served, provider: Provider) -> None:
    provider.reply("agg", {"tool_calls": [CALLED]})
    with served.client() as client:
        with client.responses.stream(model="mix", input="where?", tools=[TOOL]) as stream:
            came = stream.get_final_response()
    called: list[Any] = came.output
    assert [(item.type, item.name) for item in called] == [("function_call", "look")]


def test_a_form_is_handed_to_the_last_step(served: Served, provider: Provider) -> None:
    provider.reply("agg", '{"n": 1}')
    form: Any = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}
    with served.client() as client:
        client.responses.create(model="mix", input="why?", text={"format": form})
    told = provider.calls[-1].body["response_format"]
    assert told == {"type": "json_schema", "json_schema": {"name": "n", "schema": form["schema"]}}


def test_an_answer_that_was_cut_says_so(served: Served, provider: Provider) -> None:
    provider.reply("agg", "one two three four five")
    with served.client() as client:
        came = client.responses.create(model="mix", input="why?", max_output_tokens=2)
    assert came.status == "incomplete"
    assert came.incomplete_details is not None
    assert came.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize(
    ("said", "status", "param"),
    [
        ({"model": "mix"}, 400, "input"),
        ({"model": "mix", "input": []}, 400, "input"),
        ({"model": "mix", "input": "why?", "previous_response_id": "resp_1"}, 400, None),
        ({"model": "mix", "input": "why?", "background": True}, 400, "background"),
        ({"model": "none", "input": "why?"}, 404, None),
    ],
)
def test_what_is_wrong_is_refused(
    served: Served, said: Any, status: int, param: str | None
) -> None:
    answer = served.post(said, "/responses")
    assert answer.status_code == status
    error = answer.json()["error"]
    assert param is None or error["param"] == param


def test_failing_models_are_a_status_and_no_answer(served: Served, provider: Provider) -> None:
    provider.script("agg", Status(400, message="no luck"))
    with served.client() as client:
        with pytest.raises(openai.APIStatusError) as caught:
            client.responses.create(model="mix", input="why?")
        assert caught.value.status_code == 400
        provider.script("agg", Status(400, message="no luck"))
        with pytest.raises(openai.APIError, match="no luck"):
            [*client.responses.create(model="mix", input="why?", stream=True)]
