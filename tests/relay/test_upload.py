"""A request's body on its way up: whose fault an end is, what is limited, and that nothing goes on afterwards."""

import gevent
import pytest
from gevent.event import Event
from support.exchanges import a_failure, a_route
from support.uploads import PATIENCE_SECONDS, ListedBody, Sent, route_with

from gateway.exchange.failure import (
    BAD_REQUEST,
    BODY_TOO_LARGE,
    INTERNAL,
    SEND_FAILED,
    SEND_TIMEOUT,
    UPLOAD_CUT,
    UPLOAD_RATE_TIMEOUT,
    UPLOAD_TIMEOUT,
    Failure,
    Kind,
)
from gateway.exchange.route import Timeouts


def test_body_goes_up_piece_by_piece_and_is_finished_once() -> None:
    """The end of the body is told before its framing is ended, and every octet is counted."""
    sent = Sent(ListedBody(b"one", b"two", length=6)).run()

    assert sent.events == [b"one", b"two", "done", "finish"]
    assert sent.exchange.received_bytes == 6
    assert sent.exchange.upload_done
    assert sent.interrupted == []


def test_body_that_is_at_hand_goes_up_without_a_greenlet() -> None:
    """When `start` returns, everything was sent."""
    sent = Sent(ListedBody(b"all", length=3, at_hand=True)).start()

    assert sent.events == [b"all", "done", "finish"]


def test_body_that_still_comes_does_not_hold_up_the_answer() -> None:
    """`start` returns while the client is silent; the rest goes up when it comes."""
    more = Event()
    sent = Sent(ListedBody(b"one", more, b"two", length=6)).start()
    gevent.sleep(0.01)
    assert sent.events == [b"one"]

    more.set()
    gevent.sleep(0.01)

    assert sent.events == [b"one", b"two", "done", "finish"]


@pytest.mark.parametrize("at_hand", [False, True])
@pytest.mark.parametrize("kind", [UPLOAD_CUT, BAD_REQUEST])
def test_client_that_does_not_deliver_ends_the_exchange(kind: Kind, at_hand: bool) -> None:
    """The upstream never hears of an end of the body that was none."""
    sent = Sent(ListedBody(b"one", a_failure(kind), at_hand=at_hand)).run()

    assert sent.kinds == [kind]
    assert sent.events == [b"one"]
    assert not sent.exchange.upload_done


@pytest.mark.parametrize("error", [a_failure(SEND_FAILED), BrokenPipeError()])
def test_upstream_that_stops_reading_ends_only_the_upload(error: Exception) -> None:
    """Its answer may be on the way (RFC 9112 section 9.3)."""

    def write(piece: bytes) -> None:
        raise error

    sent = Sent(ListedBody(b"one", b"two")).run(write)

    assert sent.interrupted == []
    assert sent.events == []
    assert not sent.exchange.upload_done


@pytest.mark.parametrize("error", [a_failure(SEND_FAILED), BrokenPipeError()])
def test_upstream_that_stops_reading_at_the_very_end_is_no_failure_of_the_upload(error: Exception) -> None:
    """Whoever waits for the answer says what it means."""

    def finish() -> None:
        raise error

    sent = Sent(ListedBody(b"one")).run(finish=finish)

    assert sent.interrupted == []
    assert sent.exchange.upload_done


def test_defect_in_the_upload_ends_the_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exchange never waits for an upload that broke by our own fault."""
    told: list[type[BaseException]] = []
    monkeypatch.setattr(gevent.get_hub(), "handle_error", lambda context, kind, *rest: told.append(kind))

    sent = Sent(ListedBody(ValueError("a defect"))).run()

    assert sent.kinds == [INTERNAL]
    assert told == [ValueError]


@pytest.mark.parametrize("most", [5, 6])
def test_body_above_the_limit_is_cut_at_the_limit(most: int) -> None:
    """A body may be as large as allowed; the piece that leads beyond it does not go up."""
    sent = Sent(ListedBody(b"one", b"two"), route_with(most=most)).run()

    assert sent.kinds == ([BODY_TOO_LARGE] if most == 5 else [])
    assert sent.events == ([b"one"] if most == 5 else [b"one", b"two", "done", "finish"])


def test_client_that_is_silent_for_too_long_ends_the_exchange() -> None:
    """The detail says for how long."""
    body = ListedBody(b"one")
    body.readable.clear()

    sent = Sent(body, route_with(upload_seconds=0.02)).run()

    assert sent.interrupted == [Failure(UPLOAD_TIMEOUT, "no octet for 0.02 s")]


def test_client_that_sends_no_whole_piece_in_time_ends_the_exchange() -> None:
    """Under TLS octets may come that make no whole record: readable is not yet a piece."""
    sent = Sent(ListedBody(Event()), route_with(upload_seconds=0.02)).run()

    assert sent.kinds == [UPLOAD_TIMEOUT]


def test_client_may_be_silent_beside_a_running_answer() -> None:
    """Two-way streams are nobody's delay."""
    body = ListedBody(b"one", length=3)
    body.readable.clear()
    sent = Sent(body, route_with(upload_seconds=0.02)).start()
    gevent.sleep(0)

    sent.answered()
    gevent.sleep(0.06)
    body.readable.set()
    gevent.sleep(0.01)

    assert sent.interrupted == []
    assert sent.events == [b"one", "done", "finish"]


