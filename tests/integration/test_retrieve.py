import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from moagraph import RecipeError, UsageError, ask, open_threads, replay
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import load_recipe
from moagraph.nodes.policies.budget import TYPICAL, estimate
from moagraph.prompts import read
from tests.provider import Provider
from tests.redteam import HOSTILE, ORDERS
from tests.terminal import moa, saved

RECIPE = """
[defaults]
base_url = "{url}"
[[before]]
step = "retrieve"
source = {source}
{more}
[[layers]]
proposers = ["vllm:alpha", "vllm:beta"]
aggregate = {{ step = "synthesize", model = "vllm:agg" }}
{after}
"""
CITE = '[[after]]\nstep = "cite"\n'
BEES = "Four hives stand behind the hut. Marta keeps them."
WATER = "The taps are turned off on 28 October."
ASKED = "When are the taps turned off?"


def notes(folder: Path, **texts: str) -> None:
    (folder / "notes").mkdir(exist_ok=True)
    for name, text in (texts or {"bees": BEES, "water": WATER}).items():
        (folder / "notes" / f"{name}.md").write_text(text, encoding="utf-8")


def recipe(
    folder: Path, provider: Provider, more: str = "", after: str = "", source: str = '"notes/*.md"'
) -> str:
    text = RECIPE.format(url=provider.base_url, source=source, more=more, after=after)
    return saved(folder, text)


def told(provider: Provider, model: str) -> list[dict[str, Any]]:
    return next(call.messages for call in provider.calls if call.model == model)


def step(came: Any, node: str) -> dict[str, Any]:
    [found] = [one for one in came.steps if one["node"] == node]
    return dict(found)


def sign(content: str) -> str:
    found = re.search(r"a line `\[begin ([0-9a-f]{32})\]`", content)
    assert found
    return found[1]


def as_told(content: str, *passages: tuple[str, str]) -> str:
    """The prompt with these passages, as the reader who has this boundary is told of them."""
    mine = sign(content)
    blocks = "".join(
        f"\n[{number}] {source}\n[begin {mine}]\n{text}\n[end {mine}]"
        for number, (source, text) in enumerate(passages, 1)
    )
    return read("passages").replace("$boundary", mine).replace("$passages", blocks)


def test_the_same_passages_go_to_every_seat_and_to_the_last_step(
    provider: Provider, tmp_path: Path
) -> None:
    notes(tmp_path)
    provider.reply("alpha", "In October [1].")
    provider.reply("beta", "No idea.")
    came = ask(ASKED, recipe(tmp_path, provider))
    for model in ("alpha", "beta"):
        system, user = told(provider, model)
        assert user == {"role": "user", "content": ASKED}
        assert system["role"] == "system"
        assert system["content"] == as_told(system["content"], ("notes/water.md:1", WATER))
    system, user = told(provider, "agg")
    references = f"{read('synthesize')}\n1. In October [1].\n2. No idea."
    passages = as_told(system["content"], ("notes/water.md:1", WATER))
    assert (system["content"], user["content"]) == (f"{passages}\n\n{references}", ASKED)
    assert (
        came.usage["calls"]
        == len(provider.calls)
        == max_calls(load_recipe(recipe(tmp_path, provider)))
        == 3
    )
    assert (
        len({sign(told(provider, model)[0]["content"]) for model in ("alpha", "beta", "agg")}) == 3
    )
    record = step(came, "L0_retrieve")
    assert record["passages"] == [{"id": "1", "text": WATER, "source": "notes/water.md:1"}]
    assert (record["found"], record["read"]) == (
        ["[1] notes/water.md:1"],
        "2 files, 2 passages",
    )


def test_a_callers_system_message_stays_the_first(provider: Provider, tmp_path: Path) -> None:
    notes(tmp_path)
    ask(ASKED, recipe(tmp_path, provider), system="Be short.")
    content = told(provider, "alpha")[0]["content"]
    assert content == f"Be short.\n\n{as_told(content, ('notes/water.md:1', WATER))}"


def test_a_judge_is_not_told_the_passages(provider: Provider, tmp_path: Path) -> None:
    notes(tmp_path)
    text = Path(recipe(tmp_path, provider)).read_text()
    provider.reply("agg", "2 > 1")
    ask(ASKED, saved(tmp_path, text.replace('"synthesize"', '"rank"')))
    [one] = told(provider, "agg")
    assert "notes/water.md" not in one["content"]
    assert f"What was asked:\n{ASKED}\n" in one["content"]


