"""Texts that are too long together: short ones stay whole, long ones end up equally long."""

from collections.abc import Sequence


def fair(weights: Sequence[float], room: float) -> list[float]:
    """How much each may keep: one level for all, as water finds it, and no more than there is."""
    left, level = room, 0.0
    for place, weight in enumerate(sorted(weights)):
        level = max(0.0, left / (len(weights) - place))
        if weight > level:
            break
        left -= weight
    else:
        return list(weights)
    return [min(weight, level) for weight in weights]


def cut(text: str, left_out: int) -> str:
    """The text without so many characters of its middle, and a mark that says so."""
    if not left_out:
        return text
    kept = max(0, len(text) - left_out)
    tail = kept // 3
    end = text[len(text) - tail :]
    return f"{text[: kept - tail]}\n{mark(left_out)}\n{end}".strip()


def mark(left_out: int) -> str:
    """What stands where the characters were."""
    return f"[… {left_out:,} characters left out …]"
