"""Extract the sentences of a text that matter for a question, and mark what is left out."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from math import log, sqrt

from moagraph.nodes.messages.shorten import cut_middle, omission_mark
from moagraph.nodes.texts.sentences import Span, sentence_spans
from moagraph.nodes.texts.words import keywords, split_words

CENTRALITY = 0.2  # weight of words that other sentences share, against those of the question
MARK_LENGTH = len(omission_mark(1_000_000)) + 2  # characters that an isolated sentence may cost


def extract(text: str, question: str, limit: int) -> str:
    """Return at most so many characters of a text: its best sentences, in their order."""
    if len(text) <= limit:
        return text
    spans = sentence_spans(text)
    scores = _scores([text[start:end] for start, end in spans], question)
    selected: set[int] = set()
    room = limit - MARK_LENGTH
    for number in sorted(range(len(spans)), key=lambda n: (-scores[n], n)):
        cost = _cost(spans, number, selected)
        if cost <= room:
            selected.add(number)
            room -= cost
    if not selected:
        return cut_middle(text, len(text) - max(limit - MARK_LENGTH, 0))
    return _join(text, [spans[number] for number in sorted(selected)])


def split_ends(text: str, limit: int = 600) -> tuple[str, str, str]:
    """Split a long question into its beginning, the text pasted between, and its end.

    People write what they want first or last: in the paragraphs, or the sentences, at that end.
    """
    paragraphs = [p.span() for p in re.finditer(r"\S.*?(?=\n[ \t]*\n|\Z)", text, re.DOTALL)]
    spans = sentence_spans(text)
    if len(spans) < 3:
        return "", text, ""
    head = paragraphs[0][1] if paragraphs[0][1] <= limit else spans[0][1]
    tail = paragraphs[-1][0] if len(text) - paragraphs[-1][0] <= limit else spans[-1][0]
    if head >= tail:
        head, tail = spans[0][1], spans[-1][0]
    if head + len(text) - tail > 2 * limit:  # neither end is short enough to be the request
        return "", text, ""
    return text[:head].strip(), text[head:tail].strip(), text[tail:].strip()


def _cost(spans: Sequence[Span], number: int, selected: set[int]) -> int:
    """Return the characters of a sentence, and of the space or the mark next to it."""
    start, end = spans[number]
    gap_before = start - spans[number - 1][1] if number - 1 in selected else 0
    gap_after = spans[number + 1][0] - end if number + 1 in selected else 0
    return end - start + (gap_before + gap_after or MARK_LENGTH)


def _scores(sentences: Sequence[str], question: str) -> list[float]:
    """Score each sentence against the question: rare words count more, long sentences less."""
    bags = [split_words(sentence) for sentence in sentences]
    frequency = Counter(word for bag in bags for word in set(bag))
    rarity = {word: log(1 + len(bags) / number) for word, number in frequency.items()}
    wanted_words = set(keywords(question))
    return [_score(bag, wanted_words, rarity, frequency) for bag in bags]


def _score(
    bag: Sequence[str],
    wanted_words: set[str],
    rarity: Mapping[str, float],
    frequency: Mapping[str, int],
) -> float:
    if not bag:
        return 0.0
    relevance = sum(rarity[word] for word in set(bag) & wanted_words)
    shared = sum(rarity[word] for word in keywords(" ".join(bag)) if frequency[word] > 1)
    return (relevance + CENTRALITY * shared) / sqrt(len(bag))


def _join(text: str, spans: Sequence[Span]) -> str:
    """Join the spans with the space between them, or a mark where text was left out."""
    parts, position = [], 0
    for start, end in spans:
        parts += [_gap(text[position:start]), text[start:end]]
        position = end
    return "".join([*parts, _gap(text[position:])]).strip()


def _gap(gap: str) -> str:
    omitted = gap.strip()
    if len(omitted) <= MARK_LENGTH:  # the mark would be no shorter
        return gap
    before, after = gap[: len(gap) - len(gap.lstrip())], gap[len(gap.rstrip()) :]
    edge = "\n" if "\n" in before + after else " "
    return f"{edge}{omission_mark(len(omitted))}{edge}"
