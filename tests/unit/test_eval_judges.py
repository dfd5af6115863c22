import json
import sys
from math import log
from pathlib import Path
from typing import Any

import pytest

from moagraph.evals.dataset import DataSet, Item
from moagraph.evals.judge import JudgeCase, JudgeVerdict, Ruling
from moagraph.evals.judges.factory import build_judge
from moagraph.evals.judges.flask import FlaskJudge, parse_skill_scores
from moagraph.evals.judges.grade import parse_rating
from moagraph.evals.judges.pairwise import parse_preference
from moagraph.evals.judges.pairwise_logprobs import probability_of_a
from moagraph.evals.judges.reference_match import is_same_number, is_same_text, last_number
from moagraph.evals.sets.flask import SKILLS
from moagraph.nodes.errors import MoaError, UnknownName, UsageError

EMPTY = DataSet("set", (), "")


def case(answer: str = "4", system: str = "s", **said: Any) -> JudgeCase:
    item = Item(**{"id": 1, "turns": ("2+2?",), "references": ("4",), **said})
    return JudgeCase(item, system, (answer,))


async def ruled(name: str, one: JudgeCase, data: DataSet = EMPTY) -> Ruling:
    found = build_judge(name, data)
    [trial] = found.trials(one)
    return await found.rule(trial)


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Rating: [[7]]", 7.0),
        ("[[8.5]] of ten", 8.5),
        ("my rating is [6]", 6.0),
        ("[[3]] and then [[9]]", 3.0),
        ("Rating: 7", None),
        ("[[0]]", None),
        ("[[11]]", None),
        ("[[rating]]", None),
        ("", None),
    ],
)
def test_a_rating_is_read_as_mt_bench_reads_it(text: str, score: float | None) -> None:
    assert parse_rating(text) == score


def test_a_pairs_verdict_is_for_the_system_whichever_place_it_had() -> None:
    assert [parse_preference(f"so: [[{letter}]]", "ab") for letter in "ABC"] == [2.0, 1.0, 1.5]
    assert [parse_preference(f"so: [[{letter}]]", "ba") for letter in "ABC"] == [1.0, 2.0, 1.5]
    assert parse_preference("A is better", "ab") is None


def test_a_letters_weight_is_its_share_of_both() -> None:
    def token(text: str, odds: float) -> dict[str, Any]:
        return {"token": text, "logprob": log(odds)}

    rest = token("The", 0.2)
    assert probability_of_a(
        [token("A", 0.6), token(" A", 0.0001), token("B", 0.2), rest]
    ) == pytest.approx(0.6001 / 0.8001)
    assert probability_of_a([token(" B", 0.9)]) == 0.0
    assert probability_of_a([rest]) is None


def test_skills_are_read_from_the_last_braces() -> None:
    text = 'Fine {x}. {"Factuality": 4, "Logical_Correctness": "N/A", "Readability": 9}'
    assert parse_skill_scores(text) == {"factuality": 4.0, "logical correctness": None}
    assert parse_skill_scores("{'Factuality': 3.5}") == {"factuality": 3.5}
    assert parse_skill_scores('{"Factuality": "4", "Readability": "nine"}') == {"factuality": 4.0}
    for odd in ("", "no braces", "{Factuality 3}", "{[1]: 2}", '{"Factuality": nan}', "{1, 2}"):
        assert parse_skill_scores(odd) == {}


async def test_a_skill_without_a_grade_is_unread_and_one_that_plays_no_part_is_not() -> None:
    one = case(skills=("Factuality", "Comprehension", "Harmlessness"))
    came = await ruled('flask:scripted:{"Factuality": 4, "Harmlessness": "N/A"}', one)
    assert came.verdicts == [
        JudgeVerdict(score=4.0, skill="Factuality"),
        JudgeVerdict(skill="Comprehension", parsed=False),
        JudgeVerdict(skill="Harmlessness"),
    ]
    assert came.usage["calls"] == 2


def test_a_row_without_skills_is_graded_in_all_twelve() -> None:
    found = build_judge("flask:scripted:x", EMPTY)
    assert isinstance(found, FlaskJudge)
    [trial] = found.trials(case())
    assert len(trial.skills) == len(set(trial.keys("x"))) == len(SKILLS) == 12
    text = trial.inputs["messages"][0][1]
    assert all(f"- {skill}: " in text for skill in SKILLS)


