import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from moagraph.evals.bootstrap import resample_counts
from moagraph.evals.length_control.constants import read_constants
from moagraph.evals.length_control.pairs import parse_pairs
from moagraph.evals.length_control.score import compare_pairs, score_pairs, to_matched_pairs
from moagraph.nodes.errors import UsageError
from tests.judged import BASELINE, JUDGE, SIZE, Rows, constants_file, rows, turned
from tests.recorded import annotations, constants_said, recorded
from tests.terminal import moa

KEYS = ["n", "win_rate", "win_rate_ci", "lc_win_rate", "lc_win_rate_ci"]


def scored(said: Any, folder: Path, *words: str) -> tuple[dict[str, Any], list[str]]:
    file = folder / "annotations.json"
    file.write_text(json.dumps(said))
    done = moa(
        "eval", "score", str(file), "--constants", str(constants_file(folder)), "--json", *words
    )
    assert done.code == 0, done.err
    return json.loads(done.out), done.lines


def refused(text: str, folder: Path, *words: str) -> str:
    file = folder / "annotations.json"
    file.write_text(text)
    done = moa("eval", "score", str(file), *words)
    assert (done.code, done.out, len(done.lines)) == (2, "", 1), done.err
    return done.err


def test_a_score_is_five_numbers_and_nothing_else(tmp_path: Path) -> None:
    found, said = scored(rows(), tmp_path)
    assert list(found) == KEYS
    assert said == []
    mean = sum(row["preference"] - 1 for row in rows()) / SIZE
    assert (found["n"], found["win_rate"]) == (SIZE, pytest.approx(100 * mean))
    for what in ("win_rate", "lc_win_rate"):
        low, high = found[f"{what}_ci"]
        assert 0 <= low < found[what] < high <= 100
    assert found["lc_win_rate"] != found["win_rate"]


def test_the_order_of_rows_and_of_answers_changes_nothing(tmp_path: Path) -> None:
    usual, _ = scored(rows(), tmp_path)
    mixed = [turned(row) if number % 3 else row for number, row in enumerate(rows())]
    random.Random(1).shuffle(mixed)
    found, said = scored(mixed, tmp_path)
    assert found["n"] == usual["n"]
    for what in ("win_rate", "lc_win_rate"):
        assert found[what] == pytest.approx(usual[what], abs=1e-9)
    assert said == ["moa: 40 rows with the model as `output_1`: outputs swapped"]


def test_rows_there_twice_count_once_and_what_differs_counts_as_its_mean(tmp_path: Path) -> None:
    usual, _ = scored(rows(), tmp_path)
    found, said = scored([*rows(), *rows()[:5]], tmp_path)
    assert found == usual
    assert said == ["moa: 5 duplicate rows, counted once"]
    again = rows()[0] | {"preference": 1.25}
    twice, told = scored([*rows(), again], tmp_path)
    step = (1.25 - rows()[0]["preference"]) / 2
    assert twice["win_rate"] == pytest.approx(usual["win_rate"] + 100 * step / SIZE)
    assert twice["n"] == SIZE
    assert "1 instruction judged more than once and differently: the mean" in told[0]


@pytest.mark.parametrize("nobody", [None, float("nan")])
def test_rows_that_nobody_judged_are_counted_and_told(tmp_path: Path, nobody: Any) -> None:
    found, said = scored([rows()[0] | {"preference": nobody}, *rows()[1:]], tmp_path)
    assert found["n"] == SIZE - 1
    assert found["lc_win_rate"] is not None
    assert said == ["moa: 1 row without a preference, not counted"]
    rest, told = scored(rows()[1:], tmp_path)
    assert rest["win_rate"] == found["win_rate"]
    assert told == [f"moa: 1 of the {SIZE} instructions are missing"]


