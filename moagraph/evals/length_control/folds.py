"""Which rows of a design are held out together: the folds that the published numbers rest on."""

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
SMALL = 16


def folds(rows: int) -> NDArray[np.int64]:
    """The fold of each row, each row a group of its own, as the leaderboard's fits dealt them.

    There the groups are dealt out in the order of a sort by size; all sizes are equal, so the
    order is what an unstable quicksort leaves of ties. Machines differ in that (by about 0.1 of a
    win rate); the one followed here explains 29 of 32 published numbers to 0.02.
    """
    dealt = np.empty(rows, dtype=np.int64)
    dealt[_quicksorted_ties(rows)[::-1]] = np.arange(rows) % FOLDS
    return dealt


def _quicksorted_ties(rows: int) -> NDArray[np.int64]:
    """Where each of so many equal keys ends up in a quicksort by the median of three."""
    order = list(range(rows))
    open_ = [(0, rows - 1)]
    while open_:
        low, high = open_.pop()
        while high - low > SMALL:
            low, high = _split(order, low, high, open_)
    return np.array(order, dtype=np.int64)


def _split(order: list[int], low: int, high: int, open_: list[tuple[int, int]]) -> tuple[int, int]:
    """Partition as for equal keys, where every comparison stops at once; the smaller part next."""
    last, middle = high - 1, (low + high) // 2
    order[middle], order[last] = order[last], order[middle]
    left, right = low + 1, last - 1
    while left < right:
        order[left], order[right] = order[right], order[left]
        left, right = left + 1, right - 1
    order[left], order[last] = order[last], order[left]
    smaller, larger = (low, left - 1), (left + 1, high)
    if left - low >= high - left:
        smaller, larger = larger, smaller
    open_.append(larger)
    return smaller
