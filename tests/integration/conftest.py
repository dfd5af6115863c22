"""Where these tests keep their threads, and the weights of the embedded engine."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from moagraph.nodes.errors import EngineError
from moagraph.nodes.models.local import weights
from moagraph.threads.open import Threads, open_threads
from tests.postgres import Postgres, binaries, served


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the whole run; it may lack on a person's machine, and never in CI."""
    if binaries() is None and not os.environ.get("CI"):
        pytest.skip("Postgres is not installed: `apt-get install postgresql`")
    with served() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def store(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, own_environment: None
) -> Iterator[str]:
    """The environment says where threads are kept, also to child processes: each test anew."""
    if request.param == "sqlite":
        yield request.param
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database() as url:
        monkeypatch.setenv("MOA_DATABASE_URL", url)
        yield request.param


@pytest.fixture
def threads(store: str) -> Iterator[Threads]:
    """The saver that `moa` would use."""
    with open_threads() as threads:
        yield threads


@pytest.fixture(scope="session")
def gguf() -> Path:
    """The weights in the data folder of whoever runs the tests: fetched once, then at hand."""
    try:
        return asyncio.run(weights.fetch("smollm2-135m"))
    except EngineError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