def test_zero_is_a_draw_and_rounding_is_no_error(tmp_path: Path) -> None:
    draw, _ = scored([rows()[0] | {"preference": 0}, *rows()[1:]], tmp_path)
    half, _ = scored([rows()[0] | {"preference": 1.5}, *rows()[1:]], tmp_path)
    assert draw == half
    over, _ = scored([rows()[0] | {"preference": 2 + 1e-9}, *rows()[1:]], tmp_path)
    two, _ = scored([rows()[0] | {"preference": 2}, *rows()[1:]], tmp_path)
    assert over == two


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda row: row | {"annotator": "chatgpt"}, "judged by chatgpt, not by weighted_alpaca"),
        (
            lambda row: row | {"output_1": "x" * 33, "generator_1": "other"},
            "the answers of 'other' are not those of",
        ),
        (lambda row: row | {"output_1": "x" * 33}, f"the answers of '{BASELINE}' are not those of"),
        (
            lambda row: row | {"instruction": "Z" + row["instruction"], "output_1": "odd"},
            f"{SIZE} of {SIZE} instructions are not of the set",
        ),
    ],
)
def test_with_another_judge_baseline_or_set_it_is_not_called_lc(
    tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], why: str
) -> None:
    changed = [change(row) for row in rows()]
    found, said = scored(changed, tmp_path)
    assert (found["lc_win_rate"], found["lc_win_rate_ci"]) == (None, None)
    assert found["n"] == SIZE
    assert said[-1].startswith(f"moa: no LC win rate: {why}")
    told = moa(
        "eval", "score", str(tmp_path / "annotations.json"),
        "--constants", str(tmp_path / "constants.json"),
    )  # fmt: skip
    assert f"LC win rate  none: {why}" in told.out
    assert ("length-adjusted (not LC: " in told.out) is ("set" not in why)


def test_a_part_of_the_set_is_another_set(tmp_path: Path) -> None:
    found, said = scored(rows()[: SIZE // 3], tmp_path)
    assert found["lc_win_rate"] is None
    assert "20 of the 60 instructions are fewer than half: another set" in said[-1]
    alone, told = scored(rows()[:1], tmp_path)
    assert (alone["n"], alone["win_rate_ci"], alone["lc_win_rate"]) == (1, None, None)
    assert len(told) == 1


def test_a_few_rows_of_another_set_are_told_and_not_in_the_lc(tmp_path: Path) -> None:
    stranger = rows()[0] | {"instruction": "Who are you?"}
    found, said = scored([*rows(), stranger], tmp_path)
    assert (found["n"], found["lc_win_rate"] is None) == (SIZE + 1, False)
    assert said == ["moa: 1 of 61 instructions are of another set, not in the LC"]


def test_without_constants_there_is_a_win_rate_and_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "annotations.json"
    file.write_text(json.dumps(rows()))
    done = moa("eval", "score", str(file))
    assert done.code == 0
    assert "win rate     5" in done.out
    assert "LC win rate  none: there are no constants; give --constants FILE" in done.out


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "the array is empty"),
        ("{}", "are a JSON array of objects"),
        ("[1]", "row 1 is no object"),
        ("", "not whole JSON"),
        (json.dumps(rows())[:-30], "it seems to be cut off"),
        ('[{"instruction": "x"}]', "row 1: `output_1` is missing; see alpaca_eval's"),
        (json.dumps([rows()[0] | {"output_2": None}]), "row 1: `output_2` None is no text"),
        (json.dumps([rows()[0] | {"preference": 3}]), "row 1: `preference` 3: from 1"),
        (json.dumps([rows()[0] | {"preference": 10**400}]), "row 1: `preference` 1000"),
        (json.dumps([rows()[0] | {"annotator": {"a": 1}}]), "row 1: `annotator` {'a': 1} is no"),
        (json.dumps([rows()[0] | {"preference": "2"}]), "row 1: `preference` '2': from 1"),
        (json.dumps([rows()[0] | {"preference": True}]), "row 1: `preference` True"),
        (json.dumps([rows()[0] | {"preference": None}]), "none of the 1 rows has a preference"),
        (json.dumps([*rows("a"), *rows("b")]), "rows of 2 models ('a', 'b'): say which with"),
        (
            json.dumps([rows()[0] | {"generator_1": name} for name in "ab"]),
            "`generator_1` names several ('a', 'b'): say which with --baseline",
        ),
    ],
)
def test_what_is_no_annotations_file_is_refused_in_a_line(
    tmp_path: Path, text: str, why: str
) -> None:
    told = refused(text, tmp_path)
    assert why in told
    assert "annotations.json" in told


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    missing = moa("eval", "score", str(tmp_path / "none.json"))
    assert (missing.code, len(missing.lines)) == (2, 1)
    assert "cannot read the annotations" in missing.err
    for text in ("[]", "{}", '{"baseline": "x"', '{"baseline": "x", "len_base": ["a"]}'):
        (tmp_path / "c.json").write_text(text)
        told = refused(json.dumps(rows()), tmp_path, "--constants", str(tmp_path / "c.json"))
        assert "c.json" in told


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"len_base": ["a"] * SIZE}, "`len_base` holds something that is no number"),
        ({"len_base": [10**400] * SIZE}, "`len_base` holds something that is no number"),
        ({"glm_weights": [1]}, "`glm_weights` are three numbers by each model's name"),
        ({"glm_weights": {"a": [1]}}, "`glm_weights` are three numbers by each model's name"),
        ({"glm_weights": {"a": ["1", 2, 3]}}, "`glm_weights` are three numbers"),
        ({"instructions": 5}, "`instructions` are a list of texts"),
        ({"instructions": [5]}, "`instructions` are a list of texts"),
    ],
)
def test_constants_of_another_form_are_refused_in_one_line(
    tmp_path: Path, broken: dict[str, Any], why: str
) -> None:
    said = json.loads(constants_file(tmp_path).read_text()) | broken
    (tmp_path / "c.json").write_text(json.dumps(said))
    told = refused(json.dumps(rows()), tmp_path, "--constants", str(tmp_path / "c.json"))
    assert why in told


