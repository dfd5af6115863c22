"""SQL: run the query of each proposal under guard; the rows that most agree on are the answer."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from moagraph.nodes.knowledge.database import open_database
from moagraph.nodes.knowledge.query import QueryLimits, QueryRefused, Rows, ordered, run
from moagraph.nodes.knowledge.result_vote import QueryResult, elect
from moagraph.nodes.knowledge.sources import Sources, find_files
from moagraph.nodes.knowledge.sql_text import query_in, table
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.resources import DATABASE, Names
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.answer import message_of_text
from moagraph.nodes.step_support.base import Step, Update

EXCERPT = 300  # characters of a proposal without a query that the next layer reads


class Sql(Step):
    """Which database is queried, and how much a query may take."""

    may_end_turn: ClassVar[bool] = True

    step: Literal["sql"] = "sql"
    source: Annotated[Sources, Names(DATABASE)] = Field(
        description="An SQLite file, or .sql and .csv files to build one from."
    )
    seconds: float = Field(5, gt=0, le=300, description="After which a query is stopped.")
    rows: int = Field(200, ge=1, le=10_000, description="The most rows that a query may return.")

    @property
    def leaves_one_answer(self) -> bool:
        """It writes one answer: the elected rows, or that no query could be run."""
        return True

    def check_ready(self) -> None:
        """Refuse a `source` that matches no file."""
        find_files(self.source)

    def files(self, recipe: str) -> Sequence[str]:
        """Return its source."""
        return self.source

    async def run(self, view: NodeView) -> Update:
        """Run and vote; if no query runs, the next layer reads the queries and their errors."""
        if view.layer_skipped and not view.spec.ends_turn:
            return {}
        texts = view.answers
        queries = {seat: query_in(text) for seat, text in texts.items()}
        results = await asyncio.to_thread(self._run_queries, queries)
        succeeded = {seat: rows for seat, rows in results.items() if isinstance(rows, Rows)}
        records = {seat: _query_record(queries[seat], result) for seat, result in results.items()}
        record: Json = {"queries": records, "ran": len(succeeded)}
        if succeeded:
            elected, text = _elect(queries, succeeded)
            record |= {**elected, "text": text, "settled": True}
        elif view.spec.layer < len(view.recipe["layers"]):
            repairs = {seat: _repair_text(texts[seat], query) for seat, query in records.items()}
            record |= {"settled": False, "why": _none_ran(records), "texts": repairs}
        else:
            record |= {"text": _failure_text(records), "why": _none_ran(records)}
        update: Update = {"steps": {view.spec.name: record}}
        if view.spec.ends_turn and (succeeded or view.spec.always_last):
            update["messages"] = [message_of_text(record["text"])]
        return update

    def _run_queries(self, queries: Mapping[str, str | None]) -> dict[str, Rows | str]:
        """Return the rows of each query, or why there are none."""
        limits = QueryLimits(seconds=self.seconds, rows=self.rows)
        results: dict[str, Rows | str] = {}
        with open_database(find_files(self.source)) as database:
            for seat, query in queries.items():
                try:
                    results[seat] = (
                        run(database, query, limits) if query else "there is no query in it"
                    )
                except QueryRefused as error:
                    results[seat] = str(error)
        return results


def _elect(queries: Mapping[str, str | None], rows_by_seat: Mapping[str, Rows]) -> tuple[Json, str]:
    """Return the record of the vote, and the answer."""
    results = {
        seat: QueryResult(rows.rows, ordered(queries[seat] or ""))
        for seat, rows in rows_by_seat.items()
    }
    best = elect(results)
    query = (queries[best.seat] or "").rstrip("; \n")
    agree = f"{len(best.agree)} of {len(queries)} queries came to this"
    reason = agree + (", and others agreed on something else as often" if best.tie else "")
    text = f"{table(rows_by_seat[best.seat])}\n\n```sql\n{query};\n```\n\n{reason}."
    return {"elected": best.seat, "agree": best.agree, "tie": best.tie, "why": reason}, text


def _query_record(query: str | None, result: Rows | str) -> Json:
    return {
        "query": query,
        "rows": len(result.rows) if isinstance(result, Rows) else None,
        "error": result if isinstance(result, str) else None,
    }


def _repair_text(text: str, record: Json) -> str:
    """Return a query with its error, for the next layer to correct."""
    excerpt = f"```sql\n{record['query']}\n```" if record["query"] else text[:EXCERPT]
    return f"{excerpt}\nError: {record['error']}"


def _failure_text(records: Mapping[str, Json]) -> str:
    errors = "\n".join(
        f"- {record['query'] or 'no query'}: {record['error']}" for record in records.values()
    )
    return f"There is no answer: {_none_ran(records)}.\n\n{errors}"


def _none_ran(records: Mapping[str, Json]) -> str:
    return f"none of {len(records)} queries could be run"