def test_each_seat_may_get_a_share_of_its_own(provider: Provider, tmp_path: Path) -> None:
    notes(tmp_path, a="taps one", b="taps two", c="taps three")
    came = ask(ASKED, recipe(tmp_path, provider, "split = true"))
    passages = step(came, "L0_retrieve")["passages"]
    assert [one["id"] for one in passages] == ["1", "2", "3"]
    assert step(came, "L0_retrieve")["shards"] == [["1", "3"], ["2"]]
    heard = {
        model: re.findall(r"^\[(\d)\] notes/", told(provider, model)[0]["content"], re.MULTILINE)
        for model in ("alpha", "beta", "agg")
    }
    assert heard == {"alpha": ["1", "3"], "beta": ["2"], "agg": ["1", "2", "3"]}


def test_two_searches_number_their_passages_on(provider: Provider, tmp_path: Path) -> None:
    notes(tmp_path)
    (tmp_path / "more.txt").write_text("The taps drip.")
    again = '[[before]]\nstep = "retrieve"\nsource = "more.txt"'
    came = ask(ASKED, recipe(tmp_path, provider, again, CITE))
    content = told(provider, "alpha")[0]["content"]
    assert re.findall(r"^\[(\d)\] (.+)$", content, re.MULTILINE) == [
        ("1", "notes/water.md:1"),
        ("2", "more.txt:1"),
    ]
    assert step(came, "L1_cite")["passages_told"] == 2


def test_what_the_answer_cites_is_looked_up(provider: Provider, tmp_path: Path) -> None:
    notes(tmp_path)
    provider.reply("agg", "In October [1], says `a[7]`; not in May [4, 9-10].")
    came = ask(ASKED, recipe(tmp_path, provider, after=CITE + "append = true"))
    record = step(came, "L1_cite")
    assert (record["cited"], record["unknown"]) == ({"1": "notes/water.md:1"}, ["4", "9", "10"])
    assert came.answer == (
        "In October [1], says `a[7]`; not in May [4, 9-10].\n\nSources:\n[1] notes/water.md:1"
    )
    assert len(provider.calls) == 3


def test_without_a_list_the_answer_is_handed_on_as_it_is(
    provider: Provider, tmp_path: Path
) -> None:
    notes(tmp_path)
    provider.reply("agg", "In October.")
    came = ask(ASKED, recipe(tmp_path, provider, after=CITE))
    assert (came.status, came.answer) == ("done", "In October.")
    assert step(came, "L1_cite")["cited"] == {}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_passage_stays_between_its_two_lines(
    provider: Provider, tmp_path: Path, text: str
) -> None:
    (tmp_path / "notes").mkdir()
    hostile = text.encode("utf-8", "replace")[:4_000].decode("utf-8", "ignore").replace("\0", "")
    (tmp_path / "notes" / "evil.md").write_text(f"taps {hostile}", encoding="utf-8")
    ask(ASKED, recipe(tmp_path, provider, "length = 6000"))
    content = told(provider, "alpha")[0]["content"]
    mine = sign(content)
    before, _, behind = read("passages").replace("$boundary", mine).partition("$passages")
    assert content.startswith(f"{before}\n[1] notes/evil.md:1\n[begin {mine}]\n")
    assert content.endswith(f"\n[end {mine}]{behind}")
    assert content.count(mine) == 4
    inside = content[len(before) : -len(behind)]
    assert ORDERS in inside or ORDERS not in hostile


def test_nothing_found_is_told_in_the_record_and_no_passage_is_made_up(
    provider: Provider, tmp_path: Path
) -> None:
    notes(tmp_path)
    came = ask("Quokka?", recipe(tmp_path, provider, after=CITE))
    assert told(provider, "alpha") == [{"role": "user", "content": "Quokka?"}]
    record = step(came, "L0_retrieve")
    assert (record["passages"], record["why"]) == (
        [],
        "nothing in 2 files, 2 passages holds a word of the question",
    )


def test_a_question_without_words_finds_nothing_and_is_still_asked(
    provider: Provider, tmp_path: Path
) -> None:
    notes(tmp_path)
    came = ask('?! " OR NEAR(', recipe(tmp_path, provider))
    assert came.status == "done"
    came = ask('?!"', recipe(tmp_path, provider))
    assert step(came, "L0_retrieve")["why"] == "the question has no words to look for"


def test_a_source_without_files_is_one_line_before_any_call(
    provider: Provider, tmp_path: Path
) -> None:
    done = moa("ask", "--recipe", recipe(tmp_path, provider), ASKED)
    assert (done.code, done.out) == (2, "")
    assert done.lines[-1] == (
        f"moa: no file matches `{tmp_path}/notes/*.md`: set `source` to the path of the files"
    )
    assert provider.calls == []


