from typing import Any

import numpy as np

from bench.routing import SETTINGS, curve, over_chance, read_records, rows, signals
from tests.recorded import recorded


def made_up(number: int) -> list[dict[str, Any]]:
    """Questions of two kinds: the cheap model is good at one of them, and then both agree."""
    said = []
    for n in range(number):
        hard = n % 2 == 1
        asked = f"prove theorem {n} in full" if hard else f"who wrote book {n}?"
        outputs = {"cheap": f"It is {n}.", "second": f"It is {n}." if not hard else "No, never!"}
        outputs["best"] = "A long and careful answer. " * 3
        preference = {"cheap": 0.1 if hard else 0.8, "best": 0.8}
        one = {"instruction": asked, "difficulty": float(hard), "outputs": outputs}
        said.append({**one, "preference": preference})
    return said


def setting() -> Any:
    return SETTINGS[0].__class__("cheap", "second", "best", (1, 1, 5))


def test_a_signal_that_knows_beats_chance_and_one_that_does_not_is_told_so() -> None:
    said = made_up(60)
    cheap = np.array([one["preference"]["cheap"] for one in said])
    best = np.array([one["preference"]["best"] for one in said])
    found = signals(setting(), said)
    for name in ("agreement", "learned", "difficulty", "oracle"):
        assert curve(found[name], cheap, best)[50] > 79
    blind = np.random.default_rng(1).random(60)
    assert abs(over_chance(blind, cheap, best)) < over_chance(found["oracle"], cheap, best) / 3
    ends = curve(blind, cheap, best)[[0, 100]]
    assert np.allclose(ends, [45, 80])


def test_the_table_has_a_row_for_each_share_and_the_cost_of_each_way() -> None:
    table = list(rows(setting(), made_up(40)))
    first, last = (line for line in table if line.startswith(("| 0 %", "| 100 %")))
    assert first.split("|")[2].strip() == "45.0"
    assert last.split("|")[-2].strip() == "1.00"
    assert sum(" … " in line for line in table) == 6


def test_on_recorded_preferences_no_signal_is_better_than_the_oracle() -> None:
    said = read_records(recorded("alpaca_replay_40.jsonl.gz"))
    for one in SETTINGS:
        cheap = np.array([row["preference"][one.cheap] for row in said])
        best = np.array([row["preference"][one.best] for row in said])
        found = {name: over_chance(s, cheap, best) for name, s in signals(one, said).items()}
        assert max(found, key=lambda name: found[name]) == "oracle"
