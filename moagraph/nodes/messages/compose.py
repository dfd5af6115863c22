"""The wire: the conversation as a model hears it, with or without references."""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage

from moagraph.nodes.errors import UsageError
from moagraph.prompts import fill, read

LONGEST = 1_000_000
SPEAKERS = {"system": "System", "human": "User", "ai": "Assistant"}
REFERENCES = ("question", "references")  # what a prompt may name, unless its step says otherwise


def question(messages: list[AnyMessage]) -> str:
    """The latest user query, also behind a tool's result; without one it is refused."""
    asked = [message for message in messages if isinstance(message, HumanMessage)]
    if not asked or not isinstance(messages[-1], HumanMessage | ToolMessage):
        raise UsageError("there is no question: the conversation must end with a user's message")
    last = asked[-1]
    return checked(last.text) if isinstance(last.content, str) else last.text


def checked(text: str) -> str:
    """The question itself, refused where it is empty or too long for any model."""
    if not text.strip():
        raise UsageError("the question is empty: ask something")
    if any("\ud800" <= sign <= "\udfff" for sign in set(text)):
        raise UsageError("the question is not Unicode text: it holds half of a character")
    if len(text) > LONGEST:
        raise UsageError(
            f"the question has {len(text):,} characters, and at most {LONGEST:,} are sent: "
            "shorten it"
        )
    return text


def usable(prompt: str, names: Sequence[str] = REFERENCES) -> str:
    """The text behind a prompt, refused where it asks for what a call does not have."""
    text = read(prompt)
    fill(text, prompt, **dict.fromkeys(names, ""))
    return text


def told(
    messages: list[AnyMessage], prompt: str, references: str, **values: str
) -> list[AnyMessage]:
    """The conversation behind one system message that holds the prompt and the references."""
    system = _filled(prompt, references, question=question(messages), **values)
    first = messages[0]
    if isinstance(first, SystemMessage):
        return [SystemMessage(f"{first.text}\n\n{system}"), *messages[1:]]
    return [SystemMessage(system), *messages]


def alone(
    messages: list[AnyMessage], prompt: str, references: str, **values: str
) -> list[AnyMessage]:
    """One message that holds the prompt, what was asked, and the references."""
    return [HumanMessage(_filled(prompt, references, question=asked(messages), **values))]


def answered(
    messages: list[AnyMessage], own: str, prompt: str, references: str, **values: str
) -> list[AnyMessage]:
    """The conversation, the model's own answer to it, and what it is told of the others'."""
    reply = _filled(prompt, references, question=question(messages), **values)
    return [*messages, AIMessage(own), HumanMessage(reply)]


def asked(messages: list[AnyMessage]) -> str:
    """The question; behind earlier turns, the whole conversation."""
    said = [message for message in messages if message.text and message.type in SPEAKERS]
    if len(said) == 1:
        return question(messages)
    return "\n\n".join(f"{SPEAKERS[message.type]}: {message.text}" for message in said)


def _filled(prompt: str, references: str, **values: str) -> str:
    if "$references" in prompt or "${references}" in prompt:
        return fill(prompt, references=references, **values)
    return fill(prompt, **values) + references