def test_texts_and_numbers_match_but_for_their_dress() -> None:
    assert is_same_text(' "Paris." ', "paris")
    assert is_same_text('"Paris".', "Paris")
    assert not is_same_text("Paris, France", "Paris")
    assert is_same_text("**.5**", ".5")
    assert not is_same_text(".5", "5")
    assert is_same_number("So it is $1,250.00.", "#### 1250")
    assert is_same_number("-3", "-3.0")
    assert is_same_number("x is \N{MINUS SIGN}5", "-5")
    assert not is_same_number("x is \N{MINUS SIGN}5", "5")
    assert not is_same_number("between 3 and 4", "3")
    assert not is_same_number("none", "3")


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("20-25", 25), ("between 20-25", 25), ("20\N{MINUS SIGN}25", 25), ("20%-25%", 25),
        ("9am-5pm", 5), ("0-.5", 0.5), ("1e-3", 1e-3),
        ("x = -5", -5), ("x=-5", -5), ("\N{MINUS SIGN}5", -5), ("from -20 to -.5", -0.5),
    ],
)  # fmt: skip
def test_a_ranges_hyphen_is_no_minus(said: str, found: float) -> None:
    assert last_number(said) == found


async def test_matches_score_one_or_nothing() -> None:
    assert (await ruled("numeric", case("it is 4"))).verdicts == [JudgeVerdict(score=1.0)]
    assert (await ruled("exact", case("it is 4"))).verdicts == [JudgeVerdict(score=0.0)]
    with pytest.raises(UsageError, match="row 1 has none: give the row a `reference`"):
        build_judge("exact", EMPTY).trials(case(references=()))
    with pytest.raises(UsageError, match="`reference` 'four' contains no number"):
        build_judge("numeric", EMPTY).trials(case(references=("four",)))


FUNCTIONS = """
def half(said): return len(said["answer"]) / 2
def yes(said): return said["answer"] == said["reference"]
def nan(said): return float("nan")
def nothing(said): return None
def huge(said): return 1e307
def wrong(said): return said["nowhere"]
def leaves(said): raise SystemExit("no more")
number = 3
"""


async def test_a_function_of_ones_own_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_judges_of_tests.py").write_text(FUNCTIONS)
    monkeypatch.chdir(tmp_path)
    said = {
        name: await ruled(f"python:my_judges_of_tests:{name}", case())
        for name in ("half", "yes", "nan", "huge", "nothing", "wrong", "leaves")
    }
    assert [*said["half"].verdicts, *said["yes"].verdicts] == [
        JudgeVerdict(score=0.5),
        JudgeVerdict(score=1.0),
    ]
    unread = [said[name] for name in ("nan", "huge", "nothing", "wrong", "leaves")]
    assert [one.verdicts for one in unread] == [[JudgeVerdict(parsed=False)]] * 5
    assert [one.text for one in unread] == [
        "the function returned nan",
        "the function returned 1e+307",
        "the function returned None",
        "KeyError: 'nowhere'",
        "SystemExit: no more",
    ]


