from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moagraph import UsageError
from moagraph.nodes.knowledge.passages import Passage, passages
from moagraph.nodes.knowledge.search import Index, matching
from moagraph.nodes.knowledge.sources import find_files
from moagraph.nodes.knowledge.triples import Graph, read_triples
from moagraph.nodes.storage.paths import resolve_pattern
from moagraph.nodes.texts.extract import extract
from moagraph.nodes.texts.words import keywords, split_words

TEXT = """# Bees

Four hives stand here. They are blue.

# Water

The taps are closed. It is cold."""


def best(question: str, *texts: str, top: int = 3) -> list[str]:
    index = Index([Passage(text, f"{n}.md:1") for n, text in enumerate(texts)])
    return [passage.text for passage in index.best(question, top)]


def test_rare_words_rank_before_common_ones() -> None:
    texts = ("the boiler is warm", "the boiler has a valve", "the boiler hums")
    assert best("Does the boiler have a valve?", *texts)[0] == "the boiler has a valve"
    assert best("the?", *texts, top=2) == ["the boiler hums", "the boiler is warm"]
    assert best("quokka?", *texts) == []


def test_words_are_found_in_other_forms_and_scripts() -> None:
    assert best("taps closing", "The tap was closed.") == ["The tap was closed."]
    assert best("CAFE", "le café") == ["le café"]
    assert best("水道", "天気です", "水道の水") == ["水道の水"]


@pytest.mark.parametrize(
    "asked", ['"', "NEAR(a b)", "a* ^b", "source:x", "NOT AND OR", "-", "a" * 9_999]
)
def test_what_the_search_has_a_meaning_for_is_only_words(asked: str) -> None:
    assert best(asked, "nothing of it") == []


@given(st.text(max_size=60))
def test_any_question_can_be_searched_for(asked: str) -> None:
    best(asked, "some text")
    assert all(word in split_words(asked) for word in keywords(asked))


def test_a_long_question_is_searched_for_by_its_first_words() -> None:
    asked = " ".join(f"w{n}" for n in range(5_000))
    assert matching(asked).count(" OR ") == 399
    assert best(asked, "w7") == ["w7"]


def test_a_heading_goes_with_what_it_stands_above() -> None:
    assert passages(TEXT, "a.md", 60, 0) == [
        Passage("# Bees\n\nFour hives stand here. They are blue.", "a.md:1"),
        Passage("# Water\n\nThe taps are closed. It is cold.", "a.md:5"),
    ]


def test_a_passage_begins_with_the_end_of_the_one_before() -> None:
    text = "One is here. Two is here.\n\nThree is here. Four is here."
    assert [one.text for one in passages(text, "a", 30, 15)] == [
        "One is here. Two is here.",
        "Two is here.\n\nThree is here. Four is here.",
    ]


@given(st.text(alphabet="ab. \n#", max_size=300), st.integers(20, 80), st.integers(0, 19))
def test_nothing_of_a_text_is_lost_and_no_passage_is_too_long(
    text: str, length: int, overlap: int
) -> None:
    apart = [one.text for one in passages(text, "a", length, 0)]
    assert "".join("".join(apart).split()) == "".join(text.split())
    for passage in (*apart, *(one.text for one in passages(text, "a", length, overlap))):
        assert len(passage) <= 2 * length + overlap


@pytest.mark.parametrize(
    "odd", [". ", "a\n \t", " ", "e.g. ", "```\n", "`", "# x\n\n", "\u3002", "a"]
)
def test_an_odd_text_takes_no_longer_than_its_length(odd: str) -> None:
    text = odd * (400_000 // len(odd))
    passages(text, "a", 800, 100)
    assert len(extract(text, "a", 1_000)) <= 1_000


def test_files_are_called_by_their_names_below_the_recipe(tmp_path: Path) -> None:
    odd = tmp_path / "a [b]*"
    (odd / "notes" / "deep").mkdir(parents=True)
    for name in ("notes/x.md", "notes/deep/y.md", "z.txt"):
        (odd / name).write_text("x")
    assert sorted(find_files([resolve_pattern(odd, "notes/**/*.md")])) == [
        odd / "notes" / "deep" / "y.md",
        odd / "notes" / "x.md",
    ]
    assert list(
        find_files([resolve_pattern(odd, "z.txt"), resolve_pattern(odd, "z*")]).values()
    ) == ["z.txt"]
    assert list(find_files([resolve_pattern(odd, "z*")]).values()) == ["a [b]*/z.txt"]
    assert set(find_files([resolve_pattern(odd, "notes/**/*.md")]).values()) == {
        "notes/x.md",
        "notes/deep/y.md",
    }
    assert not [
        name for name in find_files([resolve_pattern(odd, "**")]).values() if str(tmp_path) in name
    ]


NT = """# people
<http://x.org/e/Marta_Lindqvist> <http://x.org/p/keepsBees> "four \\"hives\\""@en .
<http://x.org/e/m> <http://www.w3.org/2000/01/rdf-schema#label> "Harrow Lane" .
<http://x.org/e/Marta_Lindqvist> <http://x.org/p/livesIn> <http://x.org/e/m> .
_:b1 <http://x.org/p/age> "7"^^<http://www.w3.org/2001/XMLSchema#integer> .
"""


def test_triples_of_nt_are_read_as_a_person_says_them(tmp_path: Path) -> None:
    file = tmp_path / "a.nt"
    file.write_text(NT)
    assert [triple[:3] for triple in read_triples(file, "a.nt")] == [
        ("Marta Lindqvist", "keeps Bees", 'four "hives"'),
        ("Marta Lindqvist", "lives In", "Harrow Lane"),
        ("b1", "age", "7"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.csv", "a,b\n", "a.csv line 1 has 2 values: a triple has three"),
        ("a.nt", "a b c .\n", "a.nt line 1 is not a triple: 'a b c .'"),
        ("a.ttl", "", "a.ttl is neither a .csv nor a .nt file of triples"),
    ],
)
def test_what_holds_no_triples_is_one_line(tmp_path: Path, name: str, text: str, why: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError) as caught:
        read_triples(tmp_path / name, name)
    assert str(caught.value) == why


def test_a_hub_is_told_in_part_with_a_mark_and_each_triple_once() -> None:
    graph = Graph([("Ana", "knows", f"person {n:03}", "a.csv") for n in range(100)])
    [hub, *_] = graph.around("Who does ana know?", 1, 5, 100)
    assert hub.text.startswith("Ana knows person 000. ")
    assert hub.text.endswith(" characters left out …]")
    assert (len(hub.text) < 150, hub.source) == (True, "a.csv, Ana")
    assert graph.around("Anaconda?", 2, 5, 100) == []
    ring = Graph([("A1", "to", "B1", "f"), ("B1", "to", "A1", "f")])
    assert [one.text for one in ring.around("a1", 3, 9, 900)] == ["A1 to B1. B1 to A1."]
