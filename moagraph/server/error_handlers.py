"""Every exception of a request as a JSON body in OpenAI's form."""

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moagraph.nodes.errors import MoaError
from moagraph.server.protocol_errors import ApiError, to_api_error


class UnexpectedErrorMiddleware:
    """Answers an unexpected exception with status 500.

    Starlette's own handler raises it again, and the server then logs its message, which may
    quote what a client sent.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_and_watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_watch)
            return
        except Exception as error:
            response = _response(to_api_error(error))
        if started:
            raise ResponseBrokenError
        await response(scope, receive, send)


class ResponseBrokenError(Exception):
    """A response failed after its status was sent: the server closes the connection."""


async def _send_error(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        message = f"{request.method} {request.url.path!r}: {error.detail.lower()}"
        error = ApiError(error.status_code, message, headers=error.headers)
    return _response(to_api_error(error))


async def _ignore_disconnect(request: Request, error: Exception) -> Response:
    return Response(status_code=499)


def _response(error: ApiError) -> Response:
    return JSONResponse(error.body(), error.status, error.headers)


MIDDLEWARE = [Middleware(UnexpectedErrorMiddleware)]
ERROR_HANDLERS: Mapping[Any, Any] = {
    HTTPException: _send_error,
    ApiError: _send_error,
    MoaError: _send_error,
    ClientDisconnect: _ignore_disconnect,
}
