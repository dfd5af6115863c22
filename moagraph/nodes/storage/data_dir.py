"""The data folder: MOA_HOME, else where the platform keeps a user's data; and locks in it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from platformdirs import user_data_path

from moagraph.nodes.errors import StorageError


def data_folder() -> Path:
    """The folder, made where it is not there yet, for this user's eyes only."""
    said = os.environ.get("MOA_HOME", "").strip()
    folder = Path(said).expanduser() if said else user_data_path("moagraph")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, str(error.strerror)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _unusable(folder, "it cannot be written to")
    return folder


@asynccontextmanager
async def held(lock: Path, waiting: Callable[[], None]) -> AsyncIterator[None]:
    """Hold a lock that dies with us; `waiting` is called while another has it."""
    with lock.open("ab") as file:
        while not taken(file):
            waiting()
            await asyncio.sleep(0.1)
        yield


if sys.platform == "win32":
    import msvcrt

    def taken(file: BinaryIO) -> bool:
        """Take the lock unless another has it; it ends with the open file."""
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def taken(file: BinaryIO) -> bool:
        """Take the lock unless another has it; it ends with the open file."""
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _unusable(folder: Path, why: str) -> StorageError:
    return StorageError(
        f"cannot use the data folder {str(folder)!r}: {why}; "
        "set MOA_HOME to a folder that can be written to"
    )
