"""Chat models that convert long conversations without blocking the event loop.

Two conversions take long and change nothing for a chat completion. The OpenAI SDK compares every
message with each of its message types, about a millisecond for each message, although LangChain
has already built the JSON. LangChain itself looks at every character of the assistant's texts,
because a content may also be a list of blocks.
"""

from functools import cache
from typing import Any

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage


@cache
def with_raw_messages(chat: type[BaseChatModel]) -> type[Any]:
    """Create a subclass, under the same name, that skips both conversions.

    Args:
        chat: A subclass of langchain-openai's `BaseChatOpenAI`.
    """

    class RawMessages(chat):  # type: ignore[misc, valid-type]
        def _get_request_payload(self, input_: LanguageModelInput, **kwargs: Any) -> dict[str, Any]:
            messages = self._convert_input(input_).to_messages()
            without_texts = [_without_text(message) for message in messages]
            payload: dict[str, Any] = super()._get_request_payload(without_texts, **kwargs)
            if "messages" not in payload:  # the Responses API, which is converted as it was
                payload = super()._get_request_payload(messages, **kwargs)
                return payload
            for message, converted in zip(messages, payload["messages"], strict=True):
                if _is_assistant_text(message):
                    converted["content"] = message.content
            # Extra JSON is merged into the body as it is.
            extra = {"messages": payload["messages"], **(payload.get("extra_body") or {})}
            return {**payload, "messages": [], "extra_body": extra}

    RawMessages.__name__ = RawMessages.__qualname__ = chat.__name__
    return RawMessages


def _is_assistant_text(message: BaseMessage) -> bool:
    is_text = isinstance(message, AIMessage) and isinstance(message.content, str)
    return is_text and bool(message.content)


def _without_text(message: BaseMessage) -> BaseMessage:
    return message.model_copy(update={"content": ""}) if _is_assistant_text(message) else message
