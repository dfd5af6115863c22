"""The Starlette application: OpenAI's routes under /v1, health, and the OpenAPI document."""

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from moagraph.server.endpoints import Endpoints
from moagraph.server.error_handlers import ERROR_HANDLERS, MIDDLEWARE
from moagraph.server.openapi import encoded_document
from moagraph.server.settings import ServerSettings


def create_app(settings: ServerSettings | None = None, *, mounted: bool = False) -> Starlette:
    """Create the application.

    Args:
        settings: The server's settings.
        mounted: Create only the routes under /v1, for use inside another server.
    """
    endpoints = Endpoints(settings or ServerSettings())
    v1 = Mount("/v1", app=_create_v1(endpoints))
    if mounted:
        return Starlette(routes=[v1], lifespan=endpoints.lifespan)
    app = Starlette(
        routes=[v1, Route("/healthz", _health), Route("/openapi.json", _openapi)],
        exception_handlers=ERROR_HANDLERS,
        lifespan=endpoints.lifespan,
    )
    app.router.redirect_slashes = False
    return app


def _create_v1(endpoints: Endpoints) -> Starlette:
    app = Starlette(
        routes=[
            Route("/models", endpoints.list_models),
            Route("/models/{id:path}", endpoints.retrieve_model),
            Route("/chat/completions", endpoints.create_chat_completion, methods=["POST"]),
            Route("/responses", endpoints.create_response, methods=["POST"]),
        ],
        exception_handlers=ERROR_HANDLERS,
        middleware=MIDDLEWARE,
    )
    app.router.redirect_slashes = False
    return app


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _openapi(request: Request) -> Response:
    document = await asyncio.to_thread(encoded_document)
    return Response(document, media_type="application/json")
