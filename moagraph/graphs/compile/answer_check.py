"""A turn ends with an answer: a node that would leave an empty one fails, and can be retried."""

from langchain_core.messages import AIMessage

from moagraph.nodes.errors import StepFailed
from moagraph.nodes.state import Json


def check_answer(node: str, written: Json) -> Json:
    """What the node wrote, unless it is an answer with neither a text nor a tool call."""
    messages = written.get("messages")
    answer = messages[-1] if isinstance(messages, list) and messages else None
    if isinstance(answer, AIMessage) and not answer.text.strip() and not answer.tool_calls:
        record = (written.get("steps") or {}).get(node)
        raise StepFailed(f"`{node}` left an answer without a text", record)
    return written
