"""The conversation as a node is given it: as the steps ahead of the first layer have left it."""

from langchain_core.messages import AnyMessage, HumanMessage

from nodes.state import Place, State


def given(state: State, place: Place) -> list[AnyMessage]:
    """The conversation, its last question as a step ahead has rewritten it."""
    messages = state["messages"]
    for record in ahead(state, place):
        if "question" in record:
            messages = _asking(messages, record["question"])
    return messages


def ahead(state: State, place: Place) -> list[dict[str, object]]:
    """What the steps ahead of the first layer have left, in the order in which they run."""
    return [state["steps"][node] for node in place.ahead if node in state["steps"]]


def _asking(messages: list[AnyMessage], question: object) -> list[AnyMessage]:
    last = max(i for i, message in enumerate(messages) if isinstance(message, HumanMessage))
    asked = messages[last].model_copy(update={"content": question})
    return [*messages[:last], asked, *messages[last + 1 :]]
