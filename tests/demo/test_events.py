"""Server-sent events can be resumed; a page arrives row by row."""

import re
from collections.abc import Callable

from support.rude_client import RawResponse

Ask = Callable[..., RawResponse]


def ids(response: RawResponse) -> list[int]:
    """Return the ids of the events in ``response``."""
    return [int(text) for text in re.findall(rb"^id: (\d+)$", response.body, re.MULTILINE)]


def test_events_carry_ids_and_come_at_their_pace(ask: Ask) -> None:
    """Events come one by one, with ids that count."""
    response = ask("/sse?n=3&pace=150&retry=700")
    assert response.first("content-type") == "text/event-stream; charset=utf-8"
    assert response.body.startswith(b"retry: 700\n\nid: 1\nevent: tick\ndata: ")
    assert ids(response) == [1, 2, 3]
    assert response.pieces[-1][0] >= 0.29


def test_events_go_on_after_the_last_one_seen(ask: Ask) -> None:
    """Last-Event-ID resumes the stream where it was left."""
    assert ids(ask("/sse?n=5&pace=0", "Last-Event-ID: 3")) == [4, 5]


def test_events_all_seen_end_the_reconnecting(ask: Ask) -> None:
    """204 tells an EventSource that there is nothing to come back for."""
    assert ask("/sse?n=5", "Last-Event-ID: 5").status == 204


def test_event_id_that_is_none_of_ours_is_refused(ask: Ask) -> None:
    """A foreign id is not guessed about."""
    response = ask("/sse", "Last-Event-ID: x1")
    assert (response.status, b"Last-Event-ID" in response.body) == (400, True)


def test_silence_between_events_is_filled_with_comments(ask: Ask) -> None:
    """Pings come where they are asked for, between events only."""
    response = ask("/sse?n=2&pace=350&ping=100")
    assert response.body.split(b"\n\n")[1:4] == [b": ping"] * 3
    assert ids(response) == [1, 2]


def test_events_break_off_where_asked(ask: Ask) -> None:
    """A stream cut after two events looks cut."""
    response = ask("/sse?n=9&pace=0&cut=2")
    assert (ids(response), response.complete, response.ending) == ([1, 2], False, "eof")


def test_page_arrives_row_by_row_and_escapes_what_it_shows(ask: Ask) -> None:
    """The template is rendered while it is sent."""
    response = ask("/page?n=3&delay=150")
    assert [b'id="row-%d"' % number in response.body for number in (1, 2, 3, 4)] == [True, True, True, False]
    assert b"&lt;item 3&gt;" in response.body
    assert b"</html>" in response.body
    start = next(seconds for seconds, piece in response.pieces if b"<table>" in piece)
    assert start < 0.14
    assert response.pieces[-1][0] >= 0.44
