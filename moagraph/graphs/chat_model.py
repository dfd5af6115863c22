"""A recipe as one LangChain chat model: an app's own, or a seat's in another recipe."""

import asyncio
import contextvars
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Any, Literal, TypeAlias

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    BaseCallbackHandler,
    BaseCallbackManager,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import BaseTool
from langchain_core.tracers.base import BaseTracer
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.graph.state import CompiledStateGraph
from pydantic import ConfigDict, Field, PrivateAttr

from moagraph.graphs.bill import bill_of, cost, usage
from moagraph.graphs.compile.build import build
from moagraph.graphs.recipe.load import load_recipe
from moagraph.graphs.recipe.schema import Recipe
from moagraph.nodes.models import event_loops
from moagraph.nodes.context import Context
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json, merge_keys, merge_layers

Part: TypeAlias = tuple[str, Any]
Managers: TypeAlias = AsyncCallbackManagerForLLMRun | CallbackManagerForLLMRun | None


class ChatMoA(BaseChatModel):
    """Asks a whole recipe; tools, formats and sampling are for its last step."""

    model_config = ConfigDict(populate_by_name=True)

    recipe: Recipe | str = Field(description="A recipe, its name, or the path of its file.")
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: list[str] | None = None

    _graphs: dict[str, CompiledStateGraph[Any, Any, Any, Any]] = PrivateAttr(default_factory=dict)

    def model_post_init(self, _: Any, /) -> None:
        """Refuse at once a recipe that is none."""
        self._graph(self._named())

    @property
    def _llm_type(self) -> str:
        return "moa"

    @property
    def _identifying_params(self) -> Json:
        return {"recipe": self._named(), **self._sampling()}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        named = kwargs.get("model") or self._named()
        return {**super()._get_ls_params(stop, **kwargs), "ls_model_name": named}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Let the last step call these tools."""
        told = [convert_to_openai_tool(tool) for tool in tools]
        if tool_choice is not None and tool_choice is not False:
            kwargs["tool_choice"] = _choice(tool_choice)
        return self.bind(tools=told, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return event_loops.run(self._whole(messages, stop, run_manager, kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await self._whole(messages, stop, run_manager, kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        pieces = self._pieces(messages, stop, run_manager, kwargs)
        try:
            while (piece := event_loops.run(_next(pieces))) is not None:
                yield piece
        finally:
            event_loops.run(pieces.aclose())

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with aclosing(self._pieces(messages, stop, run_manager, kwargs)) as pieces:
            async for piece in pieces:
                yield piece

    async def _whole(
        self, messages: list[BaseMessage], stop: list[str] | None, manager: Managers, said: Json
    ) -> ChatResult:
        turn = _Turn()
        async with aclosing(self._run(messages, stop, manager, said, ["updates"])) as parts:
            async for _, data in parts:
                turn.take(data)
        message = turn.answer.model_copy(update=turn.told(said.get("model") or self._named()))
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _pieces(
        self, messages: list[BaseMessage], stop: list[str] | None, manager: Managers, said: Json
    ) -> AsyncGenerator[ChatGenerationChunk]:
        """The last step's tokens, and behind them what all calls took together."""
        turn, modes, spoken = _Turn(), ["updates", "messages"], False
        async with aclosing(self._run(messages, stop, manager, said, modes)) as parts:
            async for mode, data in parts:
                if mode == "updates":
                    turn.take(data)
                elif piece := _piece(*data):
                    spoken = True
                    yield ChatGenerationChunk(message=piece)
        if not spoken and turn.answer.text:  # picked among what was there
            yield ChatGenerationChunk(message=AIMessageChunk(content=turn.answer.text))
        told = turn.told(said.get("model") or self._named())
        last = AIMessageChunk(content="", chunk_position="last", **told)
        yield ChatGenerationChunk(message=last)

    async def _run(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        manager: Managers,
        said: Json,
        modes: list[str],
    ) -> AsyncGenerator[Part]:
        graph = await asyncio.to_thread(self._graph, said.get("model") or self._named())
        config = {"callbacks": _tracers(manager)}
        context = self._context(stop, said)
        given = {"messages": [message.model_copy() for message in messages]}
        parts = _apart(
            lambda: graph.astream(given, config, context=context, stream_mode=modes)  # type: ignore[call-overload,unused-ignore]
        )
        async with aclosing(parts):
            async for part in parts:
                yield part

    def _graph(self, named: str) -> CompiledStateGraph[Any, Any, Any, Any]:
        if named not in self._graphs:
            own = self.recipe if named == self._named() else named
            recipe = load_recipe(own) if isinstance(own, str) else own
            if recipe.pauses:
                raise UsageError(f"`{named}` pauses for a person, which a chat model cannot")
            self._graphs[named] = build(recipe).compile(checkpointer=False)
        return self._graphs[named]

    def _context(self, stop: list[str] | None, said: Json) -> Context:
        """What is said of this call goes before what was said of the model."""
        told = {key: value for key, value in said.items() if key != "model" and value is not None}
        if unknown := told.keys() - Context.model_fields.keys():
            raise UsageError(f"a recipe's last step takes no `{min(unknown)}`")
        return Context(**{**self._sampling(), **({"stop": stop} if stop else {}), **told})

    def _sampling(self) -> Json:
        names = ("temperature", "top_p", "max_tokens", "seed", "stop")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def _named(self) -> str:
        return self.recipe if isinstance(self.recipe, str) else self.recipe.name


