"""A graph of triples, searched around the entities that a question names."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from urllib.parse import unquote

from moagraph.nodes.errors import UsageError
from moagraph.nodes.knowledge.passages import Passage
from moagraph.nodes.knowledge.sources import read_text
from moagraph.nodes.messages.shorten import omission_mark
from moagraph.nodes.texts.words import split_words

Triple = tuple[str, str, str, str]  # subject, predicate, object, source file
HEADS = {("s", "p", "o"), ("subject", "predicate", "object")}
LABEL = "http://www.w3.org/2000/01/rdf-schema#label"

_TERM = r'(<[^<>\s]+>|_:\S+|"(?:[^"\\]|\\.)*"(?:@[\w-]+|\^\^<[^<>\s]+>)?)'
_LINE = re.compile(rf"\s*{_TERM}\s+(<[^<>\s]+>)\s+{_TERM}\s*\.\s*(?:#.*)?")
_ESCAPES = {"n": " ", "t": " ", "r": " "}


def read_triples(file: Path, name: str) -> list[Triple]:
    """Read the triples of a .csv or .nt file, with readable names.

    Args:
        file: The path of the file.
        name: The name under which the triples are cited.
    """
    try:
        text = read_text(file)
        kind = file.suffix.lower()
        if kind not in (".csv", ".nt"):
            raise UsageError("is neither a .csv nor a .nt file of triples")
        terms = list(_from_csv(text) if kind == ".csv" else _from_nt(text))
    except (UsageError, csv.Error) as error:
        raise UsageError(f"{name} {error}") from error
    return [(s, p, o, name) for s, p, o in terms]


class Graph:
    """Triples indexed by their subject and object."""

    def __init__(self, triples: Sequence[Triple]) -> None:
        """Index the triples, without duplicates."""
        self._triples: dict[str, list[Triple]] = defaultdict(list)
        for triple in dict.fromkeys(triples):
            for end in dict.fromkeys((triple[0], triple[2])):
                self._triples[end].append(triple)

    def around(self, question: str, hops: int, top: int, length: int) -> list[Passage]:
        """Return passages about the named entities and their neighbours.

        Args:
        question: The text that names entities.
        hops: How many edges to follow.
        top: The largest number of passages.
        length: The largest number of characters of a passage.
        """
        near = self.named(question)
        seen, reported, passages = set(near), set[Triple](), list[Passage]()
        for _ in range(hops):
            further: list[str] = []
            for name in near:
                fresh = [triple for triple in self._triples[name] if triple not in reported]
                reported.update(fresh)
                if fresh and len(passages) < top:
                    passages.append(Passage(_sentences(fresh, length), f"{fresh[0][3]}, {name}"))
                ends = (end for s, _, o, _ in fresh for end in (s, o))
                further += [end for end in dict.fromkeys(ends) if end not in seen]
                seen.update(further)
            near = further
        return passages

    def named(self, question: str) -> list[str]:
        """Return the entities whose full name is in the question, longest first."""
        words = f" {' '.join(split_words(question))} "
        named = [
            n
            for n in self._triples
            if (name_words := split_words(n)) and f" {' '.join(name_words)} " in words
        ]
        return sorted(named, key=lambda name: (-len(name), name))


def _sentences(triples: Sequence[Triple], length: int) -> str:
    sentences = [f"{s} {p} {o}." for s, p, o, _ in triples]
    fits = sum(size <= length for size in accumulate(len(sentence) + 1 for sentence in sentences))
    included, rest = sentences[: max(fits, 1)], " ".join(sentences[max(fits, 1) :])
    return " ".join([*included, omission_mark(len(rest))] if rest else included)


def _from_csv(text: str) -> Iterator[tuple[str, str, str]]:
    for number, row in enumerate(csv.reader(io.StringIO(text)), 1):
        cells = tuple(cell.strip() for cell in row)
        if not any(cells) or (number == 1 and tuple(map(str.lower, cells)) in HEADS):
            continue
        if len(cells) != 3:
            raise UsageError(f"line {number} has {len(cells)} values: a triple has three")
        yield cells[0], cells[1], cells[2]


def _from_nt(text: str) -> Iterator[tuple[str, str, str]]:
    terms = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not (match := _LINE.fullmatch(line)):
            raise UsageError(f"line {number} is not a triple: {line.strip()[:60]!r}")
        terms.append((match[1], match[2], match[3]))
    labels = {s: _name(o) for s, p, o in terms if p == f"<{LABEL}>"}
    for s, p, o in terms:
        if p != f"<{LABEL}>":
            yield labels.get(s) or _name(s), labels.get(p) or _name(p), labels.get(o) or _name(o)


def _name(term: str) -> str:
    """Return the readable name of a term: the last part of an IRI, or a literal's text."""
    if term.startswith('"'):
        literal = term[1 : term.rindex('"')]
        return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), literal)
    last = unquote(re.split(r"[#/:]", term.strip("<>").rstrip("/#"))[-1])
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", last).replace("_", " ")
