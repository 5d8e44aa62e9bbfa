"""Event streams are read as the standard has it (WHATWG HTML, section 9.2)."""

import pytest

from gateway.exchange.marks import Marks
from gateway.formats.sse import LARGEST_EVENT_BYTES, Sse


def fed(*chunks: bytes, terminal: tuple[str, ...] = ()) -> Sse:
    """Return a watcher that has seen these chunks."""
    format = Sse(terminal)
    for chunk in chunks:
        format.feed(chunk)
    return format


@pytest.mark.parametrize(
    ("data", "frames", "silent"),
    [
        (b"data: a\n\n", 1, 0),
        (b"data: a\r\n\r\n", 1, 0),
        (b"data: a\r\rdata: b\r\r", 2, 0),
        (b"data: a\n\r\ndata: b\r\n\n", 2, 0),
        (b"data: a\ndata: b\n\n", 1, 0),
        (b"event: a\ndata: b\n\n", 1, 0),
        (b"event:a\nid: 3\ndata:b\n\n", 1, 0),
        (b"data\n\n", 1, 0),
        (b"data:\n\n", 1, 0),
        (b"event: a\n\n", 0, 0),
        (b"event:\n\n", 0, 0),
        (b"id: 1\nretry: 3\nwhat: ever\n\n", 0, 0),
        (b": ping\n\n", 0, 8),
        (b": ping\n:\r\n\r\n\n", 0, 13),
        (b"data: a\n: within\ndata: b\n\n", 1, 9),
        (b"data: a\n\n\n\ndata: b\n\n", 2, 2),
        (b"\n\ndata: a\n\n", 1, 2),
        (b"\xef\xbb\xbfdata: a\n\n", 1, 3),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", 1, 0),
        (b"data: a\n\n \ndata: b\n\n", 2, 0),
        (b"data: a\n\ndata: b\n\nid: 1\ndata: c\n\n\n", 3, 1),
    ],
)
def test_events_with_data_are_frames_and_comments_are_no_progress(data: bytes, frames: int, silent: int) -> None:
    """Whatever ends the lines; what only keeps a connection alive does not count."""
    marks = fed(data).marks
    between = not data.endswith(b"\r")
    progress = len(data) - silent
    assert marks == Marks("sse", frames=frames, meaningful=frames, progress_bytes=progress, boundary=between)


def test_chunk_that_looks_like_one_event_may_be_two() -> None:
    """A CR ends lines, too."""
    assert fed(b"\n", b"data: a\r\rdata: b\n\n").marks.frames == 2


@pytest.mark.parametrize(
    ("data", "boundary"),
    [
        (b"", True),
        (b"\xef", False),
        (b"\xef\xbb", False),
        (b"\xef\xbb\xbf", True),
        (b":", False),
        (b": a\n", True),
        (b"\n", True),
        (b"d", False),
        (b"id: 1\n", False),
        (b"what\n", False),
        (b"data: a\n", False),
        (b"data: a\n: b\n", False),
        (b"data: a\r", False),
        (b"data: a\r\n", False),
        (b"data: a\r\n\r\n", True),
        (b"data: a\n\n", True),
        (b"data: a\n\n: b\n", True),
        (b"data: a\n\n: b", False),
        (b"data: a\n\nevent: x\n", False),
    ],
)
def test_boundary_is_only_where_no_field_waits_for_its_blank_line(data: bytes, boundary: bool) -> None:
    """A ping after an ``id:`` line would make some clients dispatch half an event."""
    format = fed(data)
    assert format.marks.boundary is boundary
    assert format.end() == (None if boundary else "the last event did not end")


@pytest.mark.parametrize("data", [b": a\r", b"data: a\r\r", b"data: a\r\n\r"])
def test_nothing_may_be_put_behind_a_cr_although_an_event_ends_there(data: bytes) -> None:
    """Its LF may follow, and behind what was put in it would be one more empty line."""
    format = fed(data)
    assert (format.marks.boundary, format.end()) == (False, None)
    format.feed(b"\n")
    assert format.marks.boundary


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (b"event: done\ndata: {}\n\n", True),
        (b"event:done\r\ndata\r\n\r\n", True),
        (b"data: [DONE]\n\n", True),
        (b"data: [DO\n\ndata: NE]\n\n", False),
        (b"data: said [DONE]\n\n", False),
        (b"data: [DONE]\n", False),
        (b"event: done\n\n", False),
        (b"event: undone\ndata: event: done\n\n", False),
        (b"event: done\nevent: more\ndata: 1\n\n", False),
        (b": event: done\n\n", False),
        (b"data: [DONE]\n\ndata: more", True),
    ],
)
def test_answer_is_whole_once_its_last_event_came_and_stays_so(data: bytes, whole: bool) -> None:
    """The name or the data of a whole event says so, nothing that resembles it."""
    format = fed(data, terminal=("event:done", "data: [DONE]"))
    assert format.marks.terminal is whole
    missing = "none of the last events came (event:done, data: [DONE])"
    assert format.end() == (None if whole else missing)


def test_last_data_is_a_frame_but_none_of_the_answer() -> None:
    """It says only that the answer is whole; a last event by its name may carry the result."""
    terminal = ("event:done", "data:[DONE]")
    assert fed(b"data: [DONE]\n\n", terminal=terminal).marks.meaningful == 0
    assert fed(b"event: done\ndata: 42\n\n", terminal=terminal).marks.meaningful == 1


def test_event_without_a_name_is_a_message() -> None:
    """As the standard calls it."""
    assert fed(b"data: x\n\n", terminal=("event:message",)).marks.terminal


@pytest.mark.parametrize("chunk_octets", [1000, 65536, 4 << 20])
@pytest.mark.parametrize("start", [b"data: ", b"x: 1\ndata: ", b": "])
def test_line_longer_than_what_is_kept_still_ends_where_it_ends(chunk_octets: int, start: bytes) -> None:
    """The structure is followed without keeping the text."""
    line = start + b"x" * (LARGEST_EVENT_BYTES + 100) + b"\r\n\r\n"
    format = Sse(("data:x",))
    for at in range(0, len(line), chunk_octets):
        format.feed(line[at : at + chunk_octets])
        assert len(format._line) <= LARGEST_EVENT_BYTES + 16
    comment = start == b": "
    assert format.marks == Marks("sse", 1 - comment, 1 - comment, 0 if comment else len(line))
    format.feed(b"data: x\n\n")
    assert format.marks.terminal


@pytest.mark.parametrize(("octets", "known"), [(LARGEST_EVENT_BYTES, True), (LARGEST_EVENT_BYTES + 1, False)])
@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_data_is_looked_at_up_to_its_bound(octets: int, known: bool, chunks: int) -> None:
    """The bound is the same whether an event comes in one piece or in many."""
    text = b"x" * octets
    data = b"data: " + text + b"\n\n"
    format = fed(b":\n", terminal=("data:" + text.decode(),))
    for at in range(chunks):
        format.feed(data[at * len(data) // chunks : (at + 1) * len(data) // chunks])
    assert format.marks.frames == 1
    assert format.marks.terminal is known


def test_many_lines_of_data_are_kept_up_to_the_bound_together() -> None:
    """An event has one bound, not one for each of its lines."""
    format = fed(b"data: " + b"x" * 1000 + b"\n")
    for _ in range(2000):
        format.feed(b"data: " + b"x" * 1000 + b"\n")
        assert sum(map(len, format._data)) <= LARGEST_EVENT_BYTES
    format.feed(b"\ndata: y\n\n")
    assert format.marks.frames == 2
