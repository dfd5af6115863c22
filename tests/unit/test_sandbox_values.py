import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moagraph.nodes.checks.sandbox.guest.values import Codec, Malformed, SharedValues

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary() | st.complex_numbers(allow_nan=False) | st.decimals(allow_nan=False)
    | st.fractions() | st.dates() | st.datetimes() | st.times() | st.timedeltas() | st.uuids()
)  # fmt: skip
KEYS = st.integers() | st.text() | st.tuples(st.integers(), st.text())
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(KEYS, inner)
        | st.sets(KEYS)
        | st.frozensets(KEYS)
        | st.lists(inner).map(tuple)
    ),
    max_leaves=20,
)


def refuse(*_: object) -> list[object]:
    raise Malformed("nothing else is expected")


CODEC = Codec(refuse, refuse)


@given(VALUES)
def test_plain_data_comes_out_as_it_went_in(value: object) -> None:
    there = CODEC.decode(CODEC.encode(value))
    assert there == value
    assert type(there) is type(value)


def test_numbers_that_json_does_not_have_come_out_as_well() -> None:
    for value in (2**10_000, -(2**10_000), float("inf"), -0.0):
        assert CODEC.decode(CODEC.encode(value)) == value
    assert math.isnan(CODEC.decode(CODEC.encode(math.nan)))


def test_one_value_in_two_places_stays_one_and_may_hold_itself() -> None:
    inner = [1]
    value = [inner, inner]
    inner.append(value)  # type: ignore[arg-type]
    shared = SharedValues()
    there = CODEC.decode(CODEC.encode(value, shared), known := SharedValues())
    assert there[0] is there[1]
    assert there[0][1] is there
    assert len(known.values) == len(shared.values) == 2


NONSENSE = [
    ["no such tag"],
    ["list", 7, []],
    ["shared", 0],
    ["data", "os.system", "true"],
    ["data", "moagraph.nothing", 1],
    ["numpy", "O", []],
    ["numpy", "<f8,O", []],
    ["int", "z"],
    ["dict", None, [["tuple", [["list", None, []], 1]]]],
    ["set", None, 3],
    [],
    [[]],
]


@pytest.mark.parametrize("data", NONSENSE, ids=str)
def test_what_is_no_value_is_refused(data: object) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, IndexError)):
        CODEC.decode(data, SharedValues())
