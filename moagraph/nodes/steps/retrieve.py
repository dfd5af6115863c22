"""Retrieve: what files, a database or a graph say of the question goes to all who answer it."""

import asyncio
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from sqlite3 import Connection
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from moagraph.nodes.resources import DATABASE, FILES, GRAPH, Names, Prompt
from moagraph.nodes.node_spec import NodeView
from moagraph.nodes.messages.compose import question_of
from moagraph.nodes.errors import UsageError
from moagraph.nodes.messages.context import preparation_records, conversation_of
from moagraph.nodes.knowledge.database import described, opened
from moagraph.nodes.knowledge.passages import Passage, passages
from moagraph.nodes.knowledge.query import Limits, QueryRefused, run
from moagraph.nodes.knowledge.search import Index, matching
from moagraph.nodes.texts.words import keywords
from moagraph.nodes.knowledge.sources import Sources, found, read_texts, stamps
from moagraph.nodes.knowledge.triples import Graph, read_triples
from moagraph.nodes.state import Json
from moagraph.nodes.step_support.base import BEFORE, Step, Update
from moagraph.nodes.messages.shorten import cut_middle


PASSAGE_TOKENS = 60  # around a passage: its number, its source, its two lines
PROMPT_TOKENS = 150  # of what a reader of passages is told


SOURCE_KINDS = {"text": FILES, "sql": DATABASE, "graph": GRAPH}


class Retrieve(Step):
    """Where it looks, and how much it takes from there."""

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
    def _fits(self) -> "Retrieve":
        if self.overlap >= self.length:
            raise ValueError(
                f"`overlap` {self.overlap} must be less than `length`, which is {self.length}"
            )
        if self.query and self.by != "sql":
            raise ValueError(f'`query` is for by = "sql", and this is by = "{self.by}"')
        return self

    def passage_tokens(self) -> int:
        """Count what `top` passages take, and the prompt around them."""
        return PROMPT_TOKENS + self.top * ((self.length + self.overlap) // 4 + PASSAGE_TOKENS)

    def check_ready(self) -> None:
        """Refuse a `source` that finds no file."""
        found(self.source)

    def files(self, recipe: str) -> Sequence[str]:
        """Its source."""
        return self.source

    async def run(self, view: NodeView) -> Update:
        """Look for the question; the passages are numbered on from those found before."""
        asked = question_of(conversation_of(view))
        came, more = await asyncio.to_thread(_SEARCHES[self.by], self, asked)
        first = 1 + sum(len(record.get("passages", ())) for record in preparation_records(view))
        told = [
            {"id": str(number), "text": passage.text, "source": passage.source}
            for number, passage in enumerate(came, first)
        ]
        where = [f"[{one['id']}] {one['source']}" for one in told]
        record: Json = {"prompt": self.prompt, "passages": told, "found": where, **more}
        if not told:
            record.setdefault("why", _nothing(asked, record))
        elif self.split:
            ids = [str(passage["id"]) for passage in told]
            record["shards"] = shards(ids, len(view.recipe["layers"][0]["proposers"]))
        return {"steps": {view.spec.name: record}}




def shards(ids: Sequence[str], seats: int) -> list[list[str]]:
    """A share for each seat, dealt like cards; where there are too few, several get the same."""
    if len(ids) < seats:
        return [[ids[seat % len(ids)]] for seat in range(seats)]
    return [list(ids[seat::seats]) for seat in range(seats)]


def _nothing(asked: str, record: Json) -> str:
    if not keywords(asked):
        return "the question has no words to look for"
    return f"nothing in {record['read']} holds a word of the question"


def _by_text(step: Retrieve, asked: str) -> tuple[list[Passage], Json]:
    files = found(step.source)
    index, skipped = _index(stamps(list(files)), tuple(files.values()), step.length, step.overlap)
    read = f"{len(files) - len(skipped)} files, {len(index)} passages"
    return index.best(asked, step.top), {"read": read, **({"skipped": skipped} if skipped else {})}


@lru_cache(maxsize=4)
def _index(
    files: tuple[tuple[str, int, int], ...], names: tuple[str, ...], length: int, overlap: int
) -> tuple[Index, dict[str, str]]:
    """The index of these files as they are now; and which of them are left out, and why."""
    named = {Path(file): name for (file, _, _), name in zip(files, names, strict=True)}
    texts, skipped = read_texts(named)
    pieces = [passages(text, named[file], length, overlap) for file, text in texts.items()]
    return Index([one for piece in pieces for one in piece]), skipped


def _by_sql(step: Retrieve, asked: str) -> tuple[list[Passage], Json]:
    files = found(step.source)
    name = ", ".join(files.values())
    with opened(files) as database:
        if step.query:
            rows = _rows(database, step, asked, name)
            return rows, {"read": name} | ({} if rows else {"why": "the query came to no rows"})
        told = described(database, step.examples)
    if not told:
        raise UsageError(f"{name} holds no table")
    tables = [Passage(text, f"{name}, {table}") for table, text in told]
    near = Index(tables).best(asked, step.top) if len(tables) > step.top else tables
    best = [*near, *(table for table in tables if table not in near)][: step.top]
    left_out = [table.source for table in tables if table not in best]
    return best, {"read": name} | ({"left_out": left_out} if left_out else {})


def _rows(database: Connection, step: Retrieve, asked: str, name: str) -> list[Passage]:
    """What the recipe's own query comes to; it may name `:question`, `:words` and `:match`."""
    values = {"question": asked, "words": json.dumps(keywords(asked)), "match": matching(asked)}
    try:
        came = run(database, step.query or "", Limits(rows=step.top, more=True), values)
    except QueryRefused as error:
        raise UsageError(f"the `query` of `retrieve` cannot be run: {error}") from error
    told = (
        "; ".join(f"{c}: {v}" for c, v in zip(came.columns, row, strict=True)) for row in came.rows
    )
    return [
        Passage(cut_middle(text, max(0, len(text) - step.length)), f"{name}, row {number}")
        for number, text in enumerate(told, 1)
    ]


def _by_graph(step: Retrieve, asked: str) -> tuple[list[Passage], Json]:
    files = found(step.source)
    triples = [triple for file, name in files.items() for triple in read_triples(file, name)]
    came = Graph(triples).around(asked, step.hops, step.top, step.length)
    return came, {"read": f"{len(files)} files, {len(triples)} triples"}


_SEARCHES = {"text": _by_text, "sql": _by_sql, "graph": _by_graph}
