"""Replace private details with placeholders: known details and newly detected ones."""

from collections import Counter
from collections.abc import Iterable

from moagraph.nodes.privacy.detection import Found
from moagraph.nodes.privacy.placeholders import owner_of
from moagraph.nodes.privacy.spelling_variants import Span, apart, folded, spans
from moagraph.nodes.privacy.vault import Vault


class Hiding:
    """Masks texts with the placeholders of one vault, and numbers new details."""

    def __init__(self, safe: Vault) -> None:
        """Index the details that the vault already holds."""
        self.safe = safe
        self.owners: dict[tuple[str, str], str] = {}
        self.counts: Counter[str] = Counter()
        for name, value in safe.values.items():
            kind, _, number = owner_of(name).rpartition("_")
            self.counts[kind] = max(self.counts[kind], int(number))
            self.owners.setdefault((kind, _letters(value)), owner_of(name))

    def owner(self, kind: str, value: str) -> str:
        """Return the owner of a value, in any spelling; a new value gets the next number."""
        key = (kind, _letters(value))
        if key not in self.owners:
            self.counts[kind] += 1
            self.owners[key] = f"{kind}_{self.counts[kind]}"
            self.safe.values[f"<{self.owners[key]}>"] = value
        return self.owners[key]

    def found(self, text: str, finds: Iterable[Found]) -> list[Span]:
        """Return the detected spans with their owners; of overlapping spans the longest remains."""
        chosen = apart((Span(start, end, kind) for kind, start, end in finds), len(text))
        return [
            Span(span.start, span.end, self.owner(span.owner, text[span.start : span.end]))
            for span in chosen
        ]

    def hidden(self, text: str, located: Iterable[Span] = ()) -> str:
        """Replace the detected spans, and every known value, with placeholders."""
        pieces, at = list[str](), 0
        # Known values are searched too: the detector may miss one in another spelling.
        for span in apart([*located, *spans(text, self.safe.values)], len(text)):
            spelled = text[span.start : span.end]
            pieces += [text[at : span.start], self.safe.placeholder(span.owner, spelled)]
            at = span.end
        return "".join([*pieces, text[at:]])


def _letters(value: str) -> str:
    return folded(value).key or value
