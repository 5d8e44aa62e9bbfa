"""Chunks mean nothing: however a body is cut into pieces, what is seen in it is the same."""

import gzip
import zlib
from collections.abc import Callable, Iterable
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.streams import STREAMS, raw_deflate, two_members

from gateway.exchange.marks import Format, Marks
from gateway.exchange.message import ReplyHead
from gateway.formats.choose import choose

TYPES = {
    "openai": "text/event-stream",
    "responses": "text/event-stream",
    "anthropic": "text/event-stream",
    "sse": "text/event-stream",
    "ndjson": "application/x-ndjson",
    "json": "application/json",
    "csv": "text/csv",
    "opaque": "text/html",
}
PRESETS = {"responses": "openai", "json": "openai"}
CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "members": ("gzip", two_members),
    "zlib": ("deflate", zlib.compress),
    "raw": ("deflate", raw_deflate),
}
NAMES = sorted(TYPES)
PIECES = st.lists(st.integers(1, 40), min_size=1, max_size=60)
# Octets in which every format finds something to trip over.
NOISE = st.lists(
    st.sampled_from(
        [
            *(
                b"data:",
                b"data: {}",
                b"event: ",
                b"id: 1",
                b"ping",
                b"\n",
                b"\r",
                b"\r\n",
                b"\n\n",
                b":",
                b"{",
                b"}",
                b"[",
            ),
            *(b"]", b'"', b'""', b'"a"', b"\\", b",", b" ", b"1", b"true", b"[DONE]", b"\xef\xbb\xbf", b"\xef"),
            *(b'{"error":{"code":429}}', b'data: {"choices":[{"index":1,"finish_reason":"x"}]}'),
            *(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n', b"event: message_stop\n"),
            *(b'event: content_block_delta\ndata: {"delta":{"text":"a"}}\n\n', b"event: ping\ndata: {}\n\n"),
        ]
    ),
    max_size=30,
).map(b"".join)


def watcher(name: str, coding: str = "", terminal: tuple[str, ...] = ()) -> Format:
    """Return a fresh watcher for one of the streams."""
    fields = [("Content-Type", TYPES[name])] + ([("Content-Encoding", coding)] if coding else [])
    found = choose(PRESETS.get(name, name), ReplyHead(200, "OK", fields), terminal)
    assert not isinstance(found, str), found
    return found


def pieces_of(data: bytes, sizes: Iterable[int]) -> list[bytes]:
    """Cut octets into pieces of these sizes, the rest as one."""
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]


def seen(format: Format, pieces: Iterable[bytes]) -> tuple[Marks, str | None, Marks]:
    """Return the marks before the end, what is missing there, and the marks after it."""
    for piece in pieces:
        format.feed(piece)
    marks = deepcopy(format.marks)
    return marks, format.end(), format.marks


@pytest.mark.parametrize("name", NAMES)
@given(sizes=PIECES)
def test_stream_split_anywhere_has_the_same_marks(name: str, sizes: list[int]) -> None:
    """A watcher sees the stream, not the chunks."""
    data = STREAMS[name]
    assert seen(watcher(name), pieces_of(data, sizes)) == seen(watcher(name), [data])


@pytest.mark.parametrize("name", NAMES)
def test_stream_in_single_octets_has_the_same_marks_at_each_of_them(name: str) -> None:
    """Also on the way, what is seen depends on the octets so far alone."""
    data = STREAMS[name]
    one = watcher(name)
    for at in range(len(data)):
        one.feed(data[at : at + 1])
        other = watcher(name)
        other.feed(data[: at + 1])
        assert one.marks == other.marks, data[: at + 1]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=200)
@given(data=NOISE, sizes=PIECES)
def test_noise_split_anywhere_has_the_same_marks(name: str, data: bytes, sizes: list[int]) -> None:
    """Nothing that an upstream sends makes the chunks matter, or raises."""
    assert seen(watcher(name), pieces_of(data, sizes)) == seen(watcher(name), [data])


@pytest.mark.parametrize("coding", sorted(CODINGS))
@pytest.mark.parametrize("name", ["anthropic", "csv", "json", "ndjson", "openai", "sse"])
@settings(max_examples=20)
@given(sizes=PIECES)
def test_coded_stream_split_anywhere_has_the_marks_of_the_plain_one(name: str, coding: str, sizes: list[int]) -> None:
    """A content coding hides nothing but the boundaries, for nothing can be put in."""
    word, encode = CODINGS[coding]
    marks, missing, at_end = seen(watcher(name, word), pieces_of(encode(STREAMS[name]), sizes))
    plain_marks, plain_missing, plain_at_end = seen(watcher(name), [STREAMS[name]])
    plain_marks.boundary = plain_at_end.boundary = False
    assert (marks, missing, at_end) == (plain_marks, plain_missing, plain_at_end)


@pytest.mark.parametrize("name", ["anthropic", "json", "openai", "ndjson"])
@pytest.mark.parametrize("coding", sorted(CODINGS))
def test_coded_stream_cut_before_its_end_is_never_whole(name: str, coding: str) -> None:
    """Where the coding's own end is missing, so is the answer's."""
    word, encode = CODINGS[coding]
    data = encode(STREAMS[name])
    ends_of_members = (len(gzip.compress(STREAMS[name][:40], mtime=0)),) if coding == "members" else ()
    for cut in range(1, len(data)):
        format = watcher(name, word)
        format.feed(data[:cut])
        if cut not in ends_of_members:
            assert format.end() == f"the {word} data did not end"


WHOLE_FROM = {
    "openai": STREAMS["openai"].index(b'"stop"}]}\n\n') + len(b'"stop"}]}\n\n'),
    "responses": len(STREAMS["responses"]),
    "anthropic": len(STREAMS["anthropic"]),
    "json": len(STREAMS["json"]) - 1,
}


@pytest.mark.parametrize("name", sorted(WHOLE_FROM))
def test_stream_is_whole_from_the_last_octet_of_its_own_end_and_never_before(name: str) -> None:
    """No cut passes for an answer."""
    data = STREAMS[name]
    for cut in range(len(data) + 1):
        format = watcher(name)
        format.feed(data[:cut])
        assert (format.end() is None) == (cut >= WHOLE_FROM[name]), data[:cut]
        assert format.marks.terminal == (cut >= WHOLE_FROM[name])


def test_table_cut_anywhere_but_after_a_line_break_outside_of_quotes_is_not_whole() -> None:
    """A record without its line break may be a part of one."""
    data = STREAMS["csv"]
    whole = {0, data.index(b"1,"), data.index(b"\r\n2,"), data.index(b"2,"), len(data)}
    for cut in range(len(data) + 1):
        format = watcher("csv")
        format.feed(data[:cut])
        assert (format.end() is None) == (cut in whole), data[:cut]


def test_events_with_a_last_name_cut_anywhere_are_not_whole() -> None:
    """Where a route names the last event, nothing less will do."""
    data = STREAMS["sse"]
    for cut in range(len(data) + 1):
        format = watcher("sse", terminal=("event:end",))
        format.feed(data[:cut])
        assert (format.end() is None) == (cut >= len(data) - 1), data[:cut]
