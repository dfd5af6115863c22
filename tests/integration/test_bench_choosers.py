from bench.choosers import StepChooser, report, sample
from moagraph.evals.studies.recorded_questions import Question
from tests.provider import Call, Provider

ANSWERS = {"good": "The sky is blue by day.", "like": "The sky is blue today.", "odd": "Fish swim."}
WON = {"good": 0.9, "like": 0.5, "odd": 0.1}


def asked(count: int) -> list[Question]:
    return [Question(f"why {number}?", ANSWERS, WON) for number in range(count)]


def likes_the_odd(call: Call) -> str:
    """A judge with a taste of its own, of a list and of a pair."""
    lines = str(call.messages[0]["content"]).splitlines()
    return next((line[0] for line in lines if line.endswith("Fish swim.")), "1")


def test_the_steps_themselves_pick_among_what_was_recorded(provider: Provider) -> None:
    odd = {name: text for name, text in ANSWERS.items() if name != "good"}
    way = StepChooser(provider, {"step": "vote", "by": "similar"})
    assert way("why?", ANSWERS) in ("good", "like")
    assert way("why?", odd) == "like"
    assert len(way.recorded_values("likeness")) == 2


def test_every_way_to_choose_is_a_row_with_what_it_wins(provider: Provider) -> None:
    provider.reply("judge", likes_the_odd)
    lines = list(report(provider, asked(4), "openai:judge", 2))
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ") for line in lines if "|" in line}
    assert rows["oracle"][1:3] == ["2", "90.0"]
    assert rows["random"][2] == "50.0"
    assert float(rows["vote by likeness (chrF)"][2]) >= 50
    assert rows["openai:judge ranks a list"][2] == "10.0"
    assert any("0 that could not be read; 0 of 2 questions" in line for line in lines)


def test_a_sample_is_spread_over_all_questions() -> None:
    assert [one.text for one in sample(asked(10), 3)] == ["why 0?", "why 3?", "why 6?"]
