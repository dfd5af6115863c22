"""Where a sentence may come from: how many of its words those of other texts share."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from moagraph.nodes.texts.sentences import pieces

MOST = 200  # sentences of a text that are looked at
LEAST = 3  # words of a sentence, below which it says nothing of its origin
_MARK = re.compile(r"^\s*(?:[-*+>#]+|\d+[.)])\s+")
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")


def statements(text: str) -> list[str]:
    """The sentences and lines that have enough words, without the marks of lists."""
    parts = (_MARK.sub("", piece.sentence).strip() for piece in pieces(text))
    return [part for part in parts if len(_WORD.findall(part)) >= LEAST][:MOST]


class Said:
    """A text's sentences, ready to be compared with many."""

    def __init__(self, text: str) -> None:
        """Count the words of each sentence once."""
        self.bags = [_bag(sentence) for sentence in statements(text)]

    def likeness(self, sentence: str) -> float:
        """How like the sentence the one is that is most like it: 0 nothing, 1 the same words."""
        bag = _bag(sentence)
        return max((_shared(bag, other) for other in self.bags), default=0.0)


def _bag(sentence: str) -> Counter[tuple[str, ...]]:
    """Words, and pairs of neighbours: the same words in another order are less alike."""
    words = [word.casefold() for word in _WORD.findall(sentence)]
    pairs: Iterable[tuple[str, ...]] = pairwise(words)
    return Counter([*((word,) for word in words), *pairs])


def _shared(one: Counter[tuple[str, ...]], other: Counter[tuple[str, ...]]) -> float:
    both = sum((one & other).values())
    return 2 * both / (one.total() + other.total()) if both else 0.0
