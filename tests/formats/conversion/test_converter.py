"""All conversions: what comes out does not depend on the pieces in which it came in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.conversions import converted, cut_at

from gateway.formats.conversion.converter import SOURCES, converter

PAIRS = [(source, target) for target, sources in SOURCES.items() for source in sources]
COLUMNS = ("id", "a.b")
_PARTS = {
    "sse": [b"data: ", b"{}", b'{"a":1}', b"[DONE]", b"\n", b"\r", b"\r\n", b"event: x", b"id:", b": c",
            b"\xc3\xa9", b"x"],
    "ndjson": [b'{"id":1}', b'{"a":{"b":"x"}}', b"\n", b"\r\n", b" ", b"12", b'"\xc3\xa9"', b'{"error":1}', b"{",
               b"\\"],
    "json": [b"[", b"]", b",", b" ", b"\n", b'"', b"\\", b'{"id":1}', b'{"a":', b"}", b"12", b"true", b'"\xc3\xa9"'],
}  # fmt: skip


@pytest.mark.parametrize(("source", "target"), PAIRS)
@given(data=st.data(), bom=st.booleans())
@settings(max_examples=150)
def test_pieces_make_no_difference(source: str, target: str, data: st.DataObject, bom: bool) -> None:
    """Whatever the octets are and wherever they are cut: the same comes out, and the same is wrong with it."""
    parts = data.draw(st.lists(st.sampled_from(_PARTS[source]), max_size=25))
    body = (b"\xef\xbb\xbf" if bom else b"") + (b"[" if source == "json" else b"") + b"".join(parts)
    places = data.draw(st.lists(st.integers(0, len(body)), max_size=8))
    whole = converted(source, target, body, columns=COLUMNS)

    assert converted(source, target, *cut_at(body, places), columns=COLUMNS) == whole
    assert converted(source, target, *cut_at(body, list(range(len(body)))), columns=COLUMNS) == whole


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_byte_order_mark_that_is_none_is_not_lost(source: str, target: str) -> None:
    """The first octets are held only as long as they may be a mark."""
    assert converted(source, target, b"\xef", b"\xbb", columns=COLUMNS) == converted(
        source, target, b"\xef\xbb", columns=COLUMNS
    )


def test_conversion_that_there_is_not_is_refused() -> None:
    """The table of pairs is the whole truth."""
    with pytest.raises(KeyError):
        converter("sse", "csv")
    with pytest.raises(KeyError):
        converter("ndjson", "ndjson")
