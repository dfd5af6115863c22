"""Shorten texts that are too long together: short ones stay whole, long ones get equal lengths."""

from collections.abc import Sequence


def fair_shares(sizes: Sequence[float], room: float) -> list[float]:
    """Return how much of each size may stay: one common maximum, within the room."""
    remaining, level = room, 0.0
    for index, size in enumerate(sorted(sizes)):
        level = max(0.0, remaining / (len(sizes) - index))
        if size > level:
            break
        remaining -= size
    else:
        return list(sizes)
    return [min(size, level) for size in sizes]


def cut_middle(text: str, removed: int) -> str:
    """Remove so many characters from the middle, and put a mark in their place."""
    if not removed:
        return text
    remaining = max(0, len(text) - removed)
    tail = remaining // 3
    end = text[len(text) - tail :]
    return f"{text[: remaining - tail]}\n{omission_mark(removed)}\n{end}".strip()


def omission_mark(removed: int) -> str:
    """Return the mark in place of removed characters."""
    return f"[… {removed:,} characters left out …]"
