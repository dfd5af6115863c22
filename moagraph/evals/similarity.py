"""How alike two texts are: BLEU, shared words, TF-IDF, by edits; each counts a text once."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from rapidfuzz.distance import Levenshtein
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.helpers import extract_all_word_ngrams

WORD = re.compile(r"\w+")


class Similarity(Protocol):
    """How alike a text is to another; larger is more alike."""

    def __call__(self, text: str, other: str) -> float:
        """Compare."""


@dataclass
class _Grams:
    """A text's runs of up to so many words, by sacrebleu's tokenizer, and its number of words."""

    order: int
    _seen: dict[str, tuple[Counter[tuple[str, ...]], int]] = field(default_factory=dict)

    def __call__(self, text: str) -> tuple[Counter[tuple[str, ...]], int]:
        """Count."""
        if text not in self._seen:
            tokens = self._tokenizer.tokenizer(text.rstrip())
            self._seen[text] = extract_all_word_ngrams(tokens, 1, self.order)
        return self._seen[text]

    @cached_property
    def _tokenizer(self) -> BLEU:
        return BLEU(max_ngram_order=self.order, effective_order=True)


@dataclass
class Bleu:
    """sacrebleu's sentence BLEU in percent, with the other text as the reference."""

    order: int = 4

    def __call__(self, text: str, other: str) -> float:
        """Compare."""
        said, length = self._grams(text)
        known, reference = self._grams(other)
        correct, total = [0] * self.order, [max(0, length - n) for n in range(self.order)]
        for gram in said.keys() & known.keys():
            correct[len(gram) - 1] += min(said[gram], known[gram])
        score = BLEU.compute_bleu(
            correct,
            total,
            length,
            reference,
            smooth_method="exp",
            effective_order=True,
            max_ngram_order=self.order,
        )
        return float(score.score)

    @cached_property
    def _grams(self) -> _Grams:
        return _Grams(self.order)


@dataclass
class Shared:
    """The share of the other text's words that the text has too: its BLEU-1, brevity forgiven."""

    _grams: _Grams = field(default_factory=lambda: _Grams(1))

    def __call__(self, text: str, other: str) -> float:
        """Compare."""
        said, _ = self._grams(text)
        known, words = self._grams(other)
        return (said & known).total() / words if words else 0.0


@dataclass
class TfIdf:
    """The cosine of two texts' words, each the heavier the fewer texts have it."""

    corpus: Iterable[str]
    _seen: dict[str, dict[str, float]] = field(default_factory=dict)

    def __call__(self, text: str, other: str) -> float:
        """Compare."""
        one, two = self._weighed(text), self._weighed(other)
        return sum(weight * two[word] for word, weight in one.items() if word in two)

    @cached_property
    def _rarity(self) -> dict[str, float]:
        texts = list(self.corpus)
        found = Counter(word for text in texts for word in set(_words(text)))
        return {word: math.log((1 + len(texts)) / (1 + n)) + 1 for word, n in found.items()}

    def _weighed(self, text: str) -> dict[str, float]:
        if text not in self._seen:
            counts = Counter(_words(text))
            weights = {word: n * self._rarity.get(word, 1.0) for word, n in counts.items()}
            size = math.sqrt(sum(weight**2 for weight in weights.values())) or 1.0
            self._seen[text] = {word: weight / size for word, weight in weights.items()}
        return self._seen[text]


def by_edits(text: str, other: str) -> float:
    """1 less the edits that make one out of the other, as a share of the longer."""
    return float(Levenshtein.normalized_similarity(text, other))


def vendi(texts: list[str], alike: Similarity) -> float:
    """How many different texts there are, in effect: 1 where all are the same, n where none is."""
    kernel = np.array([[alike(one, other) for other in texts] for one in texts])
    kernel = (kernel + kernel.T) / 2
    np.fill_diagonal(kernel, 1.0)
    values = np.linalg.eigvalsh(kernel / len(texts))
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())
