"""A recipe as one LangChain chat model: in an app, or in a seat of another recipe."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput, ModelProfile
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.graph.state import CompiledStateGraph
from pydantic import ConfigDict, Field, PrivateAttr

from moagraph.graphs.compile.build import build
from moagraph.graphs.isolated_stream import Managers, StreamPart, isolated_stream, tracing_callbacks
from moagraph.graphs.recipe.load import load_recipe
from moagraph.graphs.recipe.schema import Recipe
from moagraph.graphs.usage import call_records, total_cost, total_usage
from moagraph.nodes.context import Context
from moagraph.nodes.errors import UsageError
from moagraph.nodes.models import event_loops
from moagraph.nodes.state import Json, merge_keys, merge_layers

SAMPLING = ("temperature", "top_p", "max_tokens", "seed", "stop", "reasoning_effort")


class ChatMoA(BaseChatModel):
    """A chat model that runs a whole recipe.

    Tools, response formats and sampling apply to the recipe's last step.

    Args:
        recipe: A recipe, its name, or the path of its file.
        temperature: Replaces that of the last step; so do the other sampling arguments.
        top_p: The share of likely words to pick from.
        max_tokens: The longest answer.
        seed: For providers that can repeat an answer.
        stop: Texts at which the answer ends.
        reasoning_effort: How long a reasoning model thinks.
    """

    model_config = ConfigDict(populate_by_name=True)

    recipe: Recipe | str = Field(description="A recipe, its name, or the path of its file.")
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: list[str] | None = None
    reasoning_effort: str | None = None

    _graphs: dict[str, CompiledStateGraph[Any, Any, Any, Any]] = PrivateAttr(default_factory=dict)

    def model_post_init(self, _: Any, /) -> None:
        """Refuse an invalid recipe at once, and describe what the model can do."""
        self._graph(self._recipe_name)
        if self.profile is None:
            self.profile = _PROFILE

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Tell LangChain that the model can be serialised; a recipe holds no secrets."""
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Return the module path that LangChain stores."""
        return ["moagraph", "graphs", "chat_model"]

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """What LangChain stores of the model's fields: the recipe as plain data."""
        return {"recipe": self.recipe if isinstance(self.recipe, str) else self.recipe.resolved()}

    @property
    def _llm_type(self) -> str:
        return "moa"

    @property
    def _identifying_params(self) -> Json:
        return {"recipe": self._recipe_name, **self._sampling()}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        name = kwargs.get("model") or self._recipe_name
        return {**super()._get_ls_params(stop, **kwargs), "ls_model_name": name}

    def get_num_tokens(self, text: str) -> int:
        """Estimate the tokens of a text; the recipe's models have different tokenizers."""
        return count_tokens_approximately([text])

    def get_num_tokens_from_messages(
        self,
        messages: list[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,
    ) -> int:
        """Estimate the tokens of messages."""
        schemas: list[BaseTool | dict[str, Any]] = []
        schemas += [convert_to_openai_tool(tool) for tool in tools or ()]
        return count_tokens_approximately(messages, tools=schemas or None)

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Let the last step call these tools.

        Args:
            tools: Functions, pydantic classes, LangChain tools, or dicts in OpenAI's form.
            tool_choice: A tool's name, `"auto"`, `"none"`, `"required"`, `True` or a dict.
            strict: Whether the model must follow the schemas exactly, where supported.
            **kwargs: Other arguments of the call.
        """
        schemas = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        if tool_choice is not None and tool_choice is not False:
            kwargs["tool_choice"] = _openai_tool_choice(tool_choice)
        return self.bind(tools=schemas, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return event_loops.run(self._answer(messages, stop, run_manager, kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await self._answer(messages, stop, run_manager, kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        chunks = self._chunks(messages, stop, run_manager, kwargs)
        try:
            while (chunk := event_loops.run(_next(chunks))) is not None:
                yield chunk
        finally:
            event_loops.run(chunks.aclose())

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async with aclosing(self._chunks(messages, stop, run_manager, kwargs)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _answer(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        manager: Managers,
        options: Json,
    ) -> ChatResult:
        turn = _Turn()
        async with aclosing(self._run(messages, stop, manager, options, ["updates"])) as parts:
            async for _, data in parts:
                turn.merge(data)
        metadata = turn.metadata(options.get("model") or self._recipe_name)
        message = turn.answer.model_copy(update=metadata)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _chunks(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        manager: Managers,
        options: Json,
    ) -> AsyncGenerator[ChatGenerationChunk]:
        """Yield the last step's tokens, and at the end the usage of all calls."""
        turn, modes, has_streamed = _Turn(), ["updates", "messages"], False
        async with aclosing(self._run(messages, stop, manager, options, modes)) as parts:
            async for mode, data in parts:
                if mode == "updates":
                    turn.merge(data)
                elif chunk := _answer_chunk(*data):
                    has_streamed = True
                    yield ChatGenerationChunk(message=chunk)
        if not has_streamed and turn.answer.text:  # the answer was selected, not written
            yield ChatGenerationChunk(message=AIMessageChunk(content=turn.answer.text))
        metadata = turn.metadata(options.get("model") or self._recipe_name)
        last = AIMessageChunk(content="", chunk_position="last", **metadata)
        yield ChatGenerationChunk(message=last)

    async def _run(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        manager: Managers,
        options: Json,
        modes: list[str],
    ) -> AsyncGenerator[StreamPart]:
        name = options.get("model") or self._recipe_name
        graph = await asyncio.to_thread(self._graph, name)
        config = {"callbacks": tracing_callbacks(manager)}
        context = self._context(stop, options)
        values = {"messages": [message.model_copy() for message in messages]}
        parts = isolated_stream(
            lambda: graph.astream(values, config, context=context, stream_mode=modes)  # type: ignore[call-overload,unused-ignore]
        )
        async with aclosing(parts):
            async for part in parts:
                yield part

    def _graph(self, name: str) -> CompiledStateGraph[Any, Any, Any, Any]:
        if name not in self._graphs:
            source = self.recipe if name == self._recipe_name else name
            recipe = load_recipe(source) if isinstance(source, str) else source
            if recipe.may_pause:
                raise UsageError(f"`{name}` pauses for a person, which a chat model cannot")
            self._graphs[name] = build(recipe).compile(checkpointer=False)
        return self._graphs[name]

    def _context(self, stop: list[str] | None, options: Json) -> Context:
        """Return the context of a run; options of the call replace those of the model."""
        call_options = {
            k: v for k, v in options.items() if k not in _IGNORED_OPTIONS and v is not None
        }
        if unknown := call_options.keys() - Context.model_fields.keys():
            raise UsageError(f"a recipe's last step takes no `{min(unknown)}`")
        return Context(**{**self._sampling(), **({"stop": stop} if stop else {}), **call_options})

    def _sampling(self) -> Json:
        return {name: value for name in SAMPLING if (value := getattr(self, name)) is not None}

    @property
    def _recipe_name(self) -> str:
        return self.recipe if isinstance(self.recipe, str) else self.recipe.name


# `model` names another recipe; the second only tells tracers about structured output.
_IGNORED_OPTIONS = {"model", "ls_structured_output_format"}

_PROFILE: ModelProfile = {
    "tool_calling": True,
    "tool_choice": True,
    "structured_output": True,
    "image_inputs": True,
    "text_inputs": True,
    "text_outputs": True,
}


class _Turn:
    """What the graph's updates come to."""

    def __init__(self) -> None:
        self.state: Json = {"layers": {}, "steps": {}}
        self.answer = AIMessage("")

    def merge(self, update: Json) -> None:
        """Merge what the nodes wrote; the answer is among it."""
        for node, written in update.items():
            if node != "begin" and isinstance(written, dict):
                layers, steps = written.get("layers", {}), written.get("steps", {})
                self.state["layers"] = merge_layers(self.state["layers"], [layers])
                self.state["steps"] = merge_keys(self.state["steps"], [steps])
                self.answer = written.get("messages", [self.answer])[-1]

    def metadata(self, name: str) -> Json:
        """Return the usage of all calls, and the model's name, as a message carries them."""
        records = call_records(self.state)
        usage = total_usage(records)
        tokens_in, tokens_out = usage["input_tokens"], usage["output_tokens"]
        nested = {"calls": usage["calls"], "cost_usd": total_cost(records)}
        finish = self.answer.response_metadata.get("finish_reason", "stop")
        return {
            "response_metadata": {"model_name": name, "finish_reason": finish, "moa": nested},
            "usage_metadata": UsageMetadata(
                input_tokens=tokens_in,
                output_tokens=tokens_out,
                total_tokens=tokens_in + tokens_out,
            ),
        }


def _answer_chunk(message: BaseMessage, metadata: Mapping[str, Any]) -> AIMessageChunk | None:
    """Return a token of the last step, without its own usage, which the total includes."""
    if metadata.get("role") != "answer" or not isinstance(message, AIMessageChunk):
        return None
    if not message.text and not message.tool_call_chunks:
        return None
    return AIMessageChunk(content=message.text, tool_call_chunks=message.tool_call_chunks)


def _openai_tool_choice(choice: str | dict[str, Any] | Literal[True]) -> str | dict[str, Any]:
    """Return a tool's name, or a word for how free the choice is, in OpenAI's form."""
    if choice is True or choice == "any":
        return "required"
    if isinstance(choice, str) and choice not in ("auto", "none", "required"):
        return {"type": "function", "function": {"name": choice}}
    return choice


async def _next(chunks: AsyncGenerator[ChatGenerationChunk]) -> ChatGenerationChunk | None:
    return await anext(chunks, None)
