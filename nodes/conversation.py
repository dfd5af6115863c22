"""The wire: the conversation as a model hears it, with or without references."""

from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage, ToolMessage

from nodes.errors import UsageError
from prompts import fill, read

LONGEST = 1_000_000


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


def usable(prompt: str) -> str:
    """The text behind a prompt, refused where it asks for what a call does not have."""
    text = read(prompt)
    fill(text, prompt, question="", references="")
    return text


def told(messages: list[AnyMessage], prompt: str, references: str) -> list[AnyMessage]:
    """The conversation behind one system message that holds the prompt and the references."""
    values = {"question": question(messages)}
    if "$references" in prompt or "${references}" in prompt:
        system = fill(prompt, references=references, **values)
    else:
        system = fill(prompt, **values) + references
    first = messages[0]
    if isinstance(first, SystemMessage):
        return [SystemMessage(f"{first.text}\n\n{system}"), *messages[1:]]
    return [SystemMessage(system), *messages]
