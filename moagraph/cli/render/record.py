"""What a step has recorded beyond texts and calls, as lines in the record's own words."""

from collections.abc import Iterator, Mapping
from typing import Any

from moagraph.nodes.state import Json, Proposal
from moagraph.nodes.texts.printable import one_line

# Printed by other functions: the texts, and what every call has.
PRINTED_ELSEWHERE = {*Proposal.__annotations__, "kept", "texts", "calls", "node", "told", "parsed"}
PRINTED_ELSEWHERE |= {"passes", "settled", "finish", "grades", "question", "why"}
PRINTED_ELSEWHERE |= {"complaints", "passages", "report", "sentences", "unsupported", "verdicts"}


def record_lines(record: Json) -> Iterator[str]:
    """Each key with its value; a list of tables, or a table of tables, has a line for each."""
    for key, value in record.items():
        if key in PRINTED_ELSEWHERE or value in ([], {}, None) or (key, value) == ("unparsed", 0):
            continue
        name = key.replace("_", " ")
        items = _item_texts(value)
        if items is None:
            yield one_line(f"{name}: {_value_text(value)}")
        else:
            yield from (one_line(f"{name}: {item}") for item in items)


def _item_texts(value: Any) -> list[str] | None:
    """A text for each item, if the items are tables; else None."""
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return [_value_text(item) for item in value]
    if isinstance(value, Mapping) and any(isinstance(item, Mapping) for item in value.values()):
        return [f"{key}: {_value_text(item)}" for key, item in value.items()]
    return None


def _value_text(value: Any) -> str:
    if isinstance(value, Mapping):
        has_lists = any(isinstance(item, list | tuple) for item in value.values())
        pairs = (f"{key} {_value_text(item)}" for key, item in value.items())
        return ("; " if has_lists else ", ").join(pairs)
    if isinstance(value, list | tuple):
        return ", ".join(_value_text(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)
