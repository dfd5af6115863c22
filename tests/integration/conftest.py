"""Where these tests keep their threads, and the weights of the embedded engine."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from moagraph.nodes.errors import EngineError
from moagraph.nodes.models.local import weights
from moagraph.threads.open import Threads, open_threads
from tests.installed import skip
from tests.postgres import Postgres, binaries, served
from tests.provider import Provider


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the whole run."""
    if binaries() is None:
        skip("Postgres is not installed: `apt-get install postgresql`")
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
        skip(str(error))


@pytest.fixture
def capture() -> Iterator[Provider]:
    """The stranger's server, which takes any key and keeps all that it is sent."""
    with Provider() as server:
        yield server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test that loads the weights unmarked: it would slow the default run."""
    for item in items:
        uses = "gguf" in getattr(item, "fixturenames", ())
        if uses and item.get_closest_marker("weights") is None:
            raise pytest.UsageError(f"{item.nodeid} uses `gguf`: mark it `weights`")
