"""One model asked by itself, outside any graph: a single system, or a judge."""

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


async def ask_alone(call: Call, messages: Sequence[AnyMessage]) -> Reply:
    """Its reply; where traces are to be without content, there is no graph to quieten, so none."""
    with tracing_context(enabled=False) if traces_without_content() else nullcontext():
        return await ask(call, partial(_sent, messages))


async def _sent(messages: Sequence[AnyMessage], _: Call) -> Outgoing:
    return Outgoing(messages)
