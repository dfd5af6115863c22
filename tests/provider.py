"""A provider on this machine: OpenAI's chat completions over real sockets, with faults on demand.

As a process: `python -m tests.provider --port 0 --latency 0.2` prints its base URL and serves
until SIGTERM or the end of its standard input.
"""

import argparse
import asyncio
import json
import signal
import socket
import struct
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.faults import (
    DONE,
    Always,
    Drip,
    Endless,
    Fault,
    Garbage,
    Gate,
    Hang,
    Raw,
    Reply,
    Reset,
    Slow,
    Status,
    TruncatedBody,
    chunks,
    completion,
    error_body,
    event,
    fitted,
    tool_call,
)

BYTES_A_DROP = 32
PATIENCE = 30  # seconds until an answer leaves though too few calls wait beside it
NORMAL = Fault()
JSON = {"Content-Type": "application/json"}
EVENTS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}


@dataclass(eq=False)
class Call:
    """One request as it came in, and what became of it."""

    model: str
    messages: list[dict[str, Any]]
    body: dict[str, Any]
    headers: dict[str, str]
    arrived: float = field(default_factory=time.monotonic)
    number: int = 1
    finished: float | None = None
    aborted: bool = False
    status: int | None = None


Said = str | Mapping[str, Any]
Answer = Said | Callable[[Call], Said]


