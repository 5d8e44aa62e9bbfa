"""Values as TOML."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.toml import written

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    TEXT | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_written_reads_back(value: Any) -> None:
    """Every value TOML has is the same after a round, odd keys and control characters included."""
    assert tomllib.loads(f"x = {written(value)}")["x"] == value


def test_a_tuple_is_an_array() -> None:
    """Arrays are tuples once they were read."""
    assert written(("a", 1)) == '["a", 1]'


@pytest.mark.parametrize("value", [None, object(), b"a"])
def test_what_toml_does_not_have_is_refused(value: object) -> None:
    """None in particular: what is not set is left out by whoever writes."""
    with pytest.raises(TypeError, match="TOML has no"):
        written(value)