def test_of_several_models_or_baselines_one_can_be_named(tmp_path: Path) -> None:
    both = [*rows("a"), *rows("b", better=-1)]
    usual, _ = scored(rows("b", better=-1), tmp_path)
    assert scored(both, tmp_path, "--model", "b") == (usual, [])
    other = [row | {"generator_1": "weak"} for row in rows()]
    found, said = scored([*rows(), *other], tmp_path)
    assert found["n"] == SIZE
    assert said == [f"moa: {SIZE} rows against another baseline than '{BASELINE}' left out"]


def test_the_baseline_against_itself_is_even(tmp_path: Path) -> None:
    same = [
        row | {"generator_2": BASELINE, "output_2": row["output_1"], "preference": 1.5}
        for row in rows()
    ]
    found, _ = scored(same, tmp_path)
    assert (found["win_rate"], found["lc_win_rate"]) == (50, 50)


def test_a_difference_is_paired(tmp_path: Path) -> None:
    known = read_constants(constants_file(tmp_path))
    one, other = (parse_pairs(said, BASELINE) for said in (rows("a"), rows("b", better=-0.5)))
    gap = compare_pairs(one, other, known)
    apart = score_pairs(one, known), score_pairs(other, known)
    assert gap.n == SIZE
    assert gap.win.value == pytest.approx(apart[0].win.value - apart[1].win.value)
    assert gap.lc
    assert apart[0].lc
    assert apart[1].lc
    assert gap.lc.value == pytest.approx(apart[0].lc.value - apart[1].lc.value)
    assert gap.win.interval
    assert gap.win.interval[0] > 0
    # The same rows and answers, judged with the same errors: nothing is left to differ.
    same = compare_pairs(one, one, known)
    assert (same.win.value, same.win.interval, same.lc and same.lc.interval) == (0, (0, 0), (0, 0))
    strangers = [row | {"instruction": f"z{row['instruction']}"} for row in rows()]
    with pytest.raises(UsageError, match="no judged instruction in common"):
        compare_pairs(one, parse_pairs(strangers, BASELINE), known)


def test_rows_of_no_pair_are_refused_as_such() -> None:
    with pytest.raises(UsageError, match="there are no judged pairs"):
        parse_pairs([], BASELINE)


