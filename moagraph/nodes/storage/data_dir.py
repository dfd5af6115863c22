"""The data folder (MOA_HOME, or the platform's folder for user data), and file locks in it."""

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
    """Return the folder; a new one is readable for this user only."""
    setting = os.environ.get("MOA_HOME", "").strip()
    folder = Path(setting).expanduser() if setting else user_data_path("moagraph")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, str(error.strerror)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _unusable(folder, "it cannot be written to")
    return folder


@asynccontextmanager
async def hold_lock(lock: Path, waiting: Callable[[], None]) -> AsyncIterator[None]:
    """Hold a lock that the system releases if this process dies.

    Args:
        lock: The lock file.
        waiting: Called repeatedly while another process holds the lock.
    """
    with lock.open("ab") as file:
        while not try_lock(file):
            waiting()
            await asyncio.sleep(0.1)
        yield


if sys.platform == "win32":
    import msvcrt

    def try_lock(file: BinaryIO) -> bool:
        """Lock the file unless another process has; closing it releases the lock."""
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(file: BinaryIO) -> bool:
        """Lock the file unless another process has; closing it releases the lock."""
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _unusable(folder: Path, reason: str) -> StorageError:
    return StorageError(
        f"cannot use the data folder {str(folder)!r}: {reason}; "
        "set MOA_HOME to a folder that can be written to"
    )
