import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.faults import (
    Always,
    ContentFilter,
    Cut,
    Drip,
    Empty,
    Fault,
    Garbage,
    Hang,
    MidStreamError,
    NullContent,
    Reset,
    Slow,
    Status,
    Surrogate,
    TruncatedBody,
    WrongModel,
)
from tests.provider import Call, Provider

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
both_modes = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


def with_client[T](
    provider: Provider, use: Callable[[AsyncOpenAI], Awaitable[T]], **options: Any
) -> T:
    async def run() -> T:
        settings = {"api_key": "k", "max_retries": 0, "timeout": 5.0} | options
        async with AsyncOpenAI(base_url=provider.base_url, **settings) as client:
            return await use(client)

    return asyncio.run(run())
