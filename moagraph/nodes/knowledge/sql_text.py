"""Extract SQL from answers of models, and render result rows."""

import re

from moagraph.nodes.knowledge.database import format_value
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
    """Return the query in an answer: its last code block, else text that looks like SQL."""
    blocks = [block[1].strip() for block in _BLOCK.finditer(answer)]
    if blocks := [block for block in blocks if block]:
        return blocks[-1]
    if match := _BEGIN.search(answer):
        query = match[1].strip().strip("`")
        return query[: query.rindex(";")].strip() if ";" in query else query
    match = _INSIDE.search(answer)
    return match[1].strip().strip("`").strip() if match else None


def table(rows: Rows) -> str:
    """Render the rows as a Markdown table."""
    lines = [rows.columns, ["---"] * len(rows.columns), *rows.rows]
    rendered = ["| " + " | ".join(_cell(value) for value in line) + " |" for line in lines]
    return "\n".join(rendered if rows.rows else [*rendered, "", "No rows."])


def _cell(value: object) -> str:
    return format_value(value, CELL).replace("|", "\\|")
