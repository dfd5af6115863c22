"""The data folder: MOA_HOME, else where the platform keeps a user's data."""

import os
from pathlib import Path

from platformdirs import user_data_path

from nodes.errors import StorageError


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


def _unusable(folder: Path, why: str) -> StorageError:
    return StorageError(
        f"cannot use the data folder {str(folder)!r}: {why}; "
        "set MOA_HOME to a folder that can be written to"
    )
