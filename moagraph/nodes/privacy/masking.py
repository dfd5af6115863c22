"""Placeholders in the place of private details: known ones, and those that were just found."""

from collections import Counter
from collections.abc import Iterable

from moagraph.nodes.privacy.detection import Found
from moagraph.nodes.privacy.placeholders import owner_of
from moagraph.nodes.privacy.spelling_variants import Span, apart, folded, spans
from moagraph.nodes.privacy.vault import Vault


class Hiding:
    """One vault while texts are hidden by it; what is new in them gets a number."""

    def __init__(self, safe: Vault) -> None:
        """Know by its letters what the vault holds."""
        self.safe = safe
        self.owners: dict[tuple[str, str], str] = {}
        self.counts: Counter[str] = Counter()
        for name, value in safe.values.items():
            kind, _, number = owner_of(name).rpartition("_")
            self.counts[kind] = max(self.counts[kind], int(number))
            self.owners.setdefault((kind, _letters(value)), owner_of(name))

    def owner(self, kind: str, value: str) -> str:
        """Its name where it is known, however it is spelled; else a new one."""
        key = (kind, _letters(value))
        if key not in self.owners:
            self.counts[kind] += 1
            self.owners[key] = f"{kind}_{self.counts[kind]}"
            self.safe.values[f"<{self.owners[key]}>"] = value
        return self.owners[key]

    def found(self, text: str, finds: Iterable[Found]) -> list[Span]:
        """The finds, each with its name; of those that overlap the longer one, or the first."""
        said = apart((Span(start, end, kind) for kind, start, end in finds), len(text))
        return [
            Span(one.start, one.end, self.owner(one.owner, text[one.start : one.end]))
            for one in said
        ]

    def hidden(self, text: str, found: Iterable[Span] = ()) -> str:
        """The text with placeholders for what was found, and wherever a known value stands."""
        told, at = list[str](), 0
        for span in apart([*found, *spans(text, self.safe.values)], len(text)):
            spelled = text[span.start : span.end]
            told += [text[at : span.start], self.safe.placeholder(span.owner, spelled)]
            at = span.end
        return "".join([*told, text[at:]])


def _letters(value: str) -> str:
    return folded(value).key or value
