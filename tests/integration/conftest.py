"""Where these tests keep their threads: real SQLite files and a real Postgres."""

import os
from collections.abc import Iterator

import pytest

from moagraph.threads import Threads, open_threads
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
