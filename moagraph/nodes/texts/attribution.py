"""Find where a sentence may come from: how many of its words other texts share."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import TypeAlias

from moagraph.nodes.texts.sentences import split_pieces

MAX_SENTENCES = 200  # of a text
MIN_WORDS = 3  # a shorter sentence says nothing about its origin
_LIST_MARK = re.compile(r"^\s*(?:[-*+>#]+|\d+[.)])\s+")
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")

WordBag: TypeAlias = Counter[tuple[str, ...]]


def statements(text: str) -> list[str]:
    """Return the sentences and lines with enough words, without list marks."""
    parts = (_LIST_MARK.sub("", piece.sentence).strip() for piece in split_pieces(text))
    return [part for part in parts if len(_WORD.findall(part)) >= MIN_WORDS][:MAX_SENTENCES]


class SourceText:
    """A text's sentences, prepared to be compared with many others."""

    def __init__(self, text: str) -> None:
        """Count the words of each sentence once."""
        self.bags = [_word_bag(sentence) for sentence in statements(text)]

    def similarity(self, sentence: str) -> float:
        """Return the similarity of the most similar sentence, from 0 to 1 for the same words."""
        bag = _word_bag(sentence)
        return max((_overlap(bag, own) for own in self.bags), default=0.0)


def _word_bag(sentence: str) -> WordBag:
    """Count words and pairs of neighbours: the same words in another order are less similar."""
    words = [word.casefold() for word in _WORD.findall(sentence)]
    pairs: Iterable[tuple[str, ...]] = pairwise(words)
    return Counter([*((word,) for word in words), *pairs])


def _overlap(first: WordBag, second: WordBag) -> float:
    common = sum((first & second).values())
    return 2 * common / (first.total() + second.total()) if common else 0.0
