"""SQL as models write it into their answers, and rows as a person reads them."""

import re

from moagraph.nodes.knowledge.database import shown
from moagraph.nodes.knowledge.query import Rows

CELL = 200  # characters of a value in the answer

_BLOCK = re.compile(r"```[ \t]*(?:\w+)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_BEGIN = re.compile(
    r"^[ \t>*`]*((?:select|with|values|insert|update|delete|drop|create|alter|attach|detach|pragma"
    r"|replace|vacuum)\b.*?)(?=\n[ \t]*\n|\Z)",
    re.DOTALL | re.IGNORECASE | re.MULTILINE,
)
_INSIDE = re.compile(r"\b(select\b.*?)(?=\n[ \t]*\n|;|\Z)", re.DOTALL | re.IGNORECASE)


def query_in(answer: str) -> str | None:
    """The query of an answer: its last block of code, else what begins like SQL."""
    blocks = [block[1].strip() for block in _BLOCK.finditer(answer)]
    if blocks := [block for block in blocks if block]:
        return blocks[-1]
    if found := _BEGIN.search(answer):
        said = found[1].strip().strip("`")
        return said[: said.rindex(";")].strip() if ";" in said else said
    found = _INSIDE.search(answer)
    return found[1].strip().strip("`").strip() if found else None


def table(came: Rows) -> str:
    """The rows as a Markdown table."""
    lines = [came.columns, ["---"] * len(came.columns), *came.rows]
    told = ["| " + " | ".join(_cell(value) for value in line) + " |" for line in lines]
    return "\n".join(told if came.rows else [*told, "", "No rows."])


def _cell(value: object) -> str:
    return shown(value, CELL).replace("|", "\\|")
