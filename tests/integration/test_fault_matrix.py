import asyncio
from collections.abc import Iterator

import pytest

from bench.faults import Case, Outcome, cases, outcomes, records, rows
from tests.provider import Provider

CASES = list(cases())
every_case = pytest.mark.parametrize("case", CASES, ids=[f"{c.name}-{c.place}" for c in CASES])


@pytest.fixture(scope="module")
def found() -> Iterator[dict[Case, Outcome]]:
    with Provider() as provider:
        yield asyncio.run(outcomes(provider))


@every_case
def test_a_fault_ends_as_it_must(found: dict[Case, Outcome], case: Case) -> None:
    outcome = found[case]
    assert outcome.result.status == case.status, outcome.result.error
    assert len(outcome.calls) == case.calls
    if case.place == "the aggregator" and not case.fault.heals:
        assert outcome.kinds <= {case.kind}
        assert outcome.result.next == ["L2_synthesize"]
    else:
        assert outcome.kinds == {case.kind}


@every_case
def test_no_failure_reaches_a_prompt_or_the_answer(found: dict[Case, Outcome], case: Case) -> None:
    outcome = found[case]
    assert outcome.leaks == []
    if outcome.result.status == "failed":
        assert outcome.result.answer == ""
        assert outcome.result.error
    else:
        assert "agg says" in outcome.result.answer


@every_case
def test_what_is_late_is_cut_off(found: dict[Case, Outcome], case: Case) -> None:
    late = [record for record in records(found[case].result) if record["kind"] == "timeout"]
    hung = [call for call in found[case].calls if call.model in case.faulty and call.aborted]
    assert len(hung) >= len(late)
    if case.place == "one seat" and case.fault.layer:
        [cut] = late
        assert cut["error"] == "cut off 0.1 s after 2 usable answers were in"
        assert [call.aborted for call in found[case].calls if call.model in case.faulty] == [True]


def test_the_table_has_a_row_for_each_case(found: dict[Case, Outcome]) -> None:
    table = list(rows(found))
    assert len(table) == len(CASES) + 2
    assert all(row.endswith("| none |") for row in table[2:])
