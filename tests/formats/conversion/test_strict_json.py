"""JSON is read strictly, and written as it was read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.formats.conversion.strict_json import Number, one_line, parse, written

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize("number", ["-0", "1.50", "1e400", "9" * 5000, "0.1000000000000000055511151231257827"])
def test_number_keeps_its_digits(number: str) -> None:
    """Whatever a float or an int could keep of them."""
    value = parse(b"[" + number.encode() + b"]")
    assert value == [Number(number)] and isinstance(value[0], Number)
    assert written(value) == f"[{number}]"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "not JSON: expecting property name enclosed in double quotes at character 2"),
        (b'{"a": NaN}', "not JSON: NaN is no number"),
        (b"[-Infinity]", "not JSON: -Infinity is no number"),
        (b'"\xff"', "not UTF-8"),
        (b"1 2", "not JSON: extra data at character 3"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_not_json_is_refused_with_the_reason(text: bytes, why: str) -> None:
    """And with nothing of what it says."""
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value) == why


@given(VALUES, st.sampled_from([None, 0, 2]))
def test_value_in_one_line_is_the_same_value(value: object, indent: int | None) -> None:
    """Only blanks between its tokens go."""
    text = json.dumps(value, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    line = one_line(text)
    assert b"\n" not in line
    assert json.loads(line.decode("utf-8", "surrogatepass")) == value


@given(VALUES)
def test_what_was_read_is_written_as_the_same_value(value: object) -> None:
    """Members keep their order, strings their characters."""
    assert json.loads(written(parse(json.dumps(value).encode()))) == value