def test_files_that_cannot_be_read_are_left_out_and_told(
    provider: Provider, tmp_path: Path
) -> None:
    notes(tmp_path)
    (tmp_path / "notes" / "latin.md").write_bytes("taps in Köln".encode("latin-1"))
    (tmp_path / "notes" / "picture.md").write_bytes(b"taps\0\x01")
    (tmp_path / "notes" / "huge.md").write_bytes(b"taps " * 1_000_001)
    came = ask(ASKED, recipe(tmp_path, provider))
    record = step(came, "L0_retrieve")
    assert [one["source"] for one in record["passages"]] == ["notes/water.md:1"]
    assert record["skipped"] == {
        "notes/huge.md": "has 5,000,005 bytes, and at most 5,000,000 are read",
        "notes/latin.md": "is not UTF-8",
        "notes/picture.md": "is not a text",
    }


def test_a_source_of_nothing_but_such_files_is_refused_before_any_call(
    provider: Provider, tmp_path: Path
) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_bytes(b"\0")
    with pytest.raises(UsageError, match=r"none of the files .* \(notes/a.md is not a text\)"):
        ask(ASKED, recipe(tmp_path, provider))
    assert provider.calls == []


def test_a_file_that_changes_is_read_anew(provider: Provider, tmp_path: Path) -> None:
    notes(tmp_path, water="The taps are blue.")
    one = recipe(tmp_path, provider)
    ask(ASKED, one)
    notes(tmp_path, water="The taps are turned off in May now.")
    came = ask(ASKED, one)
    assert step(came, "L0_retrieve")["passages"][0]["text"] == "The taps are turned off in May now."


def test_passages_that_do_not_fit_a_window_are_one_line(provider: Provider, tmp_path: Path) -> None:
    notes(tmp_path, water="The taps. " * 100)
    text = Path(recipe(tmp_path, provider)).read_text()
    small = text.replace("[defaults]", "[defaults]\ncontext_window = 100")
    came = ask(ASKED, saved(tmp_path, small))
    assert came.status == "failed"
    assert "the question and its passages do not fit the window of `vllm:alpha`" in str(came.error)
    assert provider.calls == []


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("overlap = 900", "`overlap` 900 must be less than `length`, which is 800"),
        ('query = "SELECT 1"', '`query` is for by = "sql", and this is by = "text"'),
        ("top = 0", "`top` 0: input should be greater than or equal to 1"),
        ('prompt = "Read $references"', "needs `$references`, which was not given"),
    ],
)
def test_a_wrong_search_is_refused_when_the_recipe_is_read(
    provider: Provider, tmp_path: Path, more: str, message: str
) -> None:
    with pytest.raises(RecipeError, match=re.escape(message)):
        load_recipe(recipe(tmp_path, provider, more))


def test_the_rows_of_a_query_are_passages(provider: Provider, tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text("name,price\nLamp,20\nChair,45\n")
    query = (
        "by = 'sql'\nquery = 'SELECT name, price FROM shop "
        "WHERE lower(name) IN (SELECT value FROM json_each(:words))'"
    )
    came = ask("What is a lamp?", recipe(tmp_path, provider, query, source='"shop.csv"'))
    assert step(came, "L0_retrieve")["passages"] == [
        {"id": "1", "text": "name: Lamp; price: 20", "source": "shop.csv, row 1"}
    ]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("DELETE FROM shop", "DELETE: only one SELECT is run"),
        ("SELECT cost FROM shop", "no such column: cost"),
    ],
)
def test_a_query_that_cannot_be_run_is_one_line_before_any_call(
    provider: Provider, tmp_path: Path, query: str, message: str
) -> None:
    (tmp_path / "shop.csv").write_text("name,price\nLamp,20\n")
    more = f'by = "sql"\nquery = "{query}"'
    with pytest.raises(UsageError) as caught:
        ask("Lamps?", recipe(tmp_path, provider, more, source='"shop.csv"'))
    assert str(caught.value) == f"the `query` of `retrieve` cannot be run: {message}"
    assert provider.calls == []


