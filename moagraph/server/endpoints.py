"""The endpoints under /v1, named as in OpenAI's API reference, and what requests share."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Protocol, TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from moagraph.nodes.state import Json
from moagraph.server.chat.request import ChatRequest, parse_chat_request
from moagraph.server.chat.response import ChatFormatter
from moagraph.server.client_threads import lock_thread, messages_to_write, stored_thread_id
from moagraph.server.event_stream import EventStreamResponse, run_while_connected
from moagraph.server.limits import (
    INLINE_BYTES,
    INLINE_MESSAGES,
    RunLimiter,
    read_json_body,
    run_cpu_work,
)
from moagraph.server.model_list import PREFIX, ModelList, ServedModel, recipe_name
from moagraph.server.protocol_errors import ApiError
from moagraph.server.responses.request import parse_response_request
from moagraph.server.responses.response import ResponseFormatter
from moagraph.server.run_stream import TurnEvent, TurnFinished, TurnRequest, stream_turn
from moagraph.server.settings import ServerSettings
from moagraph.threads.history import config_of, trust_of
from moagraph.threads.open import Threads
from moagraph.threads.trust import REQUEST

T = TypeVar("T")


class Formatter(Protocol):
    """Formats a turn for one of OpenAI's APIs."""

    def body(self, turn: TurnFinished) -> Json:
        """Build the whole response."""

    def events(self, turn: AsyncGenerator[TurnEvent]) -> AsyncGenerator[bytes]:
        """Encode the turn as server-sent events."""


class Endpoints:
    """The endpoints; everything wrong with a request is refused before a model is called."""

    def __init__(self, settings: ServerSettings) -> None:
        """Prepare the model list and the limits that all requests share."""
        self.settings = settings
        self.models = ModelList()
        self.limiter = RunLimiter(settings.max_running, settings.max_waiting)

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Close the thread store when the server stops."""
        try:
            yield
        finally:
            await self.models.close()

    async def list_models(self, request: Request) -> Response:
        """Answer `GET /v1/models`."""
        self.settings.keys.authenticate(request)
        return JSONResponse({"object": "list", "data": await self.models.entries()})

    async def retrieve_model(self, request: Request) -> Response:
        """Answer `GET /v1/models/{id}`."""
        self.settings.keys.authenticate(request)
        return JSONResponse(await self.models.entry(request.path_params["id"]))

    async def create_chat_completion(self, request: Request) -> Response:
        """Answer `POST /v1/chat/completions`."""
        owner = self.settings.keys.authenticate(request)
        chat = await self._parse(request, parse_chat_request)
        formatter = ChatFormatter(chat, PREFIX + recipe_name(chat.model))
        return await self._generate(request, owner, chat, formatter)

    async def create_response(self, request: Request) -> Response:
        """Answer `POST /v1/responses`."""
        owner = self.settings.keys.authenticate(request)
        response_request, chat = await self._parse(request, parse_response_request)
        formatter = ResponseFormatter(response_request, PREFIX + recipe_name(chat.model))
        return await self._generate(request, owner, chat, formatter)

    async def _parse(self, request: Request, parse: Callable[[bytes], T]) -> T:
        body = await read_json_body(request, self.settings.max_body_bytes)
        return await run_cpu_work(lambda: parse(body), large=len(body) > INLINE_BYTES)

    async def _generate(
        self, request: Request, owner: str, chat: ChatRequest, formatter: Formatter
    ) -> Response:
        thread_id = stored_thread_id(owner, chat.metadata)
        turn = self._run(chat, await self.models.model(chat.model), thread_id)
        if chat.stream:
            return EventStreamResponse(formatter.events(turn), self.settings.keep_alive_seconds)
        finished = await run_while_connected(request.receive, _last_event(turn))
        return JSONResponse(formatter.body(finished))

    async def _run(
        self, chat: ChatRequest, model: ServedModel, thread_id: str | None
    ) -> AsyncGenerator[TurnEvent]:
        """Run the turn as soon as the limiter admits it."""
        async with self.limiter, self._prepare(chat, model, thread_id) as turn:
            async with aclosing(stream_turn(turn)) as events:
                async for event in events:
                    yield event

    @asynccontextmanager
    async def _prepare(
        self, chat: ChatRequest, model: ServedModel, thread_id: str | None
    ) -> AsyncIterator[TurnRequest]:
        """Collect what the turn needs; without a thread nothing is stored."""
        large = len(chat.messages) > INLINE_MESSAGES
        messages = await run_cpu_work(chat.langchain_messages, large=large)
        context, stream = chat.context(), bool(chat.stream)
        if thread_id is None:
            turn_input = {"messages": messages}
            yield TurnRequest(model.graph, model.recipe, turn_input, context, {}, stream)
            return
        async with lock_thread(await self.models.threads(), thread_id):
            await _check_trust(await self.models.threads(), thread_id)
            graph = await self.models.persistent_graph(model)
            requested = {"recipe": recipe_name(chat.model), "pause_after": []}
            config = {**config_of(thread_id), "metadata": {REQUEST: requested}}
            turn_input = {"messages": await messages_to_write(graph, config, messages)}
            yield TurnRequest(graph, model.recipe, turn_input, context, config, stream)


async def _last_event(turn: AsyncGenerator[TurnEvent]) -> TurnFinished:
    async with aclosing(turn) as events:
        async for event in events:
            if isinstance(event, TurnFinished):
                return event
    raise RuntimeError("the turn did not finish")


async def _check_trust(threads: Threads, thread_id: str) -> None:
    """Refuse to continue an imported thread that the server's owner has not trusted."""
    if not (await trust_of(threads, thread_id)).trusted:
        raise ApiError(403, "the thread was imported: the server's owner has not trusted it yet")
