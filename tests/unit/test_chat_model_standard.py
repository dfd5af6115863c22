"""LangChain's own tests of what a chat model must be, without a call."""

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_tests.unit_tests import ChatModelUnitTests

from moagraph import ChatMoA
from tests.mixtures import mixture


class TestChatMoA(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatMoA

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"recipe": mixture(["scripted:echo"], aggregator="scripted:yes")}

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_json_mode(self) -> bool:
        return True
