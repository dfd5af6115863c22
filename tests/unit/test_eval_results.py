import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from moagraph.evals.folder import read_run
from moagraph.evals.formats import alpaca, mt_bench
from moagraph.evals.json_files import read_rows
from moagraph.evals.length_control.pairs import parse_pairs
from moagraph.evals.results import read_results
from moagraph.evals.summary import compute_bills, compute_gaps, compute_measures
from moagraph.nodes.errors import UsageError
from tests.recorded import recorded
from tests.results import answer, folder_of, verdict, write


def test_a_line_cut_in_the_middle_is_left_out_and_said_so(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    with (folder / "answers.jsonl").open("a") as file:
        file.write('{"key": "cut", "system": "mi')
    (folder / "verdicts.jsonl").write_text(
        '[]\n{"key": 1}\n\n' + json.dumps(verdict("mix", 1, "grade"))
    )
    found = read_results(folder)
    assert (len(found.answers), len(found.verdicts)) == (16, 1)
    assert found.notes == [
        "answers.jsonl: line 17 is incomplete and was left out",
        "verdicts.jsonl: line 1 is incomplete and was left out",
        "verdicts.jsonl: line 2 is incomplete and was left out",
    ]


def test_of_rows_with_the_same_key_the_last_stands(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, smoke=True)
    late = [answer("mix", 0, status="failed", answer=""), answer("mix", 0, answer="at last")]
    write(folder / "answers.jsonl", late)
    found = read_results(folder)
    assert [row["answer"] for row in found.answers_by_turn("mix").values()] == ["at last"]
    assert found.notes[0].startswith("a smoke run")
    assert found.systems == ["mix", "solo"]


def test_a_recipes_file_is_called_by_its_own_name_where_that_is_one_systems(tmp_path: Path) -> None:
    systems = "a/mix.toml", "a/one.toml", "b/one.toml", "solo"
    folder = folder_of(tmp_path, systems, baseline="a/mix.toml")
    write(
        folder / "verdicts.jsonl",
        [verdict("solo", 0, "pairwise", baseline="a/mix.toml", preference=2.0)],
    )
    results = read_results(folder)
    assert results.systems == ["mix", "a/one.toml", "b/one.toml", "solo"]
    assert {row["system"] for row in results.answers} == {*results.systems}
    assert results.run["baseline"] == results.verdicts[0]["baseline"] == "mix"


def test_what_is_no_folder_of_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the run"):
        read_results(tmp_path)
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(UsageError, match="no JSON object"):
        read_results(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UsageError, match="there are no answers yet"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    "odd",
    [{"systems": 5}, {"systems": [5]}, {"versions": []}, {"judges": "a"}, {"baseline": ["solo"]}],
)
@pytest.mark.parametrize("read", [read_results, read_run])
def test_what_no_run_writes_is_refused_in_one_line(
    tmp_path: Path, read: Callable[[Path], object], odd: dict[str, Any]
) -> None:
    said = json.loads((folder_of(tmp_path) / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(said | odd))
    with pytest.raises(UsageError, match=rf"run.json': `{next(iter(odd))}` .* is not what a run"):
        read(tmp_path)


def test_each_judge_has_a_value_its_parts_and_what_it_did_not_say(tmp_path: Path) -> None:
    found = {
        (one.system, one.method): one for one in compute_measures(read_results(folder_of(tmp_path)))
    }
    pair = found["mix", "pairwise"]
    assert (pair.n, pair.value, pair.unparsed, pair.flips) == (4, 87.5, 0, 0.25)
    assert pair.interval
    assert pair.interval[0] <= 87.5 <= pair.interval[1] <= 100
    assert pair.parts == {"coding": 100, "math": 100, "writing": 75}
    grade = found["mix", "grade"]
    assert (grade.n, grade.unparsed, grade.flips) == (7, 1, None)
    assert grade.value == pytest.approx((4 + 5.5 + 4.5 + 6 + 5 + 6.5 + 5.5) / 7)
    assert grade.parts["turn 2"] == pytest.approx(4.75)
    assert found["solo", "flask"].parts["Factuality"] == 3
    assert found["mix", "flask"].value == 4


def test_bills_are_means_and_unknown_prices_stay_unknown(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    mix, _ = compute_bills(read_results(folder))
    assert (mix.answers, mix.failed, mix.calls, mix.cost_usd) == (8, 0, 3, 0.004)
    assert mix.tflops == {"decode": 1, "total": 3, "latency": 2}
    rows = [answer("mix", 0, cost_usd=None, tflops=None), answer("mix", 1)]
    write(folder / "answers.jsonl", [*rows, answer("mix", 2, status="failed")])
    [mix, solo] = compute_bills(read_results(folder))
    assert (mix.cost_usd, mix.tflops, mix.failed) == (None, None, 1)
    assert (solo.answers, solo.cost_usd) == (0, None)


def test_differences_are_paired_by_question(tmp_path: Path) -> None:
    one = read_results(folder_of(tmp_path / "a"))
    found = {(gap.first, gap.second, gap.method): gap for gap in compute_gaps(one, one)}
    skills = found["mix", "solo", "flask"]
    assert (skills.n, skills.value, skills.interval) == (4, 0.5, (0.5, 0.5))
    assert found["solo", "mix", "flask"].value == -0.5
    assert ("mix", "mix", "flask") not in found


def test_outputs_and_annotations_are_what_alpaca_eval_reads(tmp_path: Path) -> None:
    results = read_results(folder_of(tmp_path / "run"))
    alpaca.write_json_rows(tmp_path / "model_outputs.json", alpaca.export_outputs(results, "mix"))
    outputs = alpaca.read_outputs(tmp_path / "model_outputs.json")
    assert len(outputs) == 4
    assert list(outputs[0]) == ["dataset", "instruction", "output", "generator"]
    said = alpaca.export_annotations(results, "mix", "judge of pairwise")
    alpaca.write_json_rows(tmp_path / "annotations.json", said)
    pairs = parse_pairs(read_rows(tmp_path / "annotations.json", "annotations"), "solo")
    assert [pair.target for pair in pairs.pairs] == [0.5, 1, 1, 1]
    assert (pairs.model, pairs.baseline, pairs.judges) == ("mix", "solo", ("judge of pairwise",))
    with pytest.raises(UsageError, match="compared no answer of 'solo'"):
        alpaca.export_annotations(results, "solo", "judge of pairwise")
    (tmp_path / "o.json").write_text('[{"instruction": "x", "output": null}]')
    with pytest.raises(UsageError, match="row 1: `output` is missing or no text"):
        alpaca.read_outputs(tmp_path / "o.json")


def test_answers_and_grades_are_what_fastchat_reads(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "run")
    with (folder / "answers.jsonl").open("a") as more:
        more.write(json.dumps(answer("mix", 2, 2, answer="mix\u2028answers")) + "\n")
    results = read_results(folder)
    mt_bench.write_lines(tmp_path / "mix.jsonl", mt_bench.export_answers(results, "mix"))
    answers = mt_bench.read_answers(tmp_path / "mix.jsonl")
    assert answers[2] == ["mix answers 2, turn 1", "mix\u2028answers"]
    mt_bench.write_lines(tmp_path / "g.jsonl", mt_bench.export_grades(results, "judge of grade"))
    grades = mt_bench.read_grades(tmp_path / "g.jsonl")
    assert len(grades) == 16
    assert sum(row["score"] is None for row in grades) == 1
    assert list(grades[0]) == [
        "question_id", "model", "judge", "user_prompt", "judgment", "score", "turn", "tstamp",
    ]  # fmt: skip
    told = mt_bench.average_grades(grades)
    assert told["solo"]["turn 1"] == pytest.approx(4.75)
    assert told["solo"]["average"] == pytest.approx(4.25)
    for text in ("{", '{"question_id": 1, "model_id": 2, "choices": []}', "[1]"):
        (tmp_path / "bad.jsonl").write_text(text)
        with pytest.raises(UsageError, match=r"bad\.jsonl"):
            mt_bench.read_answers(tmp_path / "bad.jsonl")


def test_the_recorded_reference_answers_can_be_read() -> None:
    answers = mt_bench.read_answers(recorded("mt_bench/reference_answer_gpt-4.jsonl"))
    assert len(answers) == 30
    assert {len(turns) for turns in answers.values()} == {2}
