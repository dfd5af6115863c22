"""A server of recipes in a thread of its own, and the recipes that it serves."""

import asyncio
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai

from moagraph.server.api_keys import ApiKeys
from moagraph.server.serve import create_server
from moagraph.server.settings import ServerSettings

HI: Any = [{"role": "user", "content": "hi"}]


@dataclass(frozen=True)
class Served:
    """Where it listens, and clients that talk to it."""

    port: int
    key: str = "any"

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def client(self, key: str | None = None) -> openai.OpenAI:
        plain = openai.DefaultHttpxClient(verify=False)  # certificates take long to load
        said: Any = {"base_url": self.base_url, "max_retries": 0, "timeout": 20}
        return openai.OpenAI(**said, api_key=key or self.key, http_client=plain)

    def aclient(self, key: str | None = None) -> openai.AsyncOpenAI:
        plain = openai.DefaultAsyncHttpxClient(verify=False)
        said: Any = {"base_url": self.base_url, "max_retries": 0, "timeout": 20}
        return openai.AsyncOpenAI(**said, api_key=key or self.key, http_client=plain)

    def ask(self, model: str = "moa/mix", messages: Any = HI, **said: Any) -> Any:
        with self.client() as client:
            return client.chat.completions.create(model=model, messages=messages, **said)

    def stream(self, model: str = "moa/mix", messages: Any = HI, **said: Any) -> list[Any]:
        with self.client() as client:
            return [
                *client.chat.completions.create(model=model, messages=messages, stream=True, **said)
            ]

    def post(self, body: Any, path: str = "/chat/completions", **how: Any) -> httpx.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"}
        headers |= how.pop("headers", {})
        where = self.base_url + path
        return httpx.post(where, content=data, headers=headers, timeout=20, verify=False, **how)

    def get(self, path: str, **how: Any) -> httpx.Response:
        where = f"http://127.0.0.1:{self.port}{path}"
        return httpx.get(where, timeout=20, verify=False, **how)


@contextmanager
def serving(*keys: str, **settings: Any) -> Iterator[Served]:
    """A server that runs as long as it is needed."""
    door = socket.create_server(("127.0.0.1", 0))
    running = create_server(ServerSettings(ApiKeys(keys), **settings))
    thread = threading.Thread(target=lambda: asyncio.run(running.serve(sockets=[door])))
    thread.start()
    try:
        while not running.started:
            time.sleep(0.01)
        yield Served(door.getsockname()[1], keys[0] if keys else "any")
    finally:
        running.should_exit = True
        thread.join(timeout=20)
        assert not thread.is_alive()


def save(
    name: str = "mix",
    *layers: Sequence[str | dict[str, Any]],
    aggregator: str | dict[str, Any] = "openai:agg",
    **said: Any,
) -> Path:
    """Write a recipe into the data folder; JSON's tables and lists are TOML's but for `=`."""
    folder = Path(os.environ["MOA_HOME"]) / "recipes"
    folder.mkdir(parents=True, exist_ok=True)
    told = {"model": aggregator} if isinstance(aggregator, str) else aggregator
    tables: list[dict[str, Any]] = [
        {"proposers": list(seats)} for seats in layers or [["openai:a", "openai:b"]]
    ]
    tables[-1]["aggregate"] = {"step": "synthesize", **told}
    lines = [f"{key} = {_toml(value)}" for key, value in {**said, "layers": tables}.items()]
    file = folder / f"{name}.toml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
