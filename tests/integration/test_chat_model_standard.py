"""LangChain's own tests of a chat model at work, against a provider that speaks OpenAI."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests

from moagraph import ChatMoA
from tests.mixtures import mixture
from tests.provider import Call, Provider

VALUES: dict[str, Any] = {"integer": 3, "number": 3.0, "boolean": True, "array": [], "object": {}}
KNOWN = {"input": 3, "a": 1, "b": 2}


def obliging(call: Call) -> str | Mapping[str, Any]:
    """Call the first tool where one is offered, unless its result has come back."""
    tools = call.body.get("tools")
    if not tools or call.messages[-1]["role"] == "tool" or call.body.get("tool_choice") == "none":
        return "one two three four five six seven eight nine ten"
    chosen = call.body.get("tool_choice")
    named = chosen["function"]["name"] if isinstance(chosen, dict) else None
    tool = next(t for t in tools if named in (None, t["function"]["name"]))["function"]
    told = tool.get("parameters", {}).get("properties", {})
    known = {**KNOWN, "customer_name": call.messages[-1]["content"]}
    arguments = {
        name: known.get(name, VALUES.get(said.get("type", ""), "words"))
        for name, said in told.items()
    }
    return {"tool_calls": [{"name": tool["name"], "arguments": json.dumps(arguments)}]}


class TestChatMoA(ChatModelIntegrationTests):
    @pytest.fixture(autouse=True)
    def answered(self, provider: Provider) -> None:
        provider.reply("agg", obliging)

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatMoA

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"recipe": mixture(["openai:a", "together:b"])}

    @property
    def supports_model_override(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "moa-lite"
