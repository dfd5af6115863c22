import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU

from moagraph.evals.published import published_tables, table_source
from moagraph.evals.results import read_results
from moagraph.evals.similarity import Bleu, SharedWords, TfIdf, edit_similarity, vendi_score
from moagraph.evals.studies import choosers, spearman, study_recipes
from moagraph.evals.studies.diversity import (
    MixtureScores,
    fit_regression,
    published_regressions,
    score_mixtures,
)
from moagraph.evals.studies.rank_correlation import kendall_tau, spearman_correlation
from moagraph.evals.studies.recorded_questions import Question, read_questions
from moagraph.evals.studies.system_table import build_system_table
from moagraph.graphs.recipe.call_count import max_calls
from moagraph.graphs.recipe.load import load_recipe
from moagraph.nodes.errors import UsageError
from tests.recorded import recorded
from tests.results import answer, folder_of, proposal, verdict, write

ONE = "The cat sat on the mat, and the dog lay by the door."
TWO = "A cat sat on the mat; the dog was by the open door today."
WORDS = "one two three four five six seven eight nine ten".split()


def questions(count: int = 40) -> list[Question]:
    """The judge likes what has more words of a target; a length of its own tells nothing."""
    dice = np.random.default_rng(4)
    found = []
    for number in range(count):
        target = [f"{word}{number}" for word in WORDS]
        kept = {name: target[:size] for name, size in zip("abcd", (2, 4, 6, 8), strict=True)}
        answers = {
            name: " ".join([*words, *["filler"] * int(dice.integers(9, 40) - len(words))])
            for name, words in kept.items()
        }
        liked = {name: len(words) / 10 for name, words in kept.items()}
        answers |= {"mix": " ".join(target), "other": "nothing of that kind at all"}
        found.append(Question(f"q{number}", answers, liked))
    return found


def test_bleu_is_sacrebleus_and_the_measures_are_what_their_names_say() -> None:
    theirs = BLEU(effective_order=True)
    for text, other in ((ONE, TWO), (TWO, ONE), (ONE, ONE), ("", ONE), ("a b", "c d")):
        assert Bleu()(text, other) == theirs.sentence_score(text, [other]).score
    assert SharedWords()("a b c", "a b b d") == pytest.approx(2 / 4)
    assert SharedWords()("a b b d", "a b") == 1
    assert SharedWords()("a", "") == 0
    alike = TfIdf([ONE, TWO, "something else"])
    assert alike(ONE, ONE) == pytest.approx(1)
    assert 0.4 < alike(ONE, TWO) < 0.9
    assert alike(ONE, "nothing shared") == 0
    assert (edit_similarity("abcd", "abcd"), edit_similarity("abcd", "abxd")) == (1, 0.75)


def test_vendi_counts_the_different_texts() -> None:
    def same(text: str, other: str) -> float:
        return float(text == other)

    assert vendi_score(["a"] * 4, same) == pytest.approx(1)
    assert vendi_score(["a", "b", "c", "d"], same) == pytest.approx(4)
    assert vendi_score(["a", "a", "b", "b"], same) == pytest.approx(2)


