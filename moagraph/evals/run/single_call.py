"""Call one model outside any graph: a single system, or a judge."""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

from langchain_core.messages import AnyMessage
from langsmith import tracing_context

from moagraph.graphs.compile.trace_redaction import traces_without_content
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.client import ask
from moagraph.nodes.models.outgoing import Outgoing
from moagraph.nodes.models.reply import Reply


async def call_model(call: Call, messages: Sequence[AnyMessage]) -> Reply:
    """Return the model's reply.

    Traces without content are the work of a compiled graph; here there is none, so a process
    that wants them gets no trace.

    Args:
        call: The model and its settings.
        messages: The conversation.
    """
    with tracing_context(enabled=False) if traces_without_content() else nullcontext():
        return await ask(call, partial(_outgoing, messages))


async def _outgoing(messages: Sequence[AnyMessage], _: Call) -> Outgoing:
    return Outgoing(messages)
