"""What a step has noted, a line a fact, in the record's own words."""

from collections.abc import Iterator, Mapping
from typing import Any

from moagraph.nodes.state import Json, Proposal
from moagraph.nodes.texts.printable import one_line

# What is told elsewhere: the texts, and what every call has.
ELSEWHERE = {*Proposal.__annotations__, "kept", "texts", "calls", "node", "told", "parsed"}
ELSEWHERE |= {"passes", "settled", "finish", "grades", "question", "why"}
ELSEWHERE |= {"complaints", "passages", "report", "sentences", "unsupported", "verdicts"}


def facts(record: Json) -> Iterator[str]:
    """Each key with what it holds; of a list of notes, a line for each."""
    for key, value in record.items():
        if key in ELSEWHERE or value in ([], {}, None) or (key, value) == ("unparsed", 0):
            continue
        name = key.replace("_", " ")
        notes = _notes(value)
        if notes is None:
            yield one_line(f"{name}: {_said(value)}")
        else:
            yield from (one_line(f"{name}: {note}") for note in notes)


def _notes(value: Any) -> list[str] | None:
    """A line for each, where there is more than a line can hold."""
    if isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        return [_said(one) for one in value]
    if isinstance(value, Mapping) and any(isinstance(one, Mapping) for one in value.values()):
        return [f"{key}: {_said(one)}" for key, one in value.items()]
    return None


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        several = any(isinstance(one, list | tuple) for one in value.values())
        return ("; " if several else ", ").join(f"{k} {_said(one)}" for k, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_said(one) for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)