def test_a_rank_correlation_knows_ties_and_constants() -> None:
    assert spearman_correlation([1, 2, 3], [10, 20, 90]) == pytest.approx(1)
    assert spearman_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert spearman_correlation([1, 1, 2], [1, 2, 3]) == pytest.approx(math.sqrt(3) / 2)
    assert math.isnan(spearman_correlation([1, 1, 1], [1, 2, 3]))
    assert kendall_tau([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4 / 6)
    assert kendall_tau([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / math.sqrt(2 * 3))
    assert math.isnan(kendall_tau([1, 1, 1], [1, 2, 3]))


def test_likeness_is_told_from_length_and_a_target_that_says_nothing_has_none() -> None:
    found = {
        (one.measure, one.target): one
        for one in spearman.correlate_with_preference(questions(), ["mix", "other"])
    }
    alike = found["TF-IDF", "mix"]
    assert alike.value > 0.6
    assert alike.partial
    assert alike.partial > 0.8
    assert alike.interval
    assert alike.interval[0] < alike.value < alike.interval[1]
    length = found[spearman.LENGTH, "any"]
    assert abs(length.value) < 0.4
    assert length.partial is None
    assert math.isnan(found["TF-IDF", "other"].value)


def test_each_way_to_choose_is_scored_beside_the_best_chance_and_the_oracle() -> None:
    def first(question: str, answers: object) -> str:
        return "a"

    found = {one.name: one for one in choosers.compare_choosers(questions(), {"first": first})}
    assert found["best single (d)"].win_rate == pytest.approx(80)
    assert found["oracle"].win_rate == pytest.approx(80)
    assert found["random"].win_rate == pytest.approx(50)
    assert found["first"].win_rate == pytest.approx(20)
    assert found["first"].picks == {"a": 40}
    assert choosers.choose_longest("q", {"x": "short", "y": "longer"}) == "y"
    assert choosers.choose_by_vote("q", {"x": "one two", "y": "one two!", "z": "9"}) in {"x", "y"}
    same = choosers.consensus_chooser(edit_similarity)
    assert same("q", {"x": "aaaa", "y": "aaab", "z": "zzzz"}) in {"x", "y"}


def test_questions_that_not_all_models_answered_are_no_choice() -> None:
    answers = {"a": "x", "b": "y"}
    asked = [
        Question("1", answers, {"a": 0.2, "b": 0.6}),
        Question("2", {"a": "x"}, {"a": 1.0, "b": 1.0}),
        Question("3", answers, {"a": 1.0}),
    ]
    found = {one.name: one for one in choosers.compare_choosers(asked)}
    assert found["best single (b)"].win_rate == found["oracle"].win_rate == pytest.approx(60)
    assert {one.n for one in found.values()} == {1}
    assert choosers.random_choice_deviation(asked) == pytest.approx(20)


def test_a_regression_finds_the_slopes_it_was_given() -> None:
    dice = np.random.default_rng(2)
    quality, diversity = dice.normal(0, 1, 60), dice.normal(0, 1, 60)
    scaled = [(one - one.mean()) / one.std() for one in (quality, diversity)]
    outcome = 3 * scaled[0] + 1 * scaled[1] + 50 + dice.normal(0, 0.2, 60)
    rows = zip(quality, diversity, outcome, strict=True)
    found = fit_regression("x", [MixtureScores("m", *map(float, row)) for row in rows])
    assert found.quality == pytest.approx(3, abs=0.1)
    assert found.diversity == pytest.approx(1, abs=0.1)
    assert 0.01 < found.quality_error < 0.06
    assert found.r2 > 0.95
    with pytest.raises(UsageError, match="3 mixtures are too few"):
        fit_regression("x", [MixtureScores("m", 1, 2, 3)] * 3)
    with pytest.raises(UsageError, match="do not vary"):
        fit_regression("x", [MixtureScores("m", 1, 2, 3)] * 5)
    rows = published_tables()["selfmoa_table4_regression"]["rows"]
    assert [one.name for one in published_regressions(rows)] == [
        "MMLU", "CRUX", "MATH",
    ]  # fmt: skip


def test_a_runs_mixtures_are_those_whose_proposers_ran_alone(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, systems=("mix", "scripted:m01", "scripted:m02"))
    judged = [
        verdict(system, number, "grade", score=score)
        for system, score in (("mix", 8.0), ("scripted:m01", 4.0), ("scripted:m02", 6.0))
        for number in range(4)
    ]
    write(folder / "verdicts.jsonl", judged)
    [mixture] = score_mixtures(read_results(folder), "judge of grade")
    assert (mixture.name, mixture.quality, mixture.outcome) == ("mix", 5, 8)
    assert 1 < mixture.diversity <= 2


def test_a_run_is_tabulated_also_at_equal_calls_and_tokens(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    cheap: dict[str, Any] = {"usage": {"input_tokens": 1, "output_tokens": 1, "calls": 3}}
    rows = [answer("mix", 1), answer("solo", 1), answer("late", 1, **cheap)]
    write(folder / "answers.jsonl", rows)
    said = {"mix": 8.0, "solo": 5.0, "late": 6.0}
    write(folder / "verdicts.jsonl", [verdict(s, 1, "grade", score=v) for s, v in said.items()])
    found = {one.system: one for one in build_system_table(read_results(folder))}
    assert (found["solo"].at_calls, found["solo"].at_tokens) == ("solo", "mix")
    assert (found["late"].at_calls, found["late"].at_tokens) == ("mix", "late")
    assert (found["mix"].calls, found["mix"].tokens, found["mix"].value) == (3, 50, 8)


def test_plans_are_recipes_that_can_be_read_from_their_files(tmp_path: Path) -> None:
    models = [f"scripted:{name}" for name in 'abc"d\\']
    for name in study_recipes.STUDIES:
        for told in study_recipes.STUDIES[name](models, "scripted:z"):
            file = tmp_path / f"{told['name']}.toml"
            file.write_text(study_recipes.render_recipe_toml(told))
            assert load_recipe(file).resolved() in [
                one.resolved()
                for one in study_recipes.build_study_recipes(name, models, "scripted:z")
            ]
    six = [f"scripted:{name}" for name in "abcdef"]
    calls = {
        one.name: max_calls(one)
        for one in study_recipes.build_study_recipes("proposers", six, "scripted:z")
    }
    assert calls == {
        "mixed-1": 2, "single-1": 2, "mixed-2": 3, "single-2": 3, "mixed-3": 4, "single-3": 4,
        "mixed-6": 7, "single-6": 7,
    }  # fmt: skip
    deep = {
        one.name: max_calls(one)
        for one in study_recipes.build_study_recipes("depths", six, "scripted:z")
    }
    assert deep["layers-3"] == deep["same-calls-3"] == 13
    assert study_recipes.single_models("depths", ["a"], "z") == ["a", "z"]
    with pytest.raises(UsageError, match="name the models that propose"):
        study_recipes.build_study_recipes("roles", [], "z")
    with pytest.raises(UsageError, match="'a' is not `provider:model`"):
        study_recipes.build_study_recipes("roles", ["a"], "a")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"instruction": 1}', '{"preference": {"a": "x"}}']
)
def test_recorded_answers_that_cannot_be_read_are_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"replay\.jsonl|alpaca_replay"):
        read_questions(tmp_path)
    (tmp_path / "replay.jsonl").write_text(text)
    with pytest.raises(UsageError, match=r"replay\.jsonl"):
        read_questions(tmp_path)


