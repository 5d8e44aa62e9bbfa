"""What an attempt tells becomes the deadline that is due, and early hints go on to the client."""

import pytest
from support.exchanges import an_attempt, an_exchange

from gateway.exchange.failure import CONNECT_TIMEOUT, FIRST_BYTE_TIMEOUT, FIRST_FRAME_TIMEOUT, Failure, Kind
from gateway.exchange.marks import Marks
from gateway.exchange.message import ReplyHead
from gateway.exchange.route import Timeouts
from gateway.relay.opening_watch import OpeningWatch

TIMEOUTS = Timeouts(connect=1.5, first_byte=7.0)
NO_LIMIT = (None, None)


class Watching:
    """A watch, the phases it entered and the hints it passed on."""

    def __init__(self) -> None:
        self.exchange = an_exchange()
        self.entered: list[tuple[Kind | None, float | None]] = []
        self.interim: list[ReplyHead] = []
        self.watch = OpeningWatch(self.exchange, TIMEOUTS, self, lambda: 104.0, self.interim.append)

    def enter(self, timeout: Kind | None, seconds: float | None) -> None:
        self.entered.append((timeout, seconds))


def test_each_moment_arms_the_deadline_that_follows_it() -> None:
    """Connect, then none while the request is sent, then the first byte, then none."""
    watching = Watching()
    for moment in (watching.watch.connecting, watching.watch.connected, watching.watch.sent, watching.watch.answered):
        moment()

    assert watching.entered == [(CONNECT_TIMEOUT, 1.5), NO_LIMIT, (FIRST_BYTE_TIMEOUT, 7.0), NO_LIMIT]


def test_time_of_the_head_is_written_down() -> None:
    """The clock is read when the final head is there."""
    watching = Watching()
    watching.watch.sent()
    assert watching.exchange.head_at is None

    watching.watch.answered()

    assert watching.exchange.head_at == 104.0


def test_request_that_is_sent_behind_its_answer_arms_nothing() -> None:
    """An upload that ends after the head came has no first byte to wait for."""
    watching = Watching()
    watching.watch.answered()
    watching.watch.sent()

    assert watching.entered == [NO_LIMIT]


def test_early_hints_go_on_without_what_speaks_about_one_connection() -> None:
    """RFC 9110 section 7.6.1 holds for interim responses, too."""
    watching = Watching()
    link = ("Link", "</a.css>; rel=preload")
    fields = [("Connection", "close, X-Hop"), ("X-Hop", "1"), link, ("Transfer-Encoding", "chunked")]

    watching.watch.informational(ReplyHead(103, "Early Hints", fields))

    assert watching.interim == [ReplyHead(103, "Early Hints", [link])]


def test_any_interim_answer_goes_on() -> None:
    """A proxy forwards 1xx it did not ask for itself, also those it knows nothing about (RFC 9110 section 15.2)."""
    watching = Watching()
    watching.watch.informational(ReplyHead(102, "Processing", []))

    assert watching.interim == [ReplyHead(102, "Processing", [])]


def test_time_at_which_the_request_had_gone_is_written_down() -> None:
    """From there on it is the upstream that lets us wait."""
    watching = Watching()
    watching.exchange.attempts.append(an_attempt())
    watching.watch.sent()

    assert watching.exchange.attempts[0].sent_at == 104.0


def frames_expected(head_at: float | None, marks: Marks | None) -> list[tuple[Failure | None, float | None]]:
    """Return what is expected once the request is sent, with a limit of 9 s for the first frame."""
    watching = Watching()
    expected: list[tuple[Failure | None, float | None]] = []
    watching.expect = lambda *what: expected.append(what)  # type: ignore[attr-defined]
    watching.watch._timeouts = Timeouts(first_frame=9.0)
    watching.exchange.head_at, watching.exchange.marks = head_at, marks
    watching.watch.sent()
    return expected


def test_first_frame_is_expected_from_the_end_of_the_request_on() -> None:
    """Also where the upload ends behind the head; not where the frame has come, or nobody would see it."""
    late = [(Failure(FIRST_FRAME_TIMEOUT, "after 9 s"), 113.0)]

    assert frames_expected(None, None) == late
    assert frames_expected(None, Marks("sse", meaningful=3)) == late  # those of the attempt before
    assert frames_expected(101.0, Marks("sse")) == late
    assert frames_expected(101.0, Marks("sse", meaningful=1)) == []
    assert frames_expected(101.0, None) == []


@pytest.mark.parametrize(("sent_at", "due"), [(100.5, [109.5]), (None, [])])
def test_head_that_was_won_in_a_race_has_its_deadline_for_the_first_frame(
    sent_at: float | None, due: list[float]
) -> None:
    """It counts from where that attempt was sent, under a watch of its own; nothing new begins with the winning."""
    watching, attempt = Watching(), an_attempt()
    expected: list[float | None] = []
    watching.expect = lambda failure, at: expected.append(at)  # type: ignore[attr-defined]
    watching.watch._timeouts = Timeouts(first_frame=9.0)
    attempt.sent_at = sent_at
    watching.watch.taken_over(attempt)

    assert expected == due
    assert watching.entered == []