def test_what_a_graph_says_around_what_is_named_are_passages(
    provider: Provider, tmp_path: Path
) -> None:
    rows = "s,p,o\nMarta,keeps,the bees\nJoseph,keeps,the keys\nthe bees,live behind,the hut\n"
    (tmp_path / "who.csv").write_text(rows)
    found = []
    for hops in (1, 2):
        more = f"by = 'graph'\nhops = {hops}"
        came = ask("Who is Marta?", recipe(tmp_path, provider, more, source='"who.csv"'))
        found.append([one["text"] for one in step(came, "L0_retrieve")["passages"]])
    first = "Marta keeps the bees."
    assert found == [[first], [first, "the bees live behind the hut."]]


def test_what_was_sent_can_be_shown_and_a_replay_hears_the_same_passages(
    provider: Provider, tmp_path: Path
) -> None:
    notes(tmp_path)
    one = recipe(tmp_path, provider)
    with open_threads() as threads:
        ask(ASKED, one, thread="t", threads=threads)
        shown = json.loads(moa("show", "t", "--sent", "--json").out)
        sent = {step["node"]: step["sent"] for step in shown["steps"]}
        assert sent["L1_synthesize"] == told(provider, "agg")
        [layer] = shown["layers"]
        assert layer["proposals"][0]["sent"] == told(provider, "alpha")
        for file in (tmp_path / "notes").glob("*"):
            file.unlink()
        heard = len(provider.calls)
        replay("t", threads, again=["1.01"])
    assert [call.model for call in provider.calls[heard:]] == ["alpha", "agg"]
    assert WATER in provider.calls[heard].messages[0]["content"]


def test_a_question_made_shorter_is_what_is_searched_for(
    provider: Provider, tmp_path: Path
) -> None:
    notes(tmp_path)
    filler = "Nobody has seen the hives of this place since May. " * 30
    text = Path(recipe(tmp_path, provider)).read_text()
    ahead = '[[before]]\nstep = "compress"\nratio = 0.1\n\n[[before]]\nstep = "retrieve"'
    both = saved(tmp_path, text.replace('[[before]]\nstep = "retrieve"', ahead))
    came = ask(f"{ASKED}\n\n{filler}\n\nSay it in one line.", both)
    system, user = told(provider, "alpha")
    assert user["content"] == step(came, "L0_compress")["question"]
    assert WATER in system["content"]


def test_of_many_tables_those_that_the_question_names_come_first(
    provider: Provider, tmp_path: Path
) -> None:
    for name in ("apples", "pears", "plums"):
        (tmp_path / f"{name}.csv").write_text("n\n1\n")
    more = 'by = "sql"\ntop = 2'
    came = ask("How many plums?", recipe(tmp_path, provider, more, source='"*.csv"'))
    record = step(came, "L0_retrieve")
    named = [one["text"] for one in record["passages"]]
    assert named == ['CREATE TABLE "plums" ("n" INTEGER);', 'CREATE TABLE "apples" ("n" INTEGER);']
    assert [one.rpartition(", ")[2] for one in record["left_out"]] == ["pears"]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ('by = "sql"', "a.sql holds no table"),
        ('by = "sql"\nquery = "SELECT 1 WHERE 0"', ""),
        ('by = "graph"', "a.sql is neither a .csv nor a .nt file of triples"),
    ],
)
def test_a_source_that_holds_nothing_is_told(
    provider: Provider, tmp_path: Path, more: str, why: str
) -> None:
    (tmp_path / "a.sql").write_text("SELECT 1;")
    one = recipe(tmp_path, provider, more, source='["a.sql", "none/*.sql"]')
    if why:
        with pytest.raises(UsageError, match=re.escape(why)):
            ask(ASKED, one)
        assert provider.calls == []
    else:
        assert step(ask(ASKED, one), "L0_retrieve")["why"] == "the query came to no rows"


def test_what_a_turn_may_cost_counts_the_passages(provider: Provider, tmp_path: Path) -> None:
    notes(tmp_path, **{f"n{number}": "The taps drip. " * 60 for number in range(9)})
    one = recipe(tmp_path, provider, "top = 9")
    expected = asyncio.run(estimate(load_recipe(one).resolved(), [HumanMessage(ASKED)])).all
    came = ask(ASKED, one)
    assert came.usage["input_tokens"] > 3 * 9 * 150
    assert came.usage["input_tokens"] <= expected.tokens - 3 * TYPICAL


def test_a_long_row_is_cut_with_a_mark(provider: Provider, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"n\n{'x' * 5_000}\n")
    more = 'by = "sql"\nquery = "SELECT n FROM a"'
    came = ask(ASKED, recipe(tmp_path, provider, more, source='"a.csv"'))
    [passage] = step(came, "L0_retrieve")["passages"]
    assert "[… 4,203 characters left out …]" in passage["text"]