REFUSED = {
    "grad:openai:x": "did you mean `grade`?",
    "beauty": "there is no judge 'beauty'; there are exact",
    "exact:foo": "`exact` takes no model: write `--judge exact`, not `exact:foo`",
    "numeric:": "`numeric` takes no model: write `--judge numeric`",
    "grade": "`--judge grade` is incomplete: write `grade:provider:model`",
    "recorded:": "`--judge recorded` is incomplete: write `recorded:FILE`",
    "grade:gpt-4": "'gpt-4' is not `provider:model`",
    "grade:opnai:gpt-4": "no provider is called 'opnai'",
    "grade:openai:gpt-4": "OPENAI_API_KEY is not set",
    "pairwise-logprobs:scripted:A": "`scripted:A` returns no log-probabilities",
    "python:json": "a function is named as `python:package.module:function`",
    "python:nowhere_at_all:f": "cannot be imported",
    "python:json:nothing": "cannot be imported",
    "python:.json:loads": "cannot be imported: TypeError: the 'package' argument",
    "python:sys:path": "is not a function",
    "recorded:/nowhere": "cannot read '/nowhere'",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_judge_that_cannot_judge_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(MoaError) as refused:
        build_judge(name, EMPTY)
    assert REFUSED[name] in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_function_whose_helper_is_mended_judges_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    keys = []
    for value in ("1", "1", "22"):
        text = f"def judge(said): return helper()\ndef helper(): return {value}\n"
        (tmp_path / "helped_judges_of_tests.py").write_text(text)
        monkeypatch.delitem(sys.modules, "helped_judges_of_tests", raising=False)
        [trial] = build_judge("python:helped_judges_of_tests:judge", EMPTY).trials(case())
        keys.append(trial.keys("j"))
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("code", "told"),
    [("1 / 0", "ZeroDivisionError: division"), ("exit('a\\nb')", "SystemExit: a b"), ("(", "Synt")],
)
def test_a_module_that_cannot_be_run_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, told: str
) -> None:
    (tmp_path / "broken_judges_of_tests.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownName) as refused:
        build_judge("python:broken_judges_of_tests:f", EMPTY)
    assert f"cannot be imported: {told}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_record_whose_model_is_no_text_is_refused(tmp_path: Path) -> None:
    row = {"instruction": "2+2?", "generator_2": ["s"], "preference": 1.25}
    (tmp_path / "kept.json").write_text(json.dumps([row]))
    with pytest.raises(UsageError, match=r"`generator_2` \['s'\] must be a string"):
        build_judge(f"recorded:{tmp_path / 'kept.json'}", EMPTY)


REPLAY = [{"instruction": "2+2?", "outputs": {}, "preference": {"s": 0.25}}]
ANNOTATIONS = [
    {"instruction": "2+2?", "generator_1": "b", "generator_2": "s", "preference": liked}
    for liked in (1.25, 1.9)
]


@pytest.mark.parametrize(("rows", "liked"), [(REPLAY, 1.25), (ANNOTATIONS, 1.25)])
async def test_recorded_preferences_are_looked_up(
    tmp_path: Path, rows: list[Any], liked: float
) -> None:
    (tmp_path / "kept.json").write_text(json.dumps(rows))
    name = f"recorded:{tmp_path / 'kept.json'}"
    assert (await ruled(name, case(system="recorded:s@file"))).verdicts == [JudgeVerdict(liked)]
    assert build_judge(name, EMPTY).trials(case(system="other")) == []


@pytest.mark.parametrize(
    ("baseline", "liked"),
    [("b", 1.25), ("recorded:b@file", 1.25), ("recipes/c.toml", 1.75), ("d", None), (None, None)],
)
async def test_a_recorded_preference_holds_against_its_own_baseline_only(
    tmp_path: Path, baseline: str | None, liked: float | None
) -> None:
    row = {"instruction": "2+2?", "generator_2": "s"}
    said = [row | {"generator_1": "b", "preference": 1.25}]
    said += [row | {"generator_1": "recorded:c@other", "preference": 1.75}]
    (tmp_path / "kept.json").write_text(json.dumps(said))
    one = JudgeCase(case().item, "s", ("4",), baseline, ("5",))
    found = build_judge(f"recorded:{tmp_path / 'kept.json'}", EMPTY)
    came = [await found.rule(trial) for trial in found.trials(one)]
    assert [verdict.preference for ruling in came for verdict in ruling.verdicts] == (
        [] if liked is None else [liked]
    )


def test_the_same_preference_against_another_baseline_is_another_verdict(tmp_path: Path) -> None:
    (tmp_path / "kept.json").write_text(json.dumps(REPLAY))
    found = build_judge(f"recorded:{tmp_path / 'kept.json'}", EMPTY)
    cases = [JudgeCase(case().item, "s", ("4",), name, ("5",)) for name in ("b", "c")]
    one, other = (trial.keys("j") for each in cases for trial in found.trials(each))
    assert one != other


@pytest.mark.parametrize("odd", ["NaN", "null", "3", '"a"'])
async def test_a_recorded_preference_that_is_none_is_kept_as_unread(
    tmp_path: Path, odd: str
) -> None:
    row = '{"instruction": "2+2?", "generator_2": "s", "preference": ODD}'
    (tmp_path / "kept.json").write_text(f"[{row.replace('ODD', odd)}]")
    came = await ruled(f"recorded:{tmp_path / 'kept.json'}", case())
    assert came.verdicts == [JudgeVerdict(parsed=False)]
    assert came.text == "the record holds no number"


async def test_a_draw_is_written_as_nought_in_old_annotations(tmp_path: Path) -> None:
    row = {"instruction": "2+2?", "generator_2": "s", "preference": 0}
    (tmp_path / "kept.json").write_text(json.dumps([row]))
    assert (await ruled(f"recorded:{tmp_path / 'kept.json'}", case())).verdicts == [
        JudgeVerdict(1.5)
    ]
    with pytest.raises(UnknownName):
        build_judge("recoded:x", EMPTY)
