"""The process that holds the answer's code: it runs the code, and then what the tests ask of it.

Nothing that it says of the tests counts: it hands over values, and the tests run elsewhere.
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
    """Run the code, say what it defines, and then do as asked until the tests have ended."""
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
    """What the code prints, as far as it is of any use."""

    def write(self, text: str) -> int:
        if self.tell() < _MOST_PRINTED:
            super().write(text[:_MOST_PRINTED])
        return len(text)

    def take(self) -> str:
        """All of it, once."""
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


class _Server:
    """Does what the tests ask for, and asks them for what is theirs."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.objects = AnswerObjects(self.ask)
        self.printed = _Printed()
        self._thread = _thread.get_ident()

    def answer(self, message: dict[str, Any]) -> None:
        """Do what one message asks for, and say what came of it."""
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
        """Have the tests do something with an object of theirs; they may ask for more first."""
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
