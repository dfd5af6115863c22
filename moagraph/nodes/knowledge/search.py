"""Find passages by words: SQLite's full text search in memory, ranked by BM25."""

import sqlite3
from collections.abc import Sequence
from threading import Lock

from moagraph.nodes.knowledge.passages import Passage
from moagraph.nodes.texts.words import keywords, separate_characters

def matching(text: str) -> str:
    """What SQLite's full text search takes for any of these words; nothing where there are none."""
    return " OR ".join(f'"{word}"' for word in keywords(text))


class Index:
    """Passages that can be searched, also from several threads."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        """Take them in."""
        self._passages = passages
        self._lock = Lock()
        self._table = sqlite3.connect(":memory:", check_same_thread=False)
        self._table.execute(
            "CREATE VIRTUAL TABLE passages USING fts5(source, text, content='', "
            "tokenize='porter unicode61 remove_diacritics 2')"
        )
        rows = ((n, separate_characters(one.source), separate_characters(one.text)) for n, one in enumerate(passages))
        self._table.executemany("INSERT INTO passages(rowid, source, text) VALUES (?, ?, ?)", rows)

    def __len__(self) -> int:
        """How many passages there are."""
        return len(self._passages)

    def best(self, question: str, top: int) -> list[Passage]:
        """The passages that hold words of the question, the best first."""
        wanted = matching(question)
        if not wanted:
            return []
        ranked = "SELECT rowid FROM passages WHERE passages MATCH ? ORDER BY rank, rowid LIMIT ?"
        with self._lock:
            found = self._table.execute(ranked, (wanted, top)).fetchall()
        return [self._passages[number] for (number,) in found]
