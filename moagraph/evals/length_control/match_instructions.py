"""Match each pair with an instruction of the constants, by its text; never by position alone."""

from collections import defaultdict
from collections.abc import Sequence

from moagraph.evals.length_control.constants import Constants
from moagraph.evals.length_control.pairs import Pair, hash_instruction

MIN_MATCHED = 0.98  # the share of pairs below which lengths prove nothing


def match_instructions(pairs: Sequence[Pair], constants: Constants) -> tuple[list[int | None], str]:
    """Return the index of each pair's instruction, and a note if lengths were matched.

    Args:
        pairs: The judged pairs.
        constants: The constants, with the instructions in their order.

    Returns:
        The indices, None for an unknown instruction; and a note, empty for a match by text.
    """
    by_hash = {hash_: index for index, hash_ in enumerate(constants.instruction_hashes)}
    indices = [by_hash.get(hash_instruction(pair.instruction)) for pair in pairs]
    has_match = any(index is not None for index in indices)
    if len(by_hash) == len(constants.lengths) and has_match:
        return indices, ""
    by_length = _match_lengths(pairs, constants)
    if sum(index is not None for index in by_length) < MIN_MATCHED * len(pairs):
        return [None] * len(pairs), ""
    return by_length, "instructions are matched by the lengths of the baseline's answers"


def has_same_baseline(
    pairs: Sequence[Pair], indices: Sequence[int | None], constants: Constants
) -> bool:
    """Return whether the baseline's answers are as long as those of the constants.

    Args:
        pairs: The judged pairs.
        indices: The index of each pair's instruction.
        constants: The constants, with the lengths of the baseline's answers.
    """
    same = [
        pair.baseline_length == constants.lengths[index]
        for pair, index in zip(pairs, indices, strict=True)
        if index is not None
    ]
    return bool(same) and sum(same) >= MIN_MATCHED * len(same)


def _match_lengths(pairs: Sequence[Pair], constants: Constants) -> list[int | None]:
    """Match each pair with an equally long answer of the baseline; of several, in their order."""
    indices = defaultdict[float, list[int]](list)
    for index, length in enumerate(constants.lengths):
        indices[float(length)].append(index)
    unused = {length: iter(candidates) for length, candidates in indices.items()}
    return [next(unused.get(float(pair.baseline_length), iter(())), None) for pair in pairs]
