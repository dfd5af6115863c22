"""What was changed since an answer or a verdict came is not counted with what is now."""

import json
from pathlib import Path

import pytest

from moagraph.evals.results import read_results
from moagraph.evals.summary import compute_bills, compute_measures
from tests.terminal import moa

MIX = 'name = "mix"\n[[layers]]\nproposers = ["scripted:4"]\naggregate = {{ step = "synthesize", model = "scripted:{}" }}\n'  # noqa: E501
ROWS = [{"id": 1, "question": "2+2?", "answer": "4"}, {"id": 2, "question": "3+3?", "answer": "6"}]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data(ROWS)


def data(rows: list[dict[str, object]]) -> None:
    Path("sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def ran(*systems: str, judge: str = "exact", more: tuple[str, ...] = ()) -> dict[str, float | None]:
    """What each system is worth after such a run."""
    asked = [word for system in systems for word in ("--system", system)]
    words = "--data", "sums.jsonl", *asked, "--judge", judge, "--out", "ev", *more
    done = moa("eval", "run", *words)
    assert done.code == 0, done.err
    return worth()


def worth() -> dict[str, float | None]:
    return {one.system: one.value for one in compute_measures(read_results(Path("ev")))}


def test_an_edited_recipe_is_another_and_an_undone_edit_the_first() -> None:
    recipe = Path("mix.toml")
    for said, value in (("4", 50), ("6", 50), ("9", 0), ("4", 50)):
        recipe.write_text(MIX.format(said))
        assert ran("mix.toml") == {"mix": value}
        results = read_results(Path("ev"))
        assert {row["answer"] for row in results.answers} == {said}
        assert [bill.answers for bill in compute_bills(results)] == [2]
    assert any("are outdated and not counted" in note for note in results.notes)
    assert moa("eval", "judge", "ev", "--judge", "numeric").code == 0
    assert {one.method: one.value for one in compute_measures(read_results(Path("ev")))} == {
        "exact": 50, "numeric": 50,
    }  # fmt: skip


def test_a_corrected_reference_and_a_corrected_question_count_alone() -> None:
    assert ran("scripted:4") == {"scripted:4": 50}
    data([ROWS[0], ROWS[1] | {"answer": "4"}])
    assert ran("scripted:4") == {"scripted:4": 100}
    data([ROWS[0], ROWS[1] | {"question": "1+5?"}])
    assert ran("scripted:4") == {"scripted:4": 50}
    assert len(read_results(Path("ev")).answers) == 2


def test_sampling_said_anew_counts_alone() -> None:
    assert ran("scripted:4", more=("--temperature", "0.1")) == {"scripted:4": 50}
    assert ran("scripted:4", more=("--temperature", "0.9")) == {"scripted:4": 50}
    assert len(read_results(Path("ev")).answers) == 2


def test_another_baseline_is_another_comparison() -> None:
    pair = "pairwise:scripted:[[A]]"
    ran("scripted:4", judge=pair, more=("--baseline", "scripted:5"))
    ran("scripted:4", judge=pair, more=("--baseline", "scripted:6"))
    results = read_results(Path("ev"))
    assert {row["baseline"] for row in results.verdicts} == {"scripted:6"}
    ran("scripted:4")
    assert {row["baseline"] for row in read_results(Path("ev")).verdicts} == {"scripted:6", None}


def test_a_question_that_was_changed_is_not_judged_by_its_old_answer() -> None:
    ran("scripted:4")
    data([ROWS[0] | {"question": "Capital of France?", "answer": "4"}, ROWS[1]])
    done = moa("eval", "judge", "ev", "--judge", "numeric")
    assert done.code == 1
    assert "1 answer and 0 verdicts are missing" in done.err
    assert [r["id"] for r in read_results(Path("ev")).verdicts if r["method"] == "numeric"] == [2]


def test_fewer_rows_than_were_answered_are_judged_as_those() -> None:
    ran("scripted:4")
    data(ROWS[:1])
    done = moa("eval", "judge", "ev", "--judge", "numeric")
    assert (done.code, done.err.splitlines()[-1]) == (
        0,
        "moa: 1 of 1 answer and 3 verdicts in ev",
    )