def test_only_a_line_end_ends_a_recorded_question(tmp_path: Path) -> None:
    row = {"instruction": "one\u2028question", "outputs": {"a": "x"}, "preference": {"a": 1}}
    line = json.dumps(row, ensure_ascii=False)
    (tmp_path / "replay.jsonl").write_text(f"{line}\n\n{line}\n", encoding="utf-8")
    assert [one.text for one in read_questions(tmp_path)] == ["one\u2028question"] * 2


@pytest.mark.parametrize("odd", ["NaN", "Infinity", "-1e999"])
def test_a_recorded_preference_that_ranks_nothing_is_refused(tmp_path: Path, odd: str) -> None:
    row = '{"instruction": "q", "outputs": {"a": "x"}, "preference": {"a": ODD}}'
    (tmp_path / "replay.jsonl").write_text(row.replace("ODD", odd))
    with pytest.raises(UsageError, match=r"jsonl:1: the preference for 'a' is (nan|-?inf), which"):
        read_questions(tmp_path)


def test_facts_carry_their_sources() -> None:
    for name in published_tables():
        if name != "sources":
            assert table_source(name)
    assert "scripted" not in json.dumps(published_tables())
    assert proposal("01", "x")["seat"] == "01"


def test_the_choosers_of_the_recorded_data_win_what_is_known_of_them() -> None:
    asked = read_questions(recorded("alpaca_replay_805.jsonl.gz"))
    found = {one.name.partition(" (")[0]: one.win_rate for one in choosers.compare_choosers(asked)}
    assert found["best single"] == pytest.approx(70.5, abs=0.05)
    assert found["longest"] == pytest.approx(68.3, abs=0.05)
    assert found["BLEU consensus"] == pytest.approx(65.0, abs=0.1)
    assert found["oracle"] == pytest.approx(85.1, abs=0.1)
    # The expected value; the figure that is known of a random pick, 44.5, was one draw.
    assert found["random"] == pytest.approx(46.0, abs=0.05)


def test_on_the_recorded_data_likeness_says_less_than_length() -> None:
    asked = read_questions(recorded("alpaca_replay_805.jsonl.gz"))[::6]
    targets = ["Together-MoA", "gpt-4o-2024-05-13", "SelfMoA_gemma-2-9b-it-SimPO"]
    found = {
        (one.measure, one.target): one for one in spearman.correlate_with_preference(asked, targets)
    }
    length = found[spearman.LENGTH, "any"].value
    # No target saw these answers, and each correlates all the same; length correlates more.
    for target in targets:
        bleu = found["BLEU", target]
        assert 0.2 < bleu.value < length
        assert bleu.partial
        assert bleu.partial < bleu.value


def test_a_mixture_is_no_more_like_the_better_answers_than_their_length_tells() -> None:
    """The three figures that are known of the recorded data, by Kendall's tau of shared words."""
    asked = read_questions(recorded("alpaca_replay_805.jsonl.gz"))
    measures = {"shared words": SharedWords()}
    found = {
        one.target: one.tau
        for one in spearman.correlate_with_preference(
            asked, ["Together-MoA", "gpt4_1106_preview"], measures
        )
    }
    assert found["Together-MoA"] == pytest.approx(0.52, abs=0.005)
    assert found["gpt4_1106_preview"] == pytest.approx(0.50, abs=0.005)
    assert found["any"] == pytest.approx(0.52, abs=0.005)
