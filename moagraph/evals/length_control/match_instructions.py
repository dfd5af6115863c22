"""Which of the constants' instructions each pair is, by its text; never by its place alone."""

from collections import defaultdict
from collections.abc import Sequence

from moagraph.evals.length_control.constants import Constants
from moagraph.evals.length_control.pairs import Pair, mark

SURE = 0.98


def joined(pairs: Sequence[Pair], constants: Constants) -> tuple[list[int | None], str]:
    """The place of each pair's instruction, or none; and how they were known, if not by text."""
    places = {one: place for place, one in enumerate(constants.marks)}
    found = [places.get(mark(pair.instruction)) for pair in pairs]
    if len(places) == len(constants.lengths) and any(place is not None for place in found):
        return found, ""
    by_length = _by_length(pairs, constants)
    if sum(place is not None for place in by_length) < SURE * len(pairs):
        return [None] * len(pairs), ""
    return by_length, "instructions are known by the lengths of the baseline's answers"


def same_baseline(pairs: Sequence[Pair], places: Sequence[int | None], known: Constants) -> bool:
    """Whether the baseline's answers are as long as those the constants were made with."""
    same = [
        pair.baseline_length == known.lengths[place]
        for pair, place in zip(pairs, places, strict=True)
        if place is not None
    ]
    return bool(same) and sum(same) >= SURE * len(same)


def _by_length(pairs: Sequence[Pair], constants: Constants) -> list[int | None]:
    """The place whose baseline answer is as long; of several, in their order."""
    places = defaultdict[float, list[int]](list)
    for place, length in enumerate(constants.lengths):
        places[float(length)].append(place)
    free = {length: iter(ones) for length, ones in places.items()}
    return [next(free.get(float(pair.baseline_length), iter(())), None) for pair in pairs]
