"""Requests whose bodies ask for a stream."""

import pytest

from gateway.formats.asks_to_stream import AsksToStream


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        (b'{"stream":true}', True),
        (b'{"model": "m", "stream" : \r\n\ttrue, "n": 1}', True),
        (b'{"stream":false}', False),
        (b'{"stream_options": {}, "n": true}', False),
        (b'{"prompt": "say \\"stream\\": true"}', False),
        (b"", False),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_stream_is_found_whatever_the_pieces_are(body: bytes, asked: bool, size: int) -> None:
    """Also across their borders; not inside a string."""
    asks = AsksToStream()
    for start in range(0, len(body), size):
        asks.feed(body[start : start + size])

    assert asks.asked is asked


def test_only_the_end_of_what_passed_is_kept() -> None:
    """However large the body is."""
    asks = AsksToStream()
    for _ in range(100):
        asks.feed(b"x" * 65536)

    assert len(asks._tail) <= 64
