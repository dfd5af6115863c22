"""Find passages by words: SQLite's full text search in memory, ranked by BM25."""

import re
import sqlite3
from collections.abc import Sequence
from threading import Lock

from moagraph.nodes.knowledge.passages import Passage

# What says little of what is asked; a question of nothing else is searched for as it is.
COMMON = frozenset(
    "a about an and any are as at be been but by can could did do does for from had has have how i "
    "if in into is it its many me more most much my no not of on or our should so tell than that "
    "the their them then there these they this to us was we were what when where which who whom "
    "whose why will with would you your".split()
)
MOST = 400  # words that are looked for

# Signs of scripts that do not part words: each is a word of its own.
_SIGN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\u0e00-\u0e7f"
_SIGNS = re.compile(f"([{_SIGN}])")
_WORD = re.compile(rf"[{_SIGN}]|[^\W_]+")


def words(text: str) -> list[str]:
    """The words of a text in lower case."""
    return _WORD.findall(text.lower())


def telling(text: str) -> list[str]:
    """The words that say what is asked, each once; all of them where none does."""
    said = list(dict.fromkeys(words(text)))
    return ([word for word in said if word not in COMMON] or said)[:MOST]


def matching(text: str) -> str:
    """What SQLite's full text search takes for any of these words; nothing where there are none."""
    return " OR ".join(f'"{word}"' for word in telling(text))


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
        rows = ((n, spaced(one.source), spaced(one.text)) for n, one in enumerate(passages))
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


def spaced(text: str) -> str:
    """The text with space around each sign that is a word of its own."""
    return _SIGNS.sub(r" \1 ", text)