def test_upstream_that_takes_a_large_piece_bit_by_bit_is_waited_for() -> None:
    """The limit is about silence: as long as octets go, a piece may be on its way for longer."""

    def write(piece: bytes) -> None:
        for _ in range(20):
            gevent.sleep(0.02)
            sent.exchange.attempts[-1].taken_bytes += 1
        sent.events.append(piece)

    sent = Sent(ListedBody(b"large"), route_with(upload_seconds=0.2))
    sent.run(write)

    assert sent.kinds == []
    assert sent.events == [b"large", "done", "finish"]


@pytest.mark.parametrize("answered", [False, True])
def test_upstream_that_takes_nothing_is_waited_for_within_the_limit(answered: bool) -> None:
    """Before its answer that ends the exchange; beside its answer it only ends the upload."""
    taking = Event()

    def write(piece: bytes) -> None:
        if answered:
            sent.answered()
        taking.wait(PATIENCE_SECONDS)

    sent = Sent(ListedBody(b"one"), route_with(upload_seconds=0.02))
    sent.run(write)

    assert sent.kinds == ([] if answered else [SEND_TIMEOUT])
    assert sent.events == []


def test_no_limit_means_no_limit() -> None:
    """A route may let its clients take their time."""
    body = ListedBody(b"one")
    body.readable.clear()
    sent = Sent(body, route_with(upload_seconds=None)).start()
    gevent.sleep(0.03)
    body.readable.set()
    gevent.sleep(0.01)

    assert sent.events == [b"one", "done", "finish"]


def test_upload_has_ended_when_stop_returns() -> None:
    """The client's socket is free for who reads it next: two greenlets must not wait on it."""
    body = ListedBody(b"one", Event())
    sent = Sent(body).start()
    gevent.sleep(0)
    assert body.reading == 1

    sent.upload.stop()

    assert body.reading == 0
    assert sent.events == [b"one"]
    assert sent.interrupted == []


def test_upload_may_be_stopped_at_any_time() -> None:
    """Before it began, before its greenlet ran, after its end, twice."""
    never = Sent(ListedBody(b"one"))
    never.upload.stop()
    early = Sent(ListedBody(b"one")).start()
    early.upload.stop()
    early.upload.stop()
    ended = Sent(ListedBody(b"one")).run()
    ended.upload.stop()
    gevent.sleep(0)

    assert never.events == early.events == []
    assert ended.events[-1] == "finish"


def test_upload_may_be_stopped_by_what_it_calls() -> None:
    """A connection that is closed inside a write stops the upload that writes; that is not a suicide."""

    def write(piece: bytes) -> None:
        sent.upload.stop()
        raise BrokenPipeError

    sent = Sent(ListedBody(b"one", b"two"))
    sent.run(write)

    assert sent.interrupted == []


def test_representation_tells_progress_only() -> None:
    """It may be printed anywhere."""
    sent = Sent(ListedBody(b"secret", length=6)).run()

    assert repr(sent.upload) == "<ClientUpload 6/6>"


def test_rate_is_watched_while_the_client_is_awaited_and_nothing_was_answered() -> None:
    """An upstream that takes its time, or has answered already, is no fault of the client's."""
    route = a_route(timeouts=Timeouts(min_rate=(100, 8.0)))
    more, taken = Event(), Event()
    sent = Sent(ListedBody(b"x" * 30, more, b"y"), route)
    sent.start(lambda piece: taken.wait() and None)
    (watch,) = sent.rates

    def fails() -> Failure | None:
        watch.begin(100.0)
        return [watch.look(watch.due) for _ in range(4)][-1]

    gevent.sleep(0)
    assert fails() is None  # The upstream takes the first piece.
    taken.set()
    gevent.sleep(0.01)
    assert fails() == Failure(UPLOAD_RATE_TIMEOUT, "0 octets in 8 s, 100 are asked for")
    sent.answered()
    assert fails() is None
    sent.upload.stop()


def test_rate_of_a_body_that_is_at_hand_is_not_watched() -> None:
    """It is there."""
    assert Sent(ListedBody(b"x", at_hand=True), a_route(timeouts=Timeouts(min_rate=(9, 8.0)))).run().rates == []


@pytest.mark.parametrize("at_hand", [False, True])
def test_body_is_shown_to_who_wants_to_look_at_it(at_hand: bool) -> None:
    """Piece by piece on its way; one that is at hand also before, for it may have to wait for its turn."""
    seen: list[bytes] = []
    sent = Sent(ListedBody(b"one", b"two", length=6, at_hand=at_hand))
    sent.upload.look(seen.append)
    assert seen == ([b"onetwo"] if at_hand else [])

    sent.run()

    assert seen[-2:] == [b"one", b"two"]
    assert sent.events == [b"one", b"two", "done", "finish"]
