"""JSON is read to its end, and what cannot be read raises nothing."""

import pytest

from gateway.formats.parsing import Unread, first_value, parsed


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b' {"a": [1, null]} \r\n', {"a": [1, None]}),
        (b'"\xff"', "�"),
        (b"-Infinity", float("-inf")),
        (b"", Unread.MALFORMED),
        (b"{", Unread.MALFORMED),
        (b'{"a":1}}', Unread.MALFORMED),
        (b"1 2", Unread.MALFORMED),
        (b'"a\nb"', Unread.MALFORMED),
        (b"\xef\xbb\xbf{}", Unread.MALFORMED),
        (b"[" * 500_000, Unread.BEYOND),
        (b"1" * 5000, Unread.BEYOND),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_value_is_the_whole_of_the_octets_or_there_is_none(data: bytes, value: object) -> None:
    """A value with something after it is not JSON; one that is too deep is not called malformed."""
    assert parsed(data) == value


def test_first_value_comes_with_its_text_and_what_follows() -> None:
    """The text of a value can be shown without what came after it."""
    assert first_value(b'{"a":1} x') == ({"a": 1}, '{"a":1}', " x")
