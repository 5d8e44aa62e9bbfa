"""What keeps a connection alive in each format."""

import json

import pytest

from gateway.formats.ping import ping
from gateway.formats.sse import Sse


@pytest.mark.parametrize(
    ("format", "octets"),
    [
        ("sse", b": ping\n"),
        ("openai", b": ping\n"),
        ("anthropic", b": ping\n"),
        ("ndjson", b"\n"),
        ("json", b" "),
        ("csv", b""),
        ("opaque", b""),
    ],
)
def test_each_format_has_the_ping_that_its_readers_skip(format: str, octets: bytes) -> None:
    """None where there is no such thing."""
    assert ping(format) == octets


def test_ping_of_an_event_stream_is_no_frame_and_ends_no_event() -> None:
    """A comment of one line: between two events it leaves the stream between two events."""
    watch = Sse(())
    for octets in (b"id: 7\ndata: 1\n\n", ping("sse"), ping("sse")):
        watch.feed(octets)

    assert (watch.marks.frames, watch.marks.boundary) == (1, True)


def test_blanks_before_a_document_change_nothing() -> None:
    """RFC 8259 section 2."""
    assert json.loads(ping("json") * 3 + b'{"a": 1}') == {"a": 1}
