"""The sentences of a text that bear on a question, and a mark for what is left out."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from math import log, sqrt

from moagraph.nodes.knowledge.search import telling, words
from moagraph.nodes.texts.sentences import Span, sentences
from moagraph.nodes.messages.shorten import cut, mark

CENTRAL = 0.2  # how much it counts that others of the text say the same, beside the question
MARK = len(mark(1_000_000)) + 2  # characters that a sentence on its own may cost


def extract(text: str, question: str, most: int) -> str:
    """The text in at most so many characters: its best sentences, in the order they stand in."""
    if len(text) <= most:
        return text
    spans = sentences(text)
    scores = _scores([text[start:end] for start, end in spans], question)
    kept: set[int] = set()
    left = most - MARK
    for number in sorted(range(len(spans)), key=lambda n: (-scores[n], n)):
        cost = _cost(spans, number, kept)
        if cost <= left:
            kept.add(number)
            left -= cost
    if not kept:
        return cut(text, len(text) - max(most - MARK, 0))
    return _joined(text, [spans[number] for number in sorted(kept)])


def _cost(spans: Sequence[Span], number: int, kept: set[int]) -> int:
    """The characters that a sentence takes: its own, and the space or the mark beside it."""
    start, end = spans[number]
    before = start - spans[number - 1][1] if number - 1 in kept else 0
    behind = spans[number + 1][0] - end if number + 1 in kept else 0
    return end - start + (before + behind or MARK)


def _scores(said: Sequence[str], question: str) -> list[float]:
    """How much each sentence says of the question: rare words count more, long ones less."""
    bags = [words(sentence) for sentence in said]
    holding = Counter(word for bag in bags for word in set(bag))
    rarity = {word: log(1 + len(bags) / number) for word, number in holding.items()}
    asked = set(telling(question))
    return [_score(bag, asked, rarity, holding) for bag in bags]


def _score(
    bag: Sequence[str], asked: set[str], rarity: Mapping[str, float], holding: Mapping[str, int]
) -> float:
    if not bag:
        return 0.0
    unique = set(bag)
    near = sum(rarity[word] for word in unique & asked)
    shared = sum(rarity[word] for word in telling(" ".join(bag)) if holding[word] > 1)
    return (near + CENTRAL * shared) / sqrt(len(bag))


def _joined(text: str, spans: Sequence[Span]) -> str:
    """The spans with what stands between them, or a mark where that was more than space."""
    parts, at = [], 0
    for start, end in spans:
        parts += [_between(text[at:start]), text[start:end]]
        at = end
    return "".join([*parts, _between(text[at:])]).strip()


def _between(gap: str) -> str:
    said = gap.strip()
    if len(said) <= MARK:  # the mark would be no shorter
        return gap
    before, after = gap[: len(gap) - len(gap.lstrip())], gap[len(gap.rstrip()) :]
    edge = "\n" if "\n" in before + after else " "
    return f"{edge}{mark(len(said))}{edge}"


def ends(text: str, most: int = 600) -> tuple[str, str, str]:
    """A long question in three: how it begins, what is pasted between, how it ends.

    People put what they want first or last: those paragraphs, or the sentences at that end.
    """
    paragraphs = [p.span() for p in re.finditer(r"\S.*?(?=\n[ \t]*\n|\Z)", text, re.DOTALL)]
    spans = sentences(text)
    if len(spans) < 3:
        return "", text, ""
    head = paragraphs[0][1] if paragraphs[0][1] <= most else spans[0][1]
    tail = paragraphs[-1][0] if len(text) - paragraphs[-1][0] <= most else spans[-1][0]
    if head >= tail:
        head, tail = spans[0][1], spans[-1][0]
    if head + len(text) - tail > 2 * most:  # no end is short enough to be what is wanted
        return "", text, ""
    return text[:head].strip(), text[head:tail].strip(), text[tail:].strip()
