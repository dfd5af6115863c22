"""A file of prompts, or of question and answer pairs: JSON lines, or one prompt per line."""

from collections import Counter
from pathlib import Path
from typing import Any

from moagraph.evals.dataset import DataSet, Item, digest
from moagraph.evals.sets.reading import read_text
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json

PROMPT_KEYS = ("prompt", "question", "instruction", "text", "input")
REFERENCE_KEYS = ("reference", "answer", "target", "expected", "output")
ID_KEYS = ("id", "question_id", "index")


def is_plain_text(text: str) -> bool:
    """Return whether the text has one prompt per line and is no JSON."""
    return text.lstrip()[:1] not in ("{", "[")


def load_plain_text(file: Path) -> DataSet:
    """Load a text file with one prompt per line."""
    lines = [line.strip() for line in read_text(file).split("\n") if line.strip()]
    return DataSet(file.stem, _with_ids([(None, Item("", (line,))) for line in lines]), str(file))


def load(file: Path, rows: list[tuple[int, Json]]) -> DataSet:
    """Load rows that have a prompt under any of the usual keys, or `messages`.

    Args:
        file: The file, for the data set's name and for error messages.
        rows: Its rows, each with its line number.
    """
    items = [(_first_value(row, ID_KEYS), _item(f"{file}:{number}", row)) for number, row in rows]
    return DataSet(file.name.split(".")[0], _with_ids(items), str(file))


def _with_ids(items: list[tuple[Any, Item]]) -> tuple[Item, ...]:
    """Set each item's id; a row without one gets a hash, which does not depend on its position."""
    counts: Counter[str] = Counter()
    items_with_ids = []
    for id_, item in items:
        if id_ is None:
            content_hash = digest([item.history, item.turns])[:12]
            counts[content_hash] += 1
            repeated = counts[content_hash] > 1
            id_ = f"{content_hash}#{counts[content_hash]}" if repeated else content_hash
        items_with_ids.append(Item(**{**vars(item), "id": id_}))
    return tuple(items_with_ids)


def _item(location: str, row: Json) -> Item:
    history, turns = _parse_turns(location, row)
    if isinstance(row.get("system"), str) and not history:
        history = (("system", row["system"]),)
    reference, category = _first_value(row, REFERENCE_KEYS), row.get("category")
    return Item(
        id="",
        turns=turns,
        history=history,
        category=None if category is None else str(category),
        temperature=parse_temperature(location, row.get("temperature")),
        references=() if reference is None else (str(reference),),
        row=row,
    )


def parse_temperature(location: str, value: Any, key: str = "temperature") -> float | None:
    """Return a row's temperature; None if it sets none.

    Args:
        location: The file and line, for error messages.
        value: The value in the row.
        key: The key that has the value.
    """
    if value is None or (isinstance(value, int | float) and 0 <= value <= 2):
        return None if value is None else float(value)
    raise UsageError(f"{location}: `{key}` {value!r}: it is a number from 0 to 2")


def _parse_turns(location: str, row: Json) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return the messages before the question, and the question."""
    if "messages" in row:
        *history, last = _parse_messages(location, row["messages"])
        if last[0] != "user":
            raise UsageError(f"{location}: the conversation must end with a user's message")
        return tuple(history), (last[1],)
    prompt = _first_value(row, PROMPT_KEYS)
    if not isinstance(prompt, str) or not prompt.strip():
        keys = ", ".join(f"`{key}`" for key in (*PROMPT_KEYS[:3], "messages"))
        raise UsageError(f"{location}: there is no prompt: a row has one of {keys}, and it is text")
    return (), (prompt,)


def _parse_messages(location: str, value: Any) -> list[tuple[str, str]]:
    roles = {"system", "user", "assistant"}
    valid = isinstance(value, list) and all(
        isinstance(m, dict) and m.get("role") in roles and isinstance(m.get("content"), str)
        for m in value
    )
    if not valid or not value:
        raise UsageError(
            f'{location}: `messages` is a list such as [{{"role": "user", "content": "…"}}]'
        )
    return [(message["role"], message["content"]) for message in value]


def _first_value(row: Json, keys: tuple[str, ...]) -> Any:
    return next((row[key] for key in keys if row.get(key) is not None), None)
