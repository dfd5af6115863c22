"""The routes: which models there are, and a chat completion, streaming or not."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from moagraph.nodes.errors import MoaError
from moagraph.server.api_keys import Keys, read_keys
from moagraph.server.chat.request import ChatRequest, read
from moagraph.server.chat.response import Shape
from moagraph.server.client_threads import continued, held, thread_of
from moagraph.server.limits import Gate, json_body
from moagraph.server.model_list import PREFIX, Catalogue, Model
from moagraph.server.openapi import document
from moagraph.server.protocol_errors import UNFORESEEN, ApiError, told
from moagraph.server.responses.request import read_response
from moagraph.server.responses.response import Told
from moagraph.server.run_stream import End, Event, Turn, drive
from moagraph.server.stream import Gone, Streamed, unless_gone
from moagraph.threads.history import config_of, trust_of
from moagraph.threads.open import Threads
from moagraph.threads.trust import REQUEST


@dataclass(frozen=True)
class Settings:
    """What whoever starts the server decides."""

    keys: Keys = field(default_factory=read_keys)
    running: int = 64
    waiting: int = 256
    body_bytes: int = 4 * 2**20
    alive: float = 15.0


def create_app(settings: Settings | None = None, *, mounted: bool = False) -> Starlette:
    """The server; mounted in another one it brings only what lies under /v1."""
    api = Api(settings or Settings())
    own = [
        Route("/healthz", _healthy),
        Route("/openapi.json", _document),
    ]
    v1 = Mount("/v1", app=api.app)
    if mounted:
        return Starlette(routes=[v1], lifespan=api.lifespan)
    app = Starlette(routes=[v1, *own], exception_handlers=HANDLERS, lifespan=api.lifespan)
    app.router.redirect_slashes = False
    return app


class Api:
    """What lies under /v1, and what its requests share."""

    def __init__(self, settings: Settings) -> None:
        """Draw the routes."""
        self.settings = settings
        self.catalogue = Catalogue()
        self.gate = Gate(settings.running, settings.waiting)
        self.app = Starlette(
            routes=[
                Route("/models", self.models),
                Route("/models/{id:path}", self.model),
                Route("/chat/completions", self.chat, methods=["POST"]),
                Route("/responses", self.respond, methods=["POST"]),
            ],
            exception_handlers=HANDLERS,
        )
        self.app.router.redirect_slashes = False

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Close the threads at the end."""
        try:
            yield
        finally:
            await self.catalogue.close()

    async def models(self, request: Request) -> Response:
        """Every recipe."""
        self.settings.keys.owner(request)
        return JSONResponse({"object": "list", "data": await self.catalogue.listing()})

    async def model(self, request: Request) -> Response:
        """One recipe."""
        self.settings.keys.owner(request)
        return JSONResponse(await self.catalogue.entry(request.path_params["id"]))

    async def chat(self, request: Request) -> Response:
        """A completion; everything that can be refused is refused before a model is asked."""
        owner = self.settings.keys.owner(request)
        asked = read(await json_body(request, self.settings.body_bytes))
        shape = Shape(asked, PREFIX + asked.model.removeprefix(PREFIX))
        return await self._answer(request, owner, asked, shape)

    async def respond(self, request: Request) -> Response:
        """The same in OpenAI's newer form."""
        owner = self.settings.keys.owner(request)
        said, asked = read_response(await json_body(request, self.settings.body_bytes))
        told = Told(said, PREFIX + asked.model.removeprefix(PREFIX))
        return await self._answer(request, owner, asked, told)

    async def _answer(
        self, request: Request, owner: str, asked: ChatRequest, shape: Shape | Told
    ) -> Response:
        thread = thread_of(owner, asked.metadata)
        turn = self._turn(asked, await self.catalogue.model(asked.model), thread)
        if asked.stream:
            return Streamed(shape.events(turn), self.settings.alive)
        return JSONResponse(shape.whole(await unless_gone(request.receive, _end(turn))))

    async def _turn(
        self, asked: ChatRequest, model: Model, thread: str | None
    ) -> AsyncGenerator[Event]:
        """Run once there is room; without a thread nothing is kept."""
        async with self.gate, self._prepared(asked, model, thread) as turn:
            async with aclosing(drive(turn)) as events:
                async for event in events:
                    yield event

    @asynccontextmanager
    async def _prepared(
        self, asked: ChatRequest, model: Model, thread: str | None
    ) -> AsyncIterator[Turn]:
        messages, context, stream = asked.conversation(), asked.context(), bool(asked.stream)
        if thread is None:
            yield Turn(model.graph, model.recipe, {"messages": messages}, context, {}, stream)
            return
        async with held(await self.catalogue.threads(), thread):
            await _check_trust(await self.catalogue.threads(), thread)
            graph = await self.catalogue.keeping(model)
            named = {"recipe": asked.model.removeprefix(PREFIX), "pause_after": []}
            config = {**config_of(thread), "metadata": {REQUEST: named}}
            given = {"messages": await continued(graph, config, messages)}
            yield Turn(graph, model.recipe, given, context, config, stream)


async def _check_trust(threads: Threads, thread: str) -> None:
    """A thread that was imported goes on once whoever runs the server trusts it."""
    if not (await trust_of(threads, thread)).trusted:
        raise ApiError(403, "the thread was imported: the server's owner has not trusted it yet")


async def _end(turn: AsyncGenerator[Event]) -> End:
    async with aclosing(turn) as events:
        async for event in events:
            if isinstance(event, End):
                return event
    raise RuntimeError("the turn has no end")


async def _healthy(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _document(request: Request) -> Response:
    return JSONResponse(document())


async def _refuse(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        text = f"{request.method} {request.url.path!r}: {error.detail.lower()}"
        error = ApiError(error.status_code, text, headers=error.headers)
    refusal = told(error)
    return JSONResponse(refusal.body(), refusal.status, refusal.headers)


async def _crash(request: Request, error: Exception) -> Response:
    """What nobody foresaw: the server raises it again and logs it."""
    refusal = ApiError(500, UNFORESEEN)
    return JSONResponse(refusal.body(), refusal.status)


async def _nobody(request: Request, error: Exception) -> Response:
    return Response(status_code=499)


HANDLERS: Mapping[Any, Any] = {
    HTTPException: _refuse,
    ApiError: _refuse,
    MoaError: _refuse,
    ClientDisconnect: _nobody,
    Gone: _nobody,
    Exception: _crash,
}
