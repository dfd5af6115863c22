"""Paths in recipes: relative to the recipe's file, wherever the run starts."""

import glob
from pathlib import Path


def resolve_pattern(folder: Path, pattern: str) -> str:
    """Return a file pattern that is relative to `folder` as one that holds from anywhere."""
    if not pattern or Path(pattern).expanduser().is_absolute():
        return str(Path(pattern).expanduser()) if pattern else pattern
    return f"{glob.escape(str(folder.resolve()))}/{pattern}"