def test_the_command_tells_how_much_more_one_wins(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(json.dumps(rows("b", better=-0.5)))
    found, _ = scored(rows("a"), tmp_path, "--against", str(tmp_path / "other.json"))
    assert list(found) == [*KEYS, "difference"]
    assert found["difference"]["n"] == SIZE
    assert found["difference"]["win_rate"] > 10


def test_a_difference_of_unlike_files_is_told(tmp_path: Path) -> None:
    said = [row | {"generator_1": "weak", "annotator": "other"} for row in rows("b")]
    (tmp_path / "other.json").write_text(json.dumps([*said, said[0]]))
    against = str(tmp_path / "other.json")
    _, notes = scored(rows("a"), tmp_path, "--against", against)
    assert notes == [
        f"moa: {against}: 1 duplicate row, counted once",
        f"moa: {against}: compared with 'weak', not with '{BASELINE}'",
        f"moa: {against}: judged by other, not by {JUDGE}",
    ]


def test_a_difference_knows_an_instruction_whatever_its_spaces(tmp_path: Path) -> None:
    spaced = [row | {"instruction": f" {row['instruction']}\r\n"} for row in rows("b")]
    gap = compare_pairs(parse_pairs(rows("a"), BASELINE), parse_pairs(spaced, BASELINE), None)
    assert gap.n == SIZE


@pytest.mark.parametrize(
    ("baseline", "why"),
    [
        ("typo", f"annotations.json: no row is against the baseline 'typo'; there are '{BASELINE}"),
        (BASELINE, f"other.json: no row is against the baseline '{BASELINE}'; there are 'b', 'w'"),
    ],
)
def test_a_named_baseline_that_no_row_has_is_refused(
    tmp_path: Path, baseline: str, why: str
) -> None:
    weak = [row | {"generator_1": "w"} for row in rows("b")]
    (tmp_path / "other.json").write_text(json.dumps(weak))
    other = "--against", str(tmp_path / "other.json")
    assert why in refused(json.dumps(rows()), tmp_path, "--baseline", baseline, *other)


def test_intervals_are_those_of_the_resamples_and_always_the_same() -> None:
    assert (resample_counts(10, 5) == resample_counts(10, 5)).all()
    assert (resample_counts(10, 5).sum(1) == 10).all()


def test_recorded_judgements_score_as_published_in_any_order(tmp_path: Path) -> None:
    leaderboard = constants_said()["leaderboard"]
    words = "--constants", str(recorded("lc_constants.json.gz")), "--json"
    for model in ("FuseChat-Gemma-2-9B-Instruct", "claude-2"):
        said: Rows = annotations(model)
        random.Random(2).shuffle(said)
        (tmp_path / "a.json").write_text(json.dumps(said))
        done = moa("eval", "score", str(tmp_path / "a.json"), *words)
        assert (done.code, done.err) == (0, "")
        found = json.loads(done.out)
        assert found["n"] == 805
        assert found["win_rate"] == pytest.approx(leaderboard[model]["win"], abs=1e-6)
        assert found["lc_win_rate"] == pytest.approx(leaderboard[model]["lc"], abs=0.2)
        low, high = found["lc_win_rate_ci"]
        assert 4 < high - low < 8  # the published standard error would make it 2


def test_instructions_whose_text_is_unknown_are_known_by_the_baseline(tmp_path: Path) -> None:
    known = read_constants(recorded("lc_constants.json.gz"))
    said = [row | {"instruction": f"> {row['instruction']}"} for row in annotations("claude-2")]
    found = score_pairs(parse_pairs(said, known.baseline), known)
    assert found.lc
    usual = score_pairs(parse_pairs(annotations("claude-2"), known.baseline), known)
    assert usual.lc
    assert found.lc.value == pytest.approx(usual.lc.value, abs=1e-9)
    assert found.notes == ("instructions are matched by the lengths of the baseline's answers",)
    judged = to_matched_pairs(parse_pairs(said[:3], known.baseline), [2, None, 0])
    assert judged.instruction.tolist() == [0, 2]
