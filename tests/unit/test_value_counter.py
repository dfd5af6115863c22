import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moagraph.nodes.models.failures import BadResponse
from moagraph.nodes.models.openai.value_counter import ValueCounter
from tests.examples import examples

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('ab,[{"\\\n é', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text('a,"\\', max_size=3), inner)
    ),
    max_leaves=20,
)


def structure(value: object) -> int:
    """The commas and the opening brackets that the value is written with."""
    items = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(items, list):
        return 0
    return 1 + max(0, len(items) - 1) + sum(map(structure, items))


def feed_all(counter: ValueCounter, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        counter.feed(piece)


@given(value=values, size=st.integers(1, 9), ascii=st.booleans())
@examples(100)
def test_strings_are_not_counted_wherever_the_pieces_break(
    value: object, size: int, ascii: bool
) -> None:
    data = json.dumps(value, ensure_ascii=ascii).encode()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    exact = structure(value)
    counter = ValueCounter(exact)
    for piece in pieces:
        counter.feed(piece)
    if exact:
        counter = ValueCounter(exact - 1)
        with pytest.raises(BadResponse, match=f"more than {exact - 1:,} values"):
            feed_all(counter, pieces)
