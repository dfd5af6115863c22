"""SQL: each answer's query is guarded and run, and the rows that most agree on are the answer."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from moagraph.nodes.resources import DATABASE, Names
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.step_support.answer import message_of_text
from moagraph.nodes.knowledge.database import opened
from moagraph.nodes.knowledge.query import Limits, QueryRefused, Rows, ordered, run
from moagraph.nodes.knowledge.result_vote import Result, elect
from moagraph.nodes.knowledge.sources import Sources, found
from moagraph.nodes.knowledge.sql_text import query_in, table
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.base import Step, Update

SAID = 300  # characters of an answer without a query that are told


class Sql(Step):
    """Which database is asked, and how much a query may take."""

    may_end_turn: ClassVar[bool] = True

    step: Literal["sql"] = "sql"
    source: Annotated[Sources, Names(DATABASE)] = Field(
        description="An SQLite file, or .sql and .csv files to build one from."
    )
    seconds: float = Field(5, gt=0, le=300, description="After which a query is stopped.")
    rows: int = Field(200, ge=1, le=10_000, description="The most rows that a query may return.")

    @property
    def leaves_one_answer(self) -> bool:
        """It writes one answer: what the queries came to, or that none did."""
        return True

    def check_ready(self) -> None:
        """Refuse a `source` that finds no file."""
        found(self.source)

    def files(self, recipe: str) -> Sequence[str]:
        """Its source."""
        return self.source

    async def run(self, view: NodeView) -> Update:
        """Run and vote; where nothing ran, a layer behind reads the queries and their errors."""
        if view.layer_skipped and not view.spec.ends_turn:
            return {}
        texts = view.answers
        queries = {seat: query_in(text) for seat, text in texts.items()}
        came = await asyncio.to_thread(_ran, self, queries)
        ran = {seat: rows for seat, rows in came.items() if isinstance(rows, Rows)}
        told = {seat: _told(queries[seat], rows) for seat, rows in came.items()}
        record: Json = {"queries": told, "ran": len(ran)}
        if ran:
            elected, text = _elected(queries, ran)
            record |= {**elected, "text": text, "settled": True}
        elif view.spec.layer < len(view.recipe["layers"]):
            record |= {"settled": False, "why": _none_ran(told)}
            record["texts"] = {seat: _to_repair(texts[seat], one) for seat, one in told.items()}
        else:
            record |= {"text": _nothing(told), "why": _none_ran(told)}
        update: dict[str, Any] = {"steps": {view.spec.name: record}}
        if view.spec.ends_turn and (ran or view.spec.always_last):
            update["messages"] = [message_of_text(record["text"])]
        return update




def _ran(step: Sql, queries: Mapping[str, str | None]) -> dict[str, Rows | str]:
    """The rows of each query, or why there are none."""
    limits = Limits(seconds=step.seconds, rows=step.rows)
    came: dict[str, Rows | str] = {}
    with opened(found(step.source)) as database:
        for seat, query in queries.items():
            try:
                came[seat] = run(database, query, limits) if query else "there is no query in it"
            except QueryRefused as error:
                came[seat] = str(error)
    return came


def _elected(queries: Mapping[str, str | None], ran: Mapping[str, Rows]) -> tuple[Json, str]:
    """What the vote came to, and the answer that it makes."""
    results = {seat: Result(rows.rows, ordered(queries[seat] or "")) for seat, rows in ran.items()}
    best = elect(results)
    query = (queries[best.seat] or "").rstrip("; \n")
    agree = f"{len(best.agree)} of {len(queries)} queries came to this"
    reason = agree + (", and others agreed on something else as often" if best.tie else "")
    text = f"{table(ran[best.seat])}\n\n```sql\n{query};\n```\n\n{reason}."
    return {"elected": best.seat, "agree": best.agree, "tie": best.tie, "why": reason}, text


def _told(query: str | None, came: Rows | str) -> Json:
    error = came if isinstance(came, str) else None
    return {
        "query": query,
        "rows": len(came.rows) if isinstance(came, Rows) else None,
        "error": error,
    }


def _to_repair(text: str, told: Json) -> str:
    said = f"```sql\n{told['query']}\n```" if told["query"] else text[:SAID]
    return f"{said}\nError: {told['error']}"


def _nothing(told: Mapping[str, Json]) -> str:
    errors = "\n".join(f"- {one['query'] or 'no query'}: {one['error']}" for one in told.values())
    return f"There is no answer: {_none_ran(told)}.\n\n{errors}"


def _none_ran(told: Mapping[str, Json]) -> str:
    return f"none of {len(told)} queries could be run"
