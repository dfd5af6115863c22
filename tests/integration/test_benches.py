from xml.etree import ElementTree

from bench import soak, stragglers


def test_a_soak_leaves_nothing_wrong_hung_or_stuck() -> None:
    outcome = soak.run_soak(60, seed=7)
    assert outcome.runs == 60
    assert (outcome.wrong, outcome.hung, outcome.stuck) == ([], [], [])
    assert outcome.calls >= 60 * 3
    assert {sample.tasks for sample in outcome.samples} == {1}
    assert outcome.samples[-1].served <= 4 * soak.AT_ONCE
    assert "0 wrong, 0 hung" in next(soak.rows(outcome))


def test_the_rules_for_stragglers_are_measured_and_drawn() -> None:
    took = stragglers.measure(4)
    late, _ = took.values()
    assert min(late["none"]) >= 3
    assert all(min(seconds) < min(late["none"]) for name, seconds in late.items() if name != "none")
    assert len(list(stragglers.rows(took))) == 2 + 6
    drawing = ElementTree.fromstring(stragglers.plot(late))
    assert len(drawing.findall("{*}polyline")) == 3
