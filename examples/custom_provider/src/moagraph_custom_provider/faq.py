"""`faq:NAME` answers from the JSON file that FAQ_FILE names: an object of topics by name."""

import json
import os
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from moagraph import Provider, UsageError

VARIABLE = "FAQ_FILE"


class FaqModel(BaseChatModel):
    """A chat model whose answer is looked up."""

    topic: str
    answers: dict[str, str]

    @property
    def _llm_type(self) -> str:
        return "faq"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = self.answers[self.topic]
        message = AIMessage(text, response_metadata={"finish_reason": "stop"})
        return ChatResult(generations=[ChatGeneration(message=message)])


class Faq(Provider):
    """The provider `faq:`."""

    is_in_process = True
    variables = (VARIABLE,)

    def check(self, call: Any, model: str) -> None:
        """Refuse a topic that the file does not have."""
        known = _answers()
        if model not in known:
            raise UsageError(f"`faq:{model}`: there are the topics {', '.join(sorted(known))}")

    def chat_model(self, call: Any, model: str) -> BaseChatModel:
        """Return the model that answers."""
        return FaqModel(topic=model, answers=_answers())


def _answers() -> dict[str, str]:
    file = os.environ.get(VARIABLE)
    if not file:
        raise UsageError(f"`faq:` needs a file: set {VARIABLE}")
    answers: dict[str, str] = json.loads(Path(file).read_text("utf-8"))
    return answers
