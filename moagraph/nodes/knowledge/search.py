"""Keyword search over passages: SQLite's full-text index in memory, ranked by BM25."""

import sqlite3
from collections.abc import Sequence
from threading import Lock

from moagraph.nodes.knowledge.passages import Passage
from moagraph.nodes.texts.words import keywords, separate_characters


def matching(text: str) -> str:
    """Return an FTS5 expression that matches any keyword of the text; empty if it has none."""
    return " OR ".join(f'"{word}"' for word in keywords(text))


class Index:
    """A searchable set of passages, safe to use from several threads."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        """Index the passages."""
        self._passages = passages
        self._lock = Lock()
        self._table = sqlite3.connect(":memory:", check_same_thread=False)
        self._table.execute(
            "CREATE VIRTUAL TABLE passages USING fts5(source, text, content='', "
            "tokenize='porter unicode61 remove_diacritics 2')"
        )
        rows = (
            (n, separate_characters(passage.source), separate_characters(passage.text))
            for n, passage in enumerate(passages)
        )
        self._table.executemany("INSERT INTO passages(rowid, source, text) VALUES (?, ?, ?)", rows)

    def __len__(self) -> int:
        """Return the number of passages."""
        return len(self._passages)

    def best(self, question: str, top: int) -> list[Passage]:
        """Return at most `top` passages that contain keywords of the question, best first."""
        match = matching(question)
        if not match:
            return []
        ranked = "SELECT rowid FROM passages WHERE passages MATCH ? ORDER BY rank, rowid LIMIT ?"
        # One SQLite connection must not run two statements from two threads at once.
        with self._lock:
            rows = self._table.execute(ranked, (match, top)).fetchall()
        return [self._passages[number] for (number,) in rows]
