import numpy as np
import pytest

from moagraph.evals.bootstrap import resample_counts
from moagraph.evals.length_control.constants import Constants, build_constants, read_constants
from moagraph.evals.length_control.folds import folds
from moagraph.evals.length_control.logistic import fit, log_loss, sigmoid
from moagraph.evals.length_control.win_rate import (
    MatchedPairs,
    equal_length_win_rate,
    fit_length_control,
    published_win_rate,
    refit_resamples,
)
from tests.recorded import constants_said, judgements, recorded

PAPER = {
    "Together-MoA": 65.38,
    "Together-MoA-Lite": 59.14,
    "gpt-4o-2024-05-13": 57.46,
    "Qwen1.5-110B-Chat": 43.91,
}
BY_NUMBER = {"alpaca-7b_concise", "alpaca-7b_verbose", "gpt35_turbo_instruct"}  # rows missing


def known() -> Constants:
    return read_constants(recorded("lc_constants.json.gz"))


def judged(model: str, constants: Constants, by_number: bool = False) -> MatchedPairs:
    place, length, said = (np.array(column) for column in zip(*judgements()[model], strict=True))
    target = np.where(said == 0, 1.5, said) - 1
    instruction = np.arange(len(place)) if by_number else place
    return MatchedPairs(instruction, target, constants.lengths[place] - length)


def made_up(size: int = 400, bias: float = 0.0) -> tuple[MatchedPairs, Constants]:
    """A judge who likes long answers, and a model that is as good as the baseline, but shorter."""
    dice = np.random.default_rng(3)
    shorter = dice.normal(300, 400, size)
    difficulty = dice.normal(0, 1, size)
    target = sigmoid(-1.2 * np.tanh(shorter / shorter.std(ddof=1)) + bias)
    gamed = dice.normal(0, 1, 2 * size)
    small = build_constants(
        "base",
        dice.integers(100, 3000, size).astype(np.float64),
        difficulty,
        gamed,
        np.tile(difficulty, 2),
        sigmoid(-1.2 * np.tanh(gamed)),
        tuple(f"{number:x}" for number in range(size)),
        {"even": (-1.2, 0.0, 0.0), "better": (-1.2, 0.0, float(np.log(3)))},
    )
    return MatchedPairs(np.arange(size), target, shorter), small


def test_a_judge_who_likes_length_does_not_sway_the_controlled_rate() -> None:
    sample, small = made_up()
    fitted = fit_length_control(sample, small)
    assert fitted
    assert 100 * sample.target.mean() < 40
    assert fitted.win_rate == pytest.approx(50, abs=1.5)
    better = fit_length_control(*made_up(bias=float(np.log(3))))
    assert better
    assert better.win_rate == pytest.approx(75, abs=1.5)
    assert published_win_rate("even", small) == 50
    assert published_win_rate("better", small) == pytest.approx(75)


def test_a_fit_is_the_least_of_its_cost_and_weights_are_counts() -> None:
    dice = np.random.default_rng(1)
    rows, target = dice.normal(size=(60, 3)), dice.random(60)
    counts = dice.integers(0, 4, 60)
    weights = counts.astype(np.float64)
    [found] = fit(rows, target, weights[None], np.array([0.4]))
    [again] = fit(
        rows.repeat(counts, 0), target.repeat(counts), np.ones((1, counts.sum())), np.array([0.4])
    )
    assert found == pytest.approx(again, abs=1e-7)

    def cost(at: np.ndarray) -> float:
        return float(abs(at).sum() + 0.4 * (weights * log_loss(rows @ at, target)).sum())

    assert all(cost(found) <= cost(found + step) for step in dice.normal(0, 1e-3, (200, 3)))


def test_a_fit_ends_also_where_everything_is_won() -> None:
    rows = np.column_stack([np.linspace(-1, 1, 20), np.ones(20)])
    found = fit(rows, np.ones(20), np.ones((2, 20)), np.array([1e-4, 1e4]))
    assert np.isfinite(found).all()
    assert (found[0] == 0).all()
    assert sigmoid(rows @ found[1]).min() > 0.99


def test_each_row_is_held_out_once_and_folds_are_as_large_as_each_other() -> None:
    for rows in (5, 17, 100, 2411, 2415):
        assert sorted(np.bincount(folds(rows)))[0] >= rows // 5


def test_lengths_that_do_not_vary_and_too_few_rows_have_no_controlled_rate() -> None:
    sample, small = made_up()
    same = MatchedPairs(
        sample.instruction, sample.target, np.full_like(sample.length_difference, 7)
    )
    assert fit_length_control(same, small) is None
    assert fit_length_control(sample.subset(np.arange(4)), small) is None


def test_a_resample_with_every_row_once_is_the_fit_itself() -> None:
    sample, small = made_up()
    sample.target[:] = np.random.default_rng(5).random(400) < sample.target
    sample.target[3] = np.nan
    fitted = fit_length_control(sample, small)
    assert fitted
    once = refit_resamples(sample, small, np.ones((1, 400)), fitted.strength)
    assert once == pytest.approx([fitted.win_rate], abs=1e-6)
    drawn = refit_resamples(sample, small, resample_counts(400, 60), fitted.strength)
    assert 1 < drawn.std() < 5


def test_the_published_win_rates_come_out_of_the_recorded_judgements() -> None:
    leaderboard = constants_said()["leaderboard"]
    assert len(judgements()) == 32
    for model in judgements():
        target = judged(model, known()).target
        assert 100 * target.mean() == pytest.approx(leaderboard[model]["win"], abs=1e-6), model


def test_the_published_lc_win_rates_come_out_of_the_recorded_judgements() -> None:
    have, leaderboard = known(), constants_said()["leaderboard"]
    gaps = {}
    for model in judgements():
        # Where rows are missing, the leaderboard joined by number: that is followed only here.
        fitted = fit_length_control(judged(model, have, model in BY_NUMBER), have)
        assert fitted
        gaps[model] = abs(fitted.win_rate - leaderboard[model]["lc"])
    assert max(gaps.values()) < 0.2, gaps
    assert sum(gap < 0.02 for gap in gaps.values()) >= 29


def test_joining_by_number_is_wrong_by_what_the_leaderboard_has_wrong() -> None:
    have, leaderboard = known(), constants_said()["leaderboard"]
    wrong = {}
    for model in BY_NUMBER:
        fitted = fit_length_control(judged(model, have), have)
        assert fitted
        wrong[model] = leaderboard[model]["lc"] - fitted.win_rate
    assert 2.7 < wrong["gpt35_turbo_instruct"] < 2.9
    assert all(abs(gap) < 2.9 for gap in wrong.values())


def test_the_published_weights_give_the_published_rates() -> None:
    have, leaderboard = known(), constants_said()["leaderboard"]
    both = [model for model in have.weights if model in leaderboard]
    assert len(both) == 175
    others = set()
    for model in both:
        _, difficulty, bias = have.weights[model]
        by_number = have.difficulty[: leaderboard[model]["n"]]
        ways = (
            published_win_rate(model, have),
            equal_length_win_rate(np.array([0, difficulty, bias]), by_number),
        )
        if min(abs(rate - leaderboard[model]["lc"]) for rate in ways) > 1e-4:
            others.add(model)
    assert others == {"dbrx-instruct"}  # its weights there are of another fit than its rate
    for model, lc in PAPER.items():
        assert published_win_rate(model, have) == pytest.approx(lc, abs=0.005), model
