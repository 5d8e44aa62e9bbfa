"""Of a body that nobody understands only the octets are counted."""

from gateway.exchange.marks import Marks
from gateway.formats.opaque import Opaque


def test_octets_are_counted_and_any_end_is_whole() -> None:
    """No frame is claimed, and nothing may be put in between."""
    format = Opaque()
    format.feed(b"")
    assert format.marks == Marks("opaque", boundary=False)
    format.feed(b"abc")
    format.feed(b"d")
    assert format.marks == Marks("opaque", meaningful=1, progress_bytes=4, boundary=False)
    assert format.end() is None
