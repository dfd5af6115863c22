"""The folder of a running evaluation: its lock, and the threads of unfinished answers."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from moagraph.nodes.errors import StorageError, UsageError
from moagraph.nodes.storage.data_dir import try_lock
from moagraph.nodes.storage.encryption import encrypt_serializer
from moagraph.threads.open import Threads
from moagraph.threads.savers.packed import Packed
from moagraph.threads.savers.sqlite import opened


@contextmanager
def open_workspace(folder: Path, results: Path) -> Iterator[Threads]:
    """Lock the results for this process; delete the folder if no thread is left at the end.

    Args:
        folder: The folder of the lock and the threads.
        results: The file or folder of the results, for error messages.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "lock").open("ab")
    except OSError as error:
        raise StorageError(f"cannot use {str(results)!r}: {error.strerror}") from error
    with lock:
        if not try_lock(lock):
            raise UsageError(
                f"{str(results)!r} is in use by another process: wait until it ends, "
                "or write elsewhere"
            )
        with opened(folder / "threads.sqlite", encrypt_serializer(Packed())) as threads:
            yield threads
            unfinished = next(threads.names(1), None)
        if unfinished is None:
            with suppress(OSError):
                shutil.rmtree(folder)
