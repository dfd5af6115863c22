"""Text similarity: BLEU, shared words, TF-IDF, edit distance; a text is tokenized once."""

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
    """A measure of how similar a text is to a reference; larger is more similar."""

    def __call__(self, text: str, reference: str, /) -> float:
        """Compare the text with the reference."""


@dataclass
class _NgramCounter:
    """Counts a text's word n-grams up to `order`, with sacrebleu's tokenizer, and its words."""

    order: int
    _cache: dict[str, tuple[Counter[tuple[str, ...]], int]] = field(default_factory=dict)

    def __call__(self, text: str) -> tuple[Counter[tuple[str, ...]], int]:
        """Return the n-gram counts and the number of words."""
        if text not in self._cache:
            tokens = self._tokenizer.tokenizer(text.rstrip())
            self._cache[text] = extract_all_word_ngrams(tokens, 1, self.order)
        return self._cache[text]

    @cached_property
    def _tokenizer(self) -> BLEU:
        return BLEU(max_ngram_order=self.order, effective_order=True)


@dataclass
class Bleu:
    """sacrebleu's sentence BLEU, in percent."""

    order: int = 4

    def __call__(self, text: str, reference: str) -> float:
        """Compare the text with the reference."""
        ngrams, length = self._count_ngrams(text)
        reference_ngrams, reference_length = self._count_ngrams(reference)
        correct, total = [0] * self.order, [max(0, length - n) for n in range(self.order)]
        for ngram in ngrams.keys() & reference_ngrams.keys():
            correct[len(ngram) - 1] += min(ngrams[ngram], reference_ngrams[ngram])
        score = BLEU.compute_bleu(
            correct,
            total,
            length,
            reference_length,
            smooth_method="exp",
            effective_order=True,
            max_ngram_order=self.order,
        )
        return float(score.score)

    @cached_property
    def _count_ngrams(self) -> _NgramCounter:
        return _NgramCounter(self.order)


@dataclass
class SharedWords:
    """The share of the reference's words that the text has: BLEU-1 as recall, without brevity."""

    _count_words: _NgramCounter = field(default_factory=lambda: _NgramCounter(1))

    def __call__(self, text: str, reference: str) -> float:
        """Compare the text with the reference."""
        words, _ = self._count_words(text)
        reference_words, length = self._count_words(reference)
        return (words & reference_words).total() / length if length else 0.0


@dataclass
class TfIdf:
    """The cosine of two TF-IDF vectors; `corpus` gives the document frequencies."""

    corpus: Iterable[str]
    _vectors: dict[str, dict[str, float]] = field(default_factory=dict)

    def __call__(self, text: str, reference: str) -> float:
        """Compare the two texts; the order does not matter."""
        vector, reference_vector = self._vectorize(text), self._vectorize(reference)
        return sum(
            weight * reference_vector[word]
            for word, weight in vector.items()
            if word in reference_vector
        )

    @cached_property
    def _idf(self) -> dict[str, float]:
        texts = list(self.corpus)
        frequencies = Counter(word for text in texts for word in set(_words(text)))
        return {word: math.log((1 + len(texts)) / (1 + n)) + 1 for word, n in frequencies.items()}

    def _vectorize(self, text: str) -> dict[str, float]:
        if text not in self._vectors:
            counts = Counter(_words(text))
            weights = {word: n * self._idf.get(word, 1.0) for word, n in counts.items()}
            norm = math.sqrt(sum(weight**2 for weight in weights.values())) or 1.0
            self._vectors[text] = {word: weight / norm for word, weight in weights.items()}
        return self._vectors[text]


def edit_similarity(text: str, reference: str) -> float:
    """Return 1 minus the edit distance as a share of the longer text."""
    return float(Levenshtein.normalized_similarity(text, reference))


def vendi_score(texts: list[str], similarity: Similarity) -> float:
    """Return the effective number of different texts: 1 if all are equal, n if none overlap.

    Args:
        texts: The texts to compare with each other.
        similarity: A measure from 0 to 1.
    """
    kernel = np.array([[similarity(text, reference) for reference in texts] for text in texts])
    kernel = (kernel + kernel.T) / 2
    np.fill_diagonal(kernel, 1.0)
    eigenvalues = np.linalg.eigvalsh(kernel / len(texts))
    eigenvalues = eigenvalues[eigenvalues > 1e-12]
    return float(np.exp(-(eigenvalues * np.log(eigenvalues)).sum()))


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())
