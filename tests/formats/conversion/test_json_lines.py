"""NDJSON to events: each line the moment it is whole."""

import pytest
from support.conversions import Made, converted

from gateway.formats.conversion.fault import FRAME_LIMIT_BYTES, Why


@pytest.mark.parametrize(
    ("lines", "events"),
    [
        (b'{"a": 1}\n[2]\n', b'data: {"a": 1}\n\ndata: [2]\n\n'),
        (b'1\r\n"x"\n', b'data: 1\n\ndata: "x"\n\n'),
        (b"\n \n1\n\r\n", b"data: 1\n\n"),
        (b'{"a":\r1}\n', b'data: {"a":1}\n\n'),
        (b'{"a":1e400,"b":-0,"c":1.50,"d":123456789012345678901234567890}\n',
         b'data: {"a":1e400,"b":-0,"c":1.50,"d":123456789012345678901234567890}\n\n'),
        (b"9" * 5000 + b"\n", b"data: " + b"9" * 5000 + b"\n\n"),
        (b'{"error":{"code":5}}\n', b'event: error\ndata: {"error":{"code":5}}\n\n'),
        (b'{"error":"no"}\n', b'event: error\ndata: {"error":"no"}\n\n'),
        (b'{"error":null}\n', b'data: {"error":null}\n\n'),
        (b'{"error":0}\n', b'data: {"error":0}\n\n'),
        (b'{"error":"no","id":5}\n', b'data: {"error":"no","id":5}\n\n'),
        (b'"\\ud800"\n', b'data: "\\ud800"\n\n'),
        (b"\xef\xbb\xbf1\n", b"data: 1\n\n"),
        (b'{"a":1,"a":2}\n', b'data: {"a":1,"a":2}\n\n'),
        (b"", b""),
    ],
)  # fmt: skip
def test_each_line_becomes_an_event(lines: bytes, events: bytes) -> None:
    """Octet for octet; an object with nothing but an error is an event of that name; blank lines are pings."""
    assert converted("ndjson", "sse", lines) == Made(events)


@pytest.mark.parametrize("last", [b'{"a":1}', b"[]", b'"x"', b"true", b"null "])
def test_last_line_needs_no_line_feed_where_its_value_shows_its_end(last: bytes) -> None:
    """Many writers leave it out."""
    assert converted("ndjson", "sse", b"1\n" + last).octets == b"data: 1\n\ndata: " + last.strip() + b"\n\n"


@pytest.mark.parametrize("last", [b'{"a":1', b"12", b'"x', b"tru", b"1.5 "])
def test_half_a_line_at_the_end_is_a_failure(last: bytes) -> None:
    """A number could have had further digits."""
    made = converted("ndjson", "sse", b"1\n" + last)

    assert made == Made(b"data: 1\n\n", Why.UNFINISHED, "line 2: the body ends within it")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"{", "not JSON: expecting property name enclosed in double quotes"),
        (b"1 2", "not JSON: extra data"),
        (b"NaN", "not JSON: NaN is no number"),
        (b'"\xff"', "not UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b'"a\tb"', "not JSON: invalid control character"),
        (b'"\x00"', "not JSON: invalid control character"),
    ],
)
def test_line_that_is_no_json_fails_with_its_number(line: bytes, what: str) -> None:
    """What was whole before it goes out."""
    made = converted("ndjson", "sse", b"1\n\n" + line + b"\n4\n")

    assert (made.octets, made.why) == (b"data: 1\n\n", Why.MALFORMED)
    assert made.detail.startswith(f"line 3: {what}")


def test_line_above_the_limit_fails() -> None:
    """A line is held until it is whole, up to a bound."""
    largest = b'"' + b"x" * (FRAME_LIMIT_BYTES - 2) + b'"'

    assert converted("ndjson", "sse", largest + b"\n").why is None
    assert converted("ndjson", "sse", b"1\n", largest + b" \n").why is Why.MALFORMED
    assert converted("ndjson", "sse", b"1\n", largest, b" ").octets == b"data: 1\n\n"