class _Turn:
    """What the graph's updates come to."""

    def __init__(self) -> None:
        self.state: Json = {"layers": {}, "steps": {}}
        self.answer = AIMessage("")

    def take(self, update: Json) -> None:
        """Merge what the nodes wrote; the answer is among it."""
        for node, written in update.items():
            if node != "begin" and isinstance(written, dict):
                layers, steps = written.get("layers", {}), written.get("steps", {})
                self.state["layers"] = merge_layers(self.state["layers"], [layers])
                self.state["steps"] = merge_keys(self.state["steps"], [steps])
                self.answer = written.get("messages", [self.answer])[-1]

    def told(self, named: str) -> Json:
        """The bill of all calls, and who answered, as a message carries it."""
        records = bill_of(self.state)
        took = usage(records)
        heard, said = took["input_tokens"], took["output_tokens"]
        inside = {"calls": took["calls"], "cost_usd": cost(records)}
        finish = self.answer.response_metadata.get("finish_reason", "stop")
        return {
            "response_metadata": {"model_name": named, "finish_reason": finish, "moa": inside},
            "usage_metadata": UsageMetadata(
                input_tokens=heard, output_tokens=said, total_tokens=heard + said
            ),
        }


def _piece(message: BaseMessage, place: Json) -> AIMessageChunk | None:
    """What the last step says; its own bill is part of the whole one."""
    if place.get("role") != "answer" or not isinstance(message, AIMessageChunk):
        return None
    if not message.text and not message.tool_call_chunks:
        return None
    return AIMessageChunk(content=message.text, tool_call_chunks=message.tool_call_chunks)


def _choice(said: str | dict[str, Any] | Literal[True]) -> str | dict[str, Any]:
    """A tool's name, or a word for how free the choice is, in OpenAI's form."""
    if said is True or said == "any":
        return "required"
    if isinstance(said, str) and said not in ("auto", "none", "required"):
        return {"type": "function", "function": {"name": said}}
    return said


def _tracers(manager: Managers) -> Any:
    """Whoever listens to a model hears this one; only traces look inside."""
    if manager:
        tracers = _looking_inside(manager.inheritable_handlers)
        return AsyncCallbackManager(
            tracers,
            tracers,
            parent_run_id=manager.run_id,
            inheritable_metadata=manager.inheritable_metadata,
        )
    around = (var_child_runnable_config.get() or {}).get("callbacks")
    if isinstance(around, BaseCallbackManager):
        around = around.copy()
        around.handlers = _looking_inside(around.handlers)
        around.inheritable_handlers = _looking_inside(around.inheritable_handlers)
        return around
    return _looking_inside(around or [])


def _looking_inside(handlers: list[BaseCallbackHandler]) -> list[BaseCallbackHandler]:
    return [handler for handler in handlers if isinstance(handler, BaseTracer)]


async def _next(pieces: AsyncGenerator[ChatGenerationChunk]) -> ChatGenerationChunk | None:
    return await anext(pieces, None)


async def _apart(parts: Callable[[], AsyncIterator[Part]]) -> AsyncGenerator[Part]:
    """Iterate in a task that knows nothing of the graph in which the model is called."""
    queue: asyncio.Queue[Part | None] = asyncio.Queue()

    async def pump() -> None:
        try:
            async for part in parts():
                queue.put_nowait(part)
        finally:
            queue.put_nowait(None)

    context = contextvars.copy_context()
    context.run(var_child_runnable_config.set, None)
    task = asyncio.get_running_loop().create_task(pump(), context=context)
    try:
        while (part := await queue.get()) is not None:
            yield part
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
