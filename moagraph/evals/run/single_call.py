"""One model asked by itself, outside any graph: a single system, or a judge."""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

from langchain_core.messages import AnyMessage
from langsmith import tracing_context

from moagraph.graphs.compile.trace_redaction import is_quiet
from moagraph.nodes.models.call import Call
from moagraph.nodes.models.client import ask
from moagraph.nodes.models.outgoing import Sent
from moagraph.nodes.models.reply import Reply


async def ask_alone(call: Call, messages: Sequence[AnyMessage]) -> Reply:
    """Its reply; where traces are to be without content, there is no graph to quieten, so none."""
    with tracing_context(enabled=False) if is_quiet() else nullcontext():
        return await ask(call, partial(_sent, messages))


async def _sent(messages: Sequence[AnyMessage], _: Call) -> Sent:
    return Sent(messages)
