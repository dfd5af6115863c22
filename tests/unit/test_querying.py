import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from moagraph import UsageError
from moagraph.nodes.knowledge.database import describe_tables, open_database
from moagraph.nodes.knowledge.query import QueryLimits, QueryRefused, Rows, bare, ordered, run

SCRIPT = """
PRAGMA foreign_keys = OFF;
CREATE TABLE people (name TEXT, age INTEGER);
INSERT INTO people VALUES ('Ana', 31), ('Bo', 44), ('Cy', NULL);
CREATE VIEW grown AS SELECT name FROM people WHERE age > 40;
"""
FOR_EVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT"


@pytest.fixture(params=["script", "file", "without sqlglot"])
def database(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[sqlite3.Connection]:
    """The same three people in memory and in a file, behind all guards and behind SQLite's own."""
    if request.param == "without sqlglot":
        monkeypatch.setattr("moagraph.nodes.knowledge.query.find_spec", lambda _: None)
    file = tmp_path / "people.sql"
    file.write_text(SCRIPT)
    if request.param == "file":
        file = tmp_path / "people.db"
        with sqlite3.connect(file) as made:
            made.executescript(SCRIPT)
        made.close()
    with open_database({file: file.name}) as found:
        yield found


STOPPED = {
    "INSERT INTO people VALUES ('X', 1)": "INSERT",
    "UPDATE people SET age = 1": "UPDATE",
    "DELETE FROM people": "DELETE",
    "DROP TABLE people": "DROP",
    "CREATE TABLE x (y)": "CREATE",
    "CREATE TEMP TABLE x AS SELECT 1": "CREATE",
    "ALTER TABLE people ADD COLUMN x": "ALTER",
    "ATTACH DATABASE '/etc/passwd' AS x": "ATTACH",
    "PRAGMA journal_mode = DELETE": "PRAGMA",
    "VACUUM INTO 'x.db'": "VACUUM",
    "BEGIN": "BEGIN",
    "EXPLAIN SELECT 1": "EXPLAIN",
    "-- SELECT\nDROP TABLE people": "DROP",
    "/* SELECT */ DELETE FROM people": "DELETE",
    "WITH x AS (SELECT 1) DELETE FROM people": "DELETE",
    "WITH x AS (SELECT 1) INSERT INTO people SELECT 'X', 1": "INSERT",
    "SELECT 1; DROP TABLE people": "more than one statement",
    "SELECT * FROM pragma_table_info('people')": "PRAGMA: only reading",
    "SELECT load_extension('evil')": "load_extension: only reading is allowed",
    "SELECT writefile('x', 'y')": "no such function",
    f"{FOR_EVER} count(*) FROM n": "it may never end",
    f"{FOR_EVER} i FROM n": "more than 1,000 rows",
    "SELECT zeroblob(1000000000)": "too big",
    "SELECT hex(zeroblob(400000)) FROM people, people, people": "more than 5,000,000 characters",
    "SELECT salary FROM people": "no such column",
    "SELEC 1": "SELEC",
    "": "no SQL",
    "SELECT 'a\0b' FROM": "",
    "SELECT " + "1 + " * 6_000 + "1": "24,008 characters",
    "SELECT " + "(" * 3_000 + "1" + ")" * 3_000: "",
    "SELECT '\ud800'": "",
    "SELECT ?": "",
}


@pytest.mark.parametrize(("query", "why"), STOPPED.items(), ids=range(len(STOPPED)))
def test_what_is_not_a_bounded_select_is_stopped_and_told(
    database: sqlite3.Connection, query: str, why: str
) -> None:
    with pytest.raises(QueryRefused) as caught:
        run(database, query, QueryLimits(seconds=20, steps=2_000_000))
    assert why.lower() in str(caught.value).lower()
    assert str(caught.value)
    assert run(database, "SELECT count(*) FROM people", QueryLimits()).rows == [(3,)]
    assert [name for name, _ in describe_tables(database, 0)] == ["people", "grown"]


READ = {
    "SELECT name FROM people WHERE age > 40": [("Bo",)],
    "select max(age) from people;": [(44,)],
    "WITH old AS (SELECT * FROM people WHERE age > 40) SELECT count(*) FROM old": [(1,)],
    "VALUES (1), (2)": [(1,), (2,)],
    "-- who?\nSELECT name FROM grown": [("Bo",)],
    "SELECT 'a;b', \"age\" FROM people LIMIT 1;": [("a;b", 31)],
    "SELECT replace(name, 'A', 'O') FROM people LIMIT 1": [("Ona",)],
    "SELECT value FROM json_each('[7]')": [(7,)],
    f"{FOR_EVER} i FROM n LIMIT 2": [(1,), (2,)],
}


@pytest.mark.parametrize(("query", "rows"), READ.items(), ids=range(len(READ)))
def test_a_select_is_run(
    database: sqlite3.Connection, query: str, rows: list[tuple[object, ...]]
) -> None:
    assert run(database, query, QueryLimits()).rows == rows


def test_a_query_is_stopped_by_the_clock_too(database: sqlite3.Connection) -> None:
    with pytest.raises(QueryRefused, match=r"stopped after 0\.01 s: it may never end"):
        run(database, f"{FOR_EVER} count(*) FROM n", QueryLimits(seconds=0.01, steps=10**12))


@pytest.mark.parametrize(
    ("query", "is_ordered"),
    [
        ("SELECT a FROM t ORDER BY a", True),
        ("SELECT a FROM t order\n by a", True),
        ("SELECT a FROM (SELECT a FROM t ORDER BY a)", False),
        ("SELECT row_number() OVER (ORDER BY a) FROM t", False),
        ("SELECT 'ORDER BY' FROM t -- ORDER BY", False),
    ],
)
def test_only_an_outer_order_is_one(query: str, is_ordered: bool) -> None:
    assert ordered(query) == is_ordered


def test_what_stands_in_strings_and_comments_is_not_looked_at() -> None:
    assert bare("SELECT 'a''b;' /* ; */, [c;] -- ;\nFROM t").split() == ["SELECT", ",", "FROM", "t"]


def files(folder: Path, **texts: str) -> dict[Path, str]:
    made = {}
    for name, text in texts.items():
        file = folder / name.replace("_", ".")
        file.write_text(text)
        made[file] = file.name
    return made


def test_tables_are_made_of_csv_files_with_the_kinds_of_their_cells(tmp_path: Path) -> None:
    made = files(tmp_path, a_csv="n,x,code,note\n1,2.5,007,\n2,3,010,b\n", b_csv="n\n1\n")
    with open_database(made) as database:
        shown = describe_tables(database, 2)
        both = run(database, "SELECT a.note, a.code FROM a JOIN b USING (n)", QueryLimits())
    assert both == Rows(["note", "code"], [(None, "007")])
    assert shown[0] == (
        "a",
        'CREATE TABLE "a" ("n" INTEGER, "x" REAL, "code" TEXT, "note" TEXT);\n'
        "-- 1 | 2.5 | 007 | NULL\n-- 2 | 3.0 | 010 | b",
    )


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a_txt", "x", "a.txt is not an SQLite database, a .sql or a .csv file"),
        ("a_sql", "CREATE TABEL x (y);", 'cannot read a.sql: near "TABEL": syntax error'),
        ("a_sql", "ATTACH 'b.db' AS b;", "cannot read a.sql: not authorized"),
        ("a_sql", "SELECT load_extension('b');", "cannot read a.sql: not authorized"),
        ("a_csv", "", "cannot read a.csv: its first line must name the columns"),
        ("a_csv", "n\n1,2\n", "cannot read a.csv: row 2 has 2 values for 1 columns"),
        ("a_csv", "n,n\n1,2\n", "cannot read a.csv: duplicate column name: n"),
        ("a_db", "SQLite format 3\0broken", "cannot read a.db: file is not a database"),
    ],
)
def test_a_file_that_is_no_database_is_one_line(
    tmp_path: Path, name: str, text: str, why: str
) -> None:
    with (
        pytest.raises(UsageError) as caught,
        open_database(files(tmp_path, **{name: text})) as database,
    ):
        describe_tables(database, 0)
    assert str(caught.value).startswith(why)
