"""Retrieve: add passages from files, a database or a graph to the question of all proposers."""

import asyncio
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from sqlite3 import Connection
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from moagraph.nodes.errors import UsageError
from moagraph.nodes.knowledge.database import describe_tables, open_database
from moagraph.nodes.knowledge.passages import Passage, passages
from moagraph.nodes.knowledge.query import QueryLimits, QueryRefused, run
from moagraph.nodes.knowledge.search import Index, matching
from moagraph.nodes.knowledge.sources import Sources, find_files, read_texts, stamps
from moagraph.nodes.knowledge.triples import Graph, read_triples
from moagraph.nodes.messages.compose import question_of
from moagraph.nodes.messages.context import conversation_of, preparation_records
from moagraph.nodes.messages.shorten import cut_middle
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.resources import DATABASE, FILES, GRAPH, Names, Prompt
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.base import BEFORE, Step, Update
from moagraph.nodes.texts.words import keywords

PASSAGE_TOKENS = 60  # around a passage: its number, its source, its two lines
PROMPT_TOKENS = 150  # of the prompt around all passages

SOURCE_KINDS = {"text": FILES, "sql": DATABASE, "graph": GRAPH}
SearchResult = tuple[list[Passage], Json]  # the passages; and more for the record


class Retrieve(Step):
    """Where it searches, and how much it takes from there."""

    positions: ClassVar[tuple[str, ...]] = (BEFORE,)
    prompt_variables: ClassVar[tuple[str, ...]] = ("passages", "boundary")

    step: Literal["retrieve"] = "retrieve"
    source: Annotated[Sources, Names(lambda step: SOURCE_KINDS[step.by])] = Field(
        description="Files, as `notes/*.md`, from where the recipe lies."
    )
    by: Literal["text", "sql", "graph"] = "text"
    top: int = Field(6, ge=1, le=100, description="The most passages that are told.")
    split: bool = Field(False, description="Each seat gets a share of the passages of its own.")
    length: int = Field(800, ge=100, le=20_000, description="Characters of a passage, about.")
    overlap: int = Field(100, ge=0, description="Characters at most that two passages share.")
    query: str | None = Field(
        None, description="For by = sql: what is asked of the database; without it, its schema."
    )
    examples: int = Field(0, ge=0, le=20, description="Rows of each table beside its schema.")
    hops: int = Field(1, ge=1, le=3, description="For by = graph: how far from what was named.")
    prompt: Prompt = Field("passages", description="A prompt's name, a path, or the text.")

    @model_validator(mode="after")
    def _check_settings(self) -> "Retrieve":
        if self.overlap >= self.length:
            raise ValueError(
                f"`overlap` {self.overlap} must be less than `length`, which is {self.length}"
            )
        if self.query and self.by != "sql":
            raise ValueError(f'`query` is for by = "sql", and this is by = "{self.by}"')
        return self

    def passage_tokens(self) -> int:
        """Estimate the tokens of `top` passages and of the prompt around them."""
        return PROMPT_TOKENS + self.top * ((self.length + self.overlap) // 4 + PASSAGE_TOKENS)

    def check_ready(self) -> None:
        """Refuse a `source` that matches no file."""
        find_files(self.source)

    def files(self, recipe: str) -> Sequence[str]:
        """Return its source."""
        return self.source

    async def run(self, view: NodeView) -> Update:
        """Search for the question; numbers continue those of earlier `retrieve` steps."""
        question = question_of(conversation_of(view))
        search = {"text": self._search_text, "sql": self._search_sql, "graph": self._search_graph}
        results, notes = await asyncio.to_thread(search[self.by], question)
        first = 1 + sum(len(record.get("passages", ())) for record in preparation_records(view))
        numbered = [
            {"id": str(number), "text": passage.text, "source": passage.source}
            for number, passage in enumerate(results, first)
        ]
        sources = [f"[{passage['id']}] {passage['source']}" for passage in numbered]
        record: Json = {"prompt": self.prompt, "passages": numbered, "found": sources, **notes}
        if not numbered:
            record.setdefault("why", _why_nothing(question, record))
        elif self.split:
            ids = [passage["id"] for passage in numbered]
            record["shards"] = shards(ids, len(view.recipe["layers"][0]["proposers"]))
        return {"steps": {view.spec.name: record}}

    def _search_text(self, question: str) -> SearchResult:
        files = find_files(self.source)
        names = tuple(files.values())
        index, skipped = _index(stamps(list(files)), names, self.length, self.overlap)
        record: Json = {"read": f"{len(files) - len(skipped)} files, {len(index)} passages"}
        return index.best(question, self.top), record | ({"skipped": skipped} if skipped else {})

    def _search_sql(self, question: str) -> SearchResult:
        """Return the rows of the recipe's query; without one, the best tables of the schema."""
        files = find_files(self.source)
        name = ", ".join(files.values())
        with open_database(files) as database:
            if self.query:
                rows = self._query_rows(database, question, name)
                return rows, {"read": name} | ({} if rows else {"why": "the query came to no rows"})
            descriptions = describe_tables(database, self.examples)
        if not descriptions:
            raise UsageError(f"{name} holds no table")
        tables = [Passage(text, f"{name}, {table}") for table, text in descriptions]
        near = Index(tables).best(question, self.top) if len(tables) > self.top else tables
        best = [*near, *(table for table in tables if table not in near)][: self.top]
        left_out = [table.source for table in tables if table not in best]
        return best, {"read": name} | ({"left_out": left_out} if left_out else {})

    def _query_rows(self, database: Connection, question: str, name: str) -> list[Passage]:
        """Run the recipe's own query, which may use `:question`, `:words` and `:match`."""
        words = json.dumps(keywords(question))
        values = {"question": question, "words": words, "match": matching(question)}
        try:
            result = run(database, self.query or "", QueryLimits(rows=self.top, more=True), values)
        except QueryRefused as error:
            raise UsageError(f"the `query` of `retrieve` cannot be run: {error}") from error
        texts = (
            "; ".join(
                f"{column}: {value}" for column, value in zip(result.columns, row, strict=True)
            )
            for row in result.rows
        )
        return [
            Passage(cut_middle(text, max(0, len(text) - self.length)), f"{name}, row {number}")
            for number, text in enumerate(texts, 1)
        ]

    def _search_graph(self, question: str) -> SearchResult:
        files = find_files(self.source)
        triples = [triple for file, name in files.items() for triple in read_triples(file, name)]
        near = Graph(triples).around(question, self.hops, self.top, self.length)
        return near, {"read": f"{len(files)} files, {len(triples)} triples"}


def shards(ids: Sequence[str], seats: int) -> list[list[str]]:
    """Distribute passages over seats in turn.

    Args:
        ids: The numbers of the passages, the best first.
        seats: How many seats share them.

    Returns:
        The share of each seat; if there are fewer passages than seats, some get the same.
    """
    if len(ids) < seats:
        return [[ids[seat % len(ids)]] for seat in range(seats)]
    return [list(ids[seat::seats]) for seat in range(seats)]


def _why_nothing(question: str, record: Json) -> str:
    if not keywords(question):
        return "the question has no words to look for"
    return f"nothing in {record['read']} holds a word of the question"


@lru_cache(maxsize=4)
def _index(
    files: tuple[tuple[str, int, int], ...], names: tuple[str, ...], length: int, overlap: int
) -> tuple[Index, dict[str, str]]:
    """Index the files as they are now; also return why some are skipped."""
    name_of_file = {Path(file): name for (file, _, _), name in zip(files, names, strict=True)}
    texts, skipped = read_texts(name_of_file)
    return Index(
        [
            passage
            for file, text in texts.items()
            for passage in passages(text, name_of_file[file], length, overlap)
        ]
    ), skipped
