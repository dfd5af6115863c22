"""Compose the messages that a model receives: the conversation, a prompt, and references."""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage

from moagraph.nodes.errors import UsageError
from moagraph.prompts import fill, read

MAX_QUESTION = 1_000_000  # characters
SPEAKERS = {"system": "System", "human": "User", "ai": "Assistant"}
REFERENCES = ("question", "references")  # a prompt's variables, unless its step has others


def question_of(messages: list[AnyMessage]) -> str:
    """Return the latest user message, also after a tool's result; refuse if there is none."""
    questions = [message for message in messages if isinstance(message, HumanMessage)]
    if not questions or not isinstance(messages[-1], HumanMessage | ToolMessage):
        raise UsageError("there is no question: the conversation must end with a user's message")
    last = questions[-1]
    return check_question(last.text) if isinstance(last.content, str) else last.text


def check_question(text: str) -> str:
    """Return the question; refuse one that is empty, invalid or too long for any model."""
    if not text.strip():
        raise UsageError("the question is empty: ask something")
    if any("\ud800" <= char <= "\udfff" for char in set(text)):
        raise UsageError("the question is not Unicode text: it holds half of a character")
    if len(text) > MAX_QUESTION:
        raise UsageError(
            f"the question has {len(text):,} characters, and at most {MAX_QUESTION:,} are sent: "
            "shorten it"
        )
    return text


def check_prompt(prompt: str, variables: Sequence[str] = REFERENCES) -> str:
    """Return the text of a prompt; refuse one that uses other variables than these."""
    text = read(prompt)
    fill(text, prompt, **dict.fromkeys(variables, ""))
    return text


def with_system_prompt(
    messages: list[AnyMessage], prompt: str, references: str, **values: str
) -> list[AnyMessage]:
    """Put the prompt and the references into one system message before the conversation."""
    system = _fill(prompt, references, question=question_of(messages), **values)
    first = messages[0]
    if isinstance(first, SystemMessage):
        return [SystemMessage(f"{first.text}\n\n{system}"), *messages[1:]]
    return [SystemMessage(system), *messages]


def as_single_message(
    messages: list[AnyMessage], prompt: str, references: str, **values: str
) -> list[AnyMessage]:
    """Put the prompt, the conversation as text, and the references into one message."""
    return [HumanMessage(_fill(prompt, references, question=transcript(messages), **values))]


def with_own_answer(
    messages: list[AnyMessage], own: str, prompt: str, references: str, **values: str
) -> list[AnyMessage]:
    """Continue the conversation with the model's own answer and the answers of others."""
    reply = _fill(prompt, references, question=question_of(messages), **values)
    return [*messages, AIMessage(own), HumanMessage(reply)]


def transcript(messages: list[AnyMessage]) -> str:
    """Return the question; after earlier turns, the whole conversation as text."""
    spoken = [message for message in messages if message.text and message.type in SPEAKERS]
    if len(spoken) == 1:
        return question_of(messages)
    return "\n\n".join(f"{SPEAKERS[message.type]}: {message.text}" for message in spoken)


def _fill(prompt: str, references: str, **values: str) -> str:
    if "$references" in prompt or "${references}" in prompt:
        return fill(prompt, references=references, **values)
    return fill(prompt, **values) + references
