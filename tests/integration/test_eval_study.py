import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.results import folder_of
from tests.terminal import moa

REPLAY: list[dict[str, Any]] = [
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


def test_likeness_that_has_no_value_is_null_in_json(tmp_path: Path) -> None:
    rows = [{**row, "outputs": {**row["outputs"], "mix": ""}} for row in REPLAY]
    (tmp_path / "replay.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    out = moa("eval", "study", "spearman", "--data", str(tmp_path), "--json").out
    found = {one["measure"]: one for one in json.loads(out, parse_constant=pytest.fail)}
    assert found["BLEU"]["value"] is found["BLEU"]["tau"] is found["BLEU"]["partial"] is None
    assert found["length alone"]["value"] == pytest.approx(1)


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


@pytest.fixture
def sums(tmp_path: Path) -> str:
    """Three questions; 4 is right twice, and 5 once."""
    rows = [{"question": f"{n} and {n}?", "answer": right} for n, right in ((2, 4), (3, 4), (4, 5))]
    (tmp_path / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(tmp_path / "sums.jsonl")


def ran(name: str, sums: str, models: str, aggregator: str) -> str:
    """The folder in which the systems that the study names were run, as it says."""
    words = "--models", models, "--aggregator", aggregator, "-o", f"{sums}.{name}"
    planned = moa("eval", "study", name, *words)
    assert planned.code == 0, planned.err
    systems = shlex.split(planned.lines[-1].partition(" takes them: ")[2])
    folder = f"{sums}.{name}.run"
    done = moa("eval", "run", "--data", sums, *systems, "--judge", "numeric", "--out", folder)
    assert done.code == 0, done.err
    return folder


def test_what_a_study_plans_is_run_and_studied(sums: str) -> None:
    for name, systems in (
        ("proposers", ["mixed-1", "single-1", "mixed-2", "single-2", "single-3", "single-6"]),
        ("roles", ["aggregates-1", "proposes-1", "aggregates-2", "proposes-2"]),
        ("depths", [f"{way}-{n}" for n in (2, 3, 4) for way in ("layers", "same-calls")]),
    ):
        run = ran(name, sums, "scripted:4,scripted:5", "scripted:4")
        rows = json.loads(moa("eval", "study", name, "--run", run, "--json").out)
        found = {row["system"]: row for row in rows}
        assert [*found] == [*systems, "scripted:4", "scripted:5"]
        assert found["scripted:4"]["value"] == pytest.approx(200 / 3)
        assert found["scripted:5"]["value"] == pytest.approx(100 / 3)
        assert found[systems[0]]["calls"] > found["scripted:4"]["calls"] == 1


def test_a_choice_is_studied_beside_the_mixture_that_was_run(sums: str) -> None:
    run = ran("choosers", sums, "scripted:4,scripted:5,scripted:not 6", "scripted:2 > 1 > 3")
    rows = json.loads(moa("eval", "study", "choosers", "--run", run, "--json").out)
    assert {row["judge"] for row in rows} == {"numeric"}
    won = {row["name"]: round(row["win_rate"], 1) for row in rows}
    assert won == {
        "best single (scripted:4)": 66.7, "random": 33.3, "longest": 0.0, "BLEU consensus": 66.7,
        "oracle": 100.0, "blends": 0.0, "ranks": 33.3,
    }  # fmt: skip
    told = moa("eval", "study", "choosers", "--run", run).out.splitlines()
    assert told[0] == "judge numeric, right numbers, %"
    like = json.loads(moa("eval", "study", "spearman", "--run", run, "--json").out)
    found = {(one["target"], one["measure"]): one["value"] for one in like}
    assert {target for target, _ in found} == {"any", "blends", "ranks"}
    assert found["ranks", "shared words"] == pytest.approx((1 - 0.5 - 0.5) / 3)


def test_what_cannot_be_studied_is_refused_in_a_line(tmp_path: Path, data: str) -> None:
    run = str(folder_of(tmp_path / "run"))
    (tmp_path / "file").write_text("")
    few = tmp_path / "few.jsonl"
    none = tmp_path / "none.jsonl"
    none.write_text(json.dumps({"instruction": "q", "outputs": {"a": "x"}, "preference": {}}))
    pair = {"instruction": "q", "outputs": {"a": "x", "b": "y"}, "preference": {"a": 0, "b": 1}}
    few.write_text(json.dumps(pair))
    models = "--models", "scripted:a"
    for words, why in (
        (("nope",), "there is no study 'nope'; there are spearman"),
        (
            ("choosers",),
            "--data FOLDER, or a run's, --run FOLDER, or --models A,B,C",
        ),
        (("spearman",), "needs recorded answers, --data FOLDER, or a run's, --run FOLDER"),
        (("choosers", "--run", run), "no judge scored two single models on the same question"),
        (("choosers", "--data", str(tmp_path / "none")), "cannot read recorded answers"),
        (("spearman", "--data", data, "--target", "x"), "no recorded answer is of 'x'"),
        (("spearman", "--data", data, "--target", "a"), "answers of 'a' are among those that are"),
        (("spearman", "--data", str(few)), "no question has 3 judged answers or more"),
        (("diversity", "--run", run), "0 mixtures are too few"),
        (("choosers", "--data", data, "--models", "a,b"), "takes --data, or --run, or --models"),
        (("choosers", "--data", data, "--target", "mix"), "--out: not --data --target"),
        (("diversity", "--data", data), "`moa eval study diversity` takes --run: not --data"),
        (("choosers", "--data", str(none)), "no question has a judged answer of every model"),
        (("proposers",), "name the models that propose"),
        (("proposers", "--models", "gpt"), "'gpt' is not `provider:model`"),
        (("depths", *models, "-o", str(tmp_path / "file")), "cannot write to"),
        (("roles", "--run", str(tmp_path)), "cannot read the run"),
    ):
        done = moa("eval", "study", *words)
        assert (done.code, done.out, len(done.lines)) == (2, "", 1), done.err
        assert why in done.err
