import json
from pathlib import Path

import pytest

from tests.results import answer, folder_of, write
from tests.terminal import moa


def test_a_run_is_exported_and_scored(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "run")
    done = moa("eval", "export", str(folder), "--format", "alpaca", "-o", str(tmp_path / "out"))
    assert (done.code, done.out, len(done.lines)) == (0, "", 3)
    files = sorted(
        str(file.relative_to(tmp_path / "out")) for file in tmp_path.glob("out/**/*.json")
    )
    assert files == [
        "mix/judge_of_pairwise/annotations.json", "mix/model_outputs.json",
        "solo/model_outputs.json",
    ]  # fmt: skip
    scored = moa("eval", "score", str(tmp_path / "out" / files[0]), "--json", "--baseline", "solo")
    assert json.loads(scored.out)["win_rate"] == 87.5
    assert "no LC win rate: there are no constants" in scored.err


def test_grades_are_exported_as_fastchat_keeps_them(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "run")
    done = moa("eval", "export", str(folder), "--format", "mt-bench", "-o", str(tmp_path / "out"))
    assert done.code == 0
    files = sorted(str(file.relative_to(tmp_path / "out")) for file in tmp_path.glob("out/*/*"))
    assert files == [
        "model_answer/mix.jsonl", "model_answer/solo.jsonl",
        "model_judgment/judge_of_grade_single.jsonl",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "file"),
    [("alpaca", "mix/model_outputs.json"), ("mt-bench", "model_answer/mix.jsonl")],
)
def test_half_a_character_is_exported_as_json_escapes_it(
    tmp_path: Path, form: str, file: str
) -> None:
    folder = folder_of(tmp_path / "run", systems=("mix",))
    write(folder / "answers.jsonl", [answer("mix", 1, answer="\ud800", category="\ud800")])
    out = tmp_path / "out"
    done = moa("eval", "export", str(folder), "--format", form, "-o", str(out))
    assert done.code == 0
    assert "\\ud800" in (out / file).read_text()


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "run")
    (tmp_path / "file").write_text("")
    for words, why in (
        ((str(folder), "--format", "csv", "-o", "x"), "--format 'csv': there are alpaca"),
        ((str(tmp_path / "none"), "--format", "alpaca", "-o", "x"), "cannot read the run"),
        ((str(folder), "--format", "alpaca", "-o", str(tmp_path / "file")), "cannot write to"),
    ):
        done = moa("eval", "export", *words)
        assert (done.code, done.out, len(done.lines)) == (2, "", 1)
        assert why in done.err
