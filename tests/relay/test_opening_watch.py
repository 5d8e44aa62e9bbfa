"""What an attempt tells becomes the deadline that is due, and early hints go on to the client."""

from support.exchanges import an_attempt, an_exchange

from gateway.exchange.failure import CONNECT_TIMEOUT, FIRST_BYTE_TIMEOUT, Kind
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
