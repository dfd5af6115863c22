"""The process that runs the answer's code, and then performs the operations that the tests request.

It only returns values; the tests run and decide in another process.
"""

import _thread
import io
import sys
import types
from typing import Any

from moagraph.nodes.checks.sandbox.guest.answer_objects import AnswerObjects
from moagraph.nodes.checks.sandbox.guest.channel import Channel
from moagraph.nodes.checks.sandbox.guest.operations import BINARY, UNARY
from moagraph.nodes.checks.sandbox.guest.values import SharedValues

FILE = "answer.py"
MODULE = "answer"
_MOST_PRINTED = 2**16  # characters that are handed over for one call


def run(job: dict[str, Any]) -> None:
    """Run the code, report its names, and serve requests until the tests end."""
    server = _Server(Channel(*job["channel"]))
    server.channel.send({"ready": True})
    module = types.ModuleType(MODULE)
    sys.modules[MODULE] = module
    try:
        exec(compile(job["code"], FILE, "exec"), module.__dict__)
    except BaseException as error:  # the code may also exit
        server.channel.send({"failed": server.objects.error(error)})
        return
    sys.stdout = server.printed
    names = [name for name in vars(module) if not name.startswith("__")]
    server.channel.send({"loaded": names, "module": server.objects.keep(module)})
    while True:
        server.answer(server.channel.receive())


class _Printed(io.StringIO):
    """The standard output of the code, up to a limit."""

    def write(self, text: str) -> int:
        if self.tell() < _MOST_PRINTED:
            super().write(text[:_MOST_PRINTED])
        return len(text)

    def take(self) -> str:
        """Return the output and clear it."""
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


class _Server:
    """Serves the requests of the tests, and sends requests for objects of the tests."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.objects = AnswerObjects(self.ask)
        self.printed = _Printed()
        self._thread = _thread.get_ident()

    def answer(self, message: dict[str, Any]) -> None:
        """Perform the operation of a request, and reply."""
        shared, codec = SharedValues(), self.objects.codec
        reply: dict[str, Any] = {"nonce": message["nonce"]}
        try:
            args = codec.every(message["args"], shared)
            values = codec.every(message["values"], shared)
            shared.closed = True
            before = [codec.contents(value, shared) for value in shared.values]
            do = _OPERATIONS[message["operation"]]
            try:
                result = do(*args, **dict(zip(message["names"], values, strict=True)))
                reply["value"] = codec.encode(result, shared)
            finally:
                after = enumerate([codec.contents(value, shared) for value in shared.values])
                reply["changed"] = [[n, now] for n, now in after if now != before[n]]
        except BaseException as error:  # what exits here raises there
            reply["error"] = self.objects.error(error)
        self._send({"changed": [], **reply, "printed": self.printed.take()})

    def ask(self, number: int, operation: str, args: Any, kwargs: dict[str, Any]) -> Any:
        """Perform an operation on an object of the tests, serving their requests meanwhile."""
        if _thread.get_ident() != self._thread:
            raise RuntimeError("what the tests handed over can be used in the main thread only")
        codec = self.objects.codec
        message = {"object": number, "operation": operation, "names": list(kwargs)}
        arguments = {"args": [codec.encode(value) for value in args]}
        self.channel.send(
            {**message, **arguments, "values": [codec.encode(value) for value in kwargs.values()]}
        )
        while "nonce" in (reply := self.channel.receive()):
            self.answer(reply)
        if "error" in reply:
            raise codec.decode(reply["error"])
        return codec.decode(reply["value"])

    def _send(self, reply: dict[str, Any]) -> None:
        try:
            self.channel.send(reply)
        except ValueError as error:  # it is too long
            failure = {"nonce": reply["nonce"], "changed": [], "printed": ""}
            self.channel.send({**failure, "error": self.objects.error(error)})


def _wait_for(coroutine: Any) -> Any:
    import asyncio

    async def result() -> Any:
        return await coroutine

    return asyncio.run(result())


_OPERATIONS: dict[str, Any] = {
    **UNARY,
    **BINARY,
    "call": lambda function, *args, **kwargs: function(*args, **kwargs),
    "getattr": getattr,
    "setattr": setattr,
    "delattr": delattr,
    "await": _wait_for,
    "enter": lambda manager: type(manager).__enter__(manager),
    "exit": lambda manager, error: (
        type(manager).__exit__(manager, type(error), error, None)
        if error
        else type(manager).__exit__(manager, None, None, None)
    ),
}
