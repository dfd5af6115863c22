import json
from pathlib import Path

import pytest

from tests.results import folder_of
from tests.terminal import moa

REPLAY = [
    {
        "instruction": f"q{number}",
        "outputs": {"a": "red green", "b": "red green blue", "c": "x", "mix": "red green blue"},
        "preference": {"a": 0.5, "b": 0.8, "c": 0.1 + number / 100},
    }
    for number in range(5)
]


@pytest.fixture
def data(tmp_path: Path) -> str:
    """A folder of recorded answers."""
    (tmp_path / "replay.jsonl").write_text("\n".join(json.dumps(row) for row in REPLAY))
    return str(tmp_path)


def test_choosers_are_told_as_a_table_and_as_json(data: str) -> None:
    told = moa("eval", "study", "choosers", "--data", data)
    assert told.code == 0
    lines = [line.split() for line in told.out.splitlines()]
    assert ["best", "single", "(b)", "80.0", "80.0", "to", "80.0"] in lines
    said = json.loads(moa("eval", "study", "choosers", "--data", data, "--json").out)
    assert [one["name"] for one in said] == [
        "best single (b)", "random", "longest", "BLEU consensus", "oracle",
    ]  # fmt: skip


def test_likeness_is_told_beside_length_alone(data: str) -> None:
    told = moa("eval", "study", "spearman", "--data", data)
    assert told.code == 0
    assert told.lines == [f"moa: compared {number} of 4" for number in (1, 2, 3, 4)]
    names = [line.split("  ")[0] for line in told.out.splitlines()]
    assert names[:6] == [
        "measure", "length alone", "BLEU", "shared words", "TF-IDF", "Levenshtein",
    ]  # fmt: skip
    said = json.loads(moa("eval", "study", "spearman", "--data", data, "--json").out)
    assert {one["target"] for one in said} == {"any", "mix"}


def test_the_published_regression_is_told(tmp_path: Path) -> None:
    told = moa("eval", "study", "diversity").out
    assert "MMLU  2.558 +- 0.176  1.841 +- 0.176  0.771  Self-MoA, table 4" in told


def test_a_study_writes_recipes_and_tabulates_their_run(tmp_path: Path) -> None:
    words = "--models", "scripted:a,scripted:b", "--aggregator", "scripted:z"
    folder = tmp_path / "recipes"
    told = moa("eval", "study", "roles", *words, "-o", str(folder))
    assert told.code == 0
    names = {file.stem for file in folder.iterdir()}
    assert names == {"aggregates-1", "aggregates-2", "proposes-1", "proposes-2"}
    assert f"--system {folder / 'aggregates-1.toml'}" in told.err
    assert moa("recipes", "show", str(folder / "proposes-2.toml")).code == 0
    run = moa("eval", "study", "roles", "--run", str(folder_of(tmp_path / "run")), "--json")
    assert {one["system"] for one in json.loads(run.out)} == {"mix", "solo"}
    assert (
        "best at no more calls" in moa("eval", "study", "roles", "--run", str(tmp_path / "run")).out
    )


def test_what_cannot_be_studied_is_refused_in_a_line(tmp_path: Path, data: str) -> None:
    run = str(folder_of(tmp_path / "run"))
    (tmp_path / "file").write_text("")
    models = "--models", "scripted:a"
    for words, why in (
        (("nope",), "there is no study 'nope'; there are spearman"),
        (("choosers",), "needs recorded answers: --data FOLDER"),
        (("choosers", "--data", str(tmp_path / "none")), "cannot read recorded answers"),
        (("spearman", "--data", data, "--target", "x"), "no recorded answer is of 'x'"),
        (("diversity", "--run", run), "0 mixtures are too few"),
        (("proposers",), "name the models that propose"),
        (("proposers", "--models", "gpt"), "'gpt' is not `provider:model`"),
        (("depths", *models, "-o", str(tmp_path / "file")), "cannot write to"),
        (("roles", "--run", str(tmp_path)), "cannot read the run"),
    ):
        done = moa("eval", "study", *words)
        assert (done.code, done.out, len(done.lines)) == (2, "", 1), done.err
        assert why in done.err
