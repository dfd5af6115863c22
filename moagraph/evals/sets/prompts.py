"""Any file of prompts, or of question and answer pairs: JSON lines, or one prompt a line."""

from collections import Counter
from pathlib import Path
from typing import Any

from moagraph.evals.dataset import DataSet, Item, digest
from moagraph.evals.sets.reading import text_of
from moagraph.nodes.errors import UsageError
from moagraph.nodes.state import Json

ASKED = ("prompt", "question", "instruction", "text", "input")
ANSWERED = ("reference", "answer", "target", "expected", "output")
NAMED = ("id", "question_id", "index")


def is_plain(text: str) -> bool:
    """Whether it is text with a prompt a line, and no JSON."""
    return text.lstrip()[:1] not in ("{", "[")


def plain(file: Path) -> DataSet:
    """One prompt a line."""
    lines = [line.strip() for line in text_of(file).split("\n") if line.strip()]
    return DataSet(file.stem, _named([(None, Item("", (line,))) for line in lines]), str(file))


def load(file: Path, rows: list[tuple[int, Json]]) -> DataSet:
    """A prompt a row, under whichever of the usual names it stands."""
    items = [(_first(row, NAMED), _item(f"{file}:{number}", row)) for number, row in rows]
    return DataSet(file.name.split(".")[0], _named(items), str(file))


def _named(items: list[tuple[Any, Item]]) -> tuple[Item, ...]:
    """Rows without an id are known by what they say, the second of the same with its number."""
    seen: Counter[str] = Counter()
    named = []
    for id_, item in items:
        if id_ is None:
            said = digest([item.before, item.turns])[:12]
            seen[said] += 1
            id_ = said if seen[said] == 1 else f"{said}#{seen[said]}"
        named.append(Item(**{**vars(item), "id": id_}))
    return tuple(named)


def _item(where: str, row: Json) -> Item:
    before, asked = _asked(where, row)
    if isinstance(row.get("system"), str) and not before:
        before = (("system", row["system"]),)
    reference, category = _first(row, ANSWERED), row.get("category")
    return Item(
        id="",
        turns=asked,
        before=before,
        category=None if category is None else str(category),
        temperature=temperature(where, row.get("temperature")),
        references=() if reference is None else (str(reference),),
        row=row,
    )


def temperature(where: str, said: Any, key: str = "temperature") -> float | None:
    """A row's temperature, where it says one."""
    if said is None or (isinstance(said, int | float) and 0 <= said <= 2):
        return None if said is None else float(said)
    raise UsageError(f"{where}: `{key}` {said!r}: it is a number from 0 to 2")


def _asked(where: str, row: Json) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """What stands before the question, and the question."""
    if "messages" in row:
        *before, last = _messages(where, row["messages"])
        if last[0] != "user":
            raise UsageError(f"{where}: the conversation must end with a user's message")
        return tuple(before), (last[1],)
    asked = _first(row, ASKED)
    if not isinstance(asked, str) or not asked.strip():
        keys = ", ".join(f"`{key}`" for key in (*ASKED[:3], "messages"))
        raise UsageError(f"{where}: there is no prompt: a row has one of {keys}, and it is text")
    return (), (asked,)


def _messages(where: str, said: Any) -> list[tuple[str, str]]:
    roles = {"system", "user", "assistant"}
    good = isinstance(said, list) and all(
        isinstance(m, dict) and m.get("role") in roles and isinstance(m.get("content"), str)
        for m in said
    )
    if not good or not said:
        raise UsageError(
            f'{where}: `messages` is a list such as [{{"role": "user", "content": "…"}}]'
        )
    return [(message["role"], message["content"]) for message in said]


def _first(row: Json, names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)
