"""The cross-validation folds that the published LC win rates depend on."""

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
SMALL = 16


def folds(rows: int) -> NDArray[np.int64]:
    """Return the fold of each row, each row a group of its own, as in the leaderboard's fits.

    There the groups are assigned in the order of a sort by size. All sizes are equal, so the
    order depends on how an unstable quicksort moves ties. Machines differ in that (by about 0.1
    of a win rate); this order reproduces 29 of 32 published numbers to 0.02.
    """
    fold = np.empty(rows, dtype=np.int64)
    fold[_quicksort_ties(rows)[::-1]] = np.arange(rows) % FOLDS
    return fold


def _quicksort_ties(rows: int) -> NDArray[np.int64]:
    """Return the order of equal keys after a quicksort with the median of three as pivot."""
    order = list(range(rows))
    ranges = [(0, rows - 1)]
    while ranges:
        low, high = ranges.pop()
        while high - low > SMALL:
            low, high = _partition(order, low, high, ranges)
    return np.array(order, dtype=np.int64)


def _partition(
    order: list[int], low: int, high: int, ranges: list[tuple[int, int]]
) -> tuple[int, int]:
    """Partition equal keys, where every comparison stops at once; return the smaller part."""
    last, middle = high - 1, (low + high) // 2
    order[middle], order[last] = order[last], order[middle]
    i, j = low + 1, last - 1
    while i < j:
        order[i], order[j] = order[j], order[i]
        i, j = i + 1, j - 1
    order[i], order[last] = order[last], order[i]
    smaller, larger = (low, i - 1), (i + 1, high)
    if i - low >= high - i:
        smaller, larger = larger, smaller
    ranges.append(larger)
    return smaller