class Provider:
    """A server in a thread of its own that remembers what it heard and answers as it was told."""

    def __init__(
        self,
        latency: float = 0.0,
        chunk_delay: float = 0.0,
        *,
        api_key: str | None = None,
        port: int = 0,
    ) -> None:
        self.latency = latency
        self.chunk_delay = chunk_delay
        self.api_key = api_key
        self.port = port
        self._in_flight: set[Call] = set()
        self._mistakes: list[Exception] = []
        self.reset()

    def reset(self) -> None:
        """Forget every call, reply, script and list of models."""
        self.calls: list[Call] = []
        self.models: list[str] = []
        self.ollama_models: list[str] = []
        self.max_in_flight = 0
        self.min_in_flight = 0  # no answer leaves before so many calls have waited at once
        self._numbers: Counter[str] = Counter()
        self._answers: dict[str, deque[Answer]] = {}
        self._scripts: dict[str, deque[Fault | Always]] = {}

    def reply(self, model: str, *answers: Answer) -> None:
        """Set what a model answers to its next calls; the last answer repeats."""
        self._answers[model] = deque(answers)

    def script(self, model: str, *faults: Fault | Always | None) -> None:
        """Set what happens to the next calls of a model; None is a normal call."""
        self._scripts[model] = deque(fault or NORMAL for fault in faults)

    @property
    def base_url(self) -> str:
        """What a client takes as its base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def open_connections(self) -> int:
        """How many sockets clients hold open now, idle ones included."""
        return len(self._runner.server.connections) if self._runner.server else 0

    def __enter__(self) -> Self:
        ready: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        self.port = ready.result(timeout=10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=10)
        if self._mistakes and error is None:
            raise self._mistakes[0]

    def _run(self, ready: Future[int]) -> None:
        try:
            asyncio.run(self._serve(ready))
        except OSError as error:
            ready.set_exception(error)

    async def _serve(self, ready: Future[int]) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_get("/api/tags", self._list_tags)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.01
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=1024).start()
        ready.set_result(self._runner.addresses[0][1])
        await self._stop.wait()
        await self._runner.cleanup()

    async def _list_models(self, request: web.Request) -> web.Response:
        refusal = self._refusal(request.headers)
        if refusal:
            return web.Response(status=refusal.status, body=refusal.body, headers=JSON)
        data = [
            {"id": model, "object": "model", "created": 0, "owned_by": "tests"}
            for model in self.models
        ]
        return web.json_response({"object": "list", "data": data})

    async def _list_tags(self, request: web.Request) -> web.Response:
        models = [
            {"name": m, "model": m, "size": 0, "digest": "", "details": {"family": "tests"}}
            for m in self.ollama_models
        ]
        return web.json_response({"models": models})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        call = await self._hear(request)
        try:
            return await self._answer(request, call)
        except (asyncio.CancelledError, ConnectionError):
            call.aborted = call.finished is None
            raise
        finally:
            self._in_flight.discard(call)

    async def _hear(self, request: web.Request) -> Call:
        arrived = time.monotonic()
        try:
            body = await request.json()
            call = Call(body["model"], body["messages"], body, {}, arrived)
        except (ValueError, KeyError, TypeError) as error:
            text = json.dumps(error_body(f"Bad request: {error!r}", "invalid_request_error"))
            raise web.HTTPBadRequest(text=text, content_type="application/json") from error
        call.headers = {name.lower(): value for name, value in request.headers.items()}
        self._numbers[call.model] += 1
        call.number = self._numbers[call.model]
        self.calls.append(call)
        self._in_flight.add(call)
        self.max_in_flight = max(self.max_in_flight, len(self._in_flight))
        return call

    async def _answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        fault = self._refusal(call.headers) or self._next_fault(call.model)
        if isinstance(fault, Status | Hang | Reset):
            return await self._deny(request, call, fault)
        try:
            reply = fault.spoil(fitted(self._next_reply(call), call.body))
        except Exception as error:  # the test's own callable is wrong: raised again at the end
            self._mistakes.append(error)
            told = Status(500, message=f"The reply of {call.model!r} raised {error!r}.")
            return await self._deny(request, call, told)
        if call.body.get("stream"):
            return await self._send_stream(request, call, reply, fault)
        return await self._send_whole(request, call, reply, fault)

    async def _deny(
        self, request: web.Request, call: Call, fault: Status | Hang | Reset
    ) -> web.StreamResponse:
        if isinstance(fault, Hang):
            await asyncio.Event().wait()
        if isinstance(fault, Status):
            response = web.StreamResponse(status=fault.status, headers=JSON | fault.headers)
            response.content_length = len(fault.body)
            return await self._send(request, call, response, [fault.body], fault)
        await self._wait(call, fault)
        self._finish(call)
        return await hung_up(request, reset=True)

    async def _send_whole(
        self, request: web.Request, call: Call, reply: Reply, fault: Fault
    ) -> web.StreamResponse:
        body = fault.whole(json.dumps(completion(call.body, reply)).encode())
        drop = BYTES_A_DROP if isinstance(fault, Drip) else max(len(body), 1)
        pieces = [body[i : i + drop] for i in range(0, len(body), drop)] or [b""]
        response = web.StreamResponse(headers=JSON)
        if isinstance(fault, Garbage):
            response.headers["Content-Type"] = fault.content_type
        if isinstance(fault, Raw):
            response.headers.update(fault.headers)
        response.content_length = len(body) * (2 if isinstance(fault, TruncatedBody) else 1)
        return await self._send(request, call, response, pieces, fault)

    async def _send_stream(
        self, request: web.Request, call: Call, reply: Reply, fault: Fault
    ) -> web.StreamResponse:
        events = fault.stream([*(event(body) for body in chunks(call.body, reply)), DONE])
        response = web.StreamResponse(headers=EVENTS)
        if isinstance(fault, Endless):
            return await self._send_endless(request, response, events[1])
        if isinstance(fault, Raw):
            response.headers.update(fault.headers)
        return await self._send(request, call, response, events, fault)

    async def _send_endless(
        self, request: web.Request, response: web.StreamResponse, words: bytes
    ) -> web.StreamResponse:
        await response.prepare(request)
        while True:
            await response.write(words)
            await asyncio.sleep(0.001)  # the client may close in between

    async def _send(
        self,
        request: web.Request,
        call: Call,
        response: web.StreamResponse,
        pieces: Sequence[bytes],
        fault: Fault,
    ) -> web.StreamResponse:
        await self._wait(call, fault)
        call.status = response.status
        *early, last = pieces
        await response.prepare(request)
        for number, piece in enumerate(early):
            await response.write(piece)
            await asyncio.sleep(
                fault.seconds_per_chunk if isinstance(fault, Drip) else self.chunk_delay
            )
            while isinstance(fault, Gate) and number and not fault.opened.is_set():
                await asyncio.sleep(0.01)
        self._finish(call)  # before the last byte: whoever has read the answer sees it finished
        if isinstance(fault, TruncatedBody):
            await response.write(last)
            return await hung_up(request)
        await response.write_eof(last)
        return response

    async def _wait(self, call: Call, fault: Fault) -> None:
        more = fault.seconds if isinstance(fault, Slow) else 0.0
        await asyncio.sleep(call.arrived + self.latency + more - time.monotonic())
        while (
            self.max_in_flight < self.min_in_flight and time.monotonic() < call.arrived + PATIENCE
        ):
            await asyncio.sleep(0.01)

    def _finish(self, call: Call) -> None:
        call.finished = time.monotonic()
        self._in_flight.discard(call)

    def _refusal(self, headers: Mapping[str, str]) -> Status | None:
        if self.api_key is None or headers.get("authorization") == f"Bearer {self.api_key}":
            return None
        return Status(401, message="Incorrect API key provided.")

    def _next_fault(self, model: str) -> Fault:
        script = self._scripts.get(model)
        if not script:
            return NORMAL
        if isinstance(script[0], Always):
            return script[0].fault
        fault = script.popleft()
        assert isinstance(fault, Fault)
        return fault

    def _next_reply(self, call: Call) -> Reply:
        answers = self._answers.get(call.model)
        if not answers:
            return Reply(call.model, f"{call.model} says: this is answer number {call.number}.")
        answer = answers.popleft() if len(answers) > 1 else answers[0]
        said = answer(call) if callable(answer) else answer
        if isinstance(said, str):
            return Reply(call.model, said)
        tools = [tool_call(t) for t in said.get("tool_calls", ()) if call.body.get("tools")]
        return Reply(
            call.model,
            said.get("content", None if tools else ""),
            finish_reason="tool_calls" if tools else "stop",
            tool_calls=tools,
            logprobs=said.get("logprobs", ()),
        )


async def hung_up(request: web.Request, reset: bool = False) -> web.StreamResponse:
    """Close the connection under the answer; aiohttp then cancels whoever waits here."""
    assert request.transport is not None
    if reset:
        linger = struct.pack("ii", 1, 0)  # on, no time: the kernel sends RST instead of FIN
        request.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger
        )
        request.transport.abort()
    request.transport.close()
    await asyncio.Event().wait()
    raise AssertionError("a closed connection outlived its handler")


def main() -> None:
    """Serve until SIGTERM or the end of the standard input."""
    parser = argparse.ArgumentParser(prog="python -m tests.provider", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--chunk-delay", type=float, default=0.0)
    parser.add_argument("--api-key")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Provider(**vars(parser.parse_args())) as provider:
        sys.stdout.write(f"{provider.base_url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
