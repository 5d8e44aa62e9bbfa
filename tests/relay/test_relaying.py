"""The chunk loop: what it hands on, what it counts, whose turn it is, and how a stream may end."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from support.exchanges import ListedChunks, a_failure, a_route, an_exchange

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import (
    BODY_CUT,
    CLIENT_GONE,
    CLIENT_STALLED,
    DRAINED,
    IDLE_TIMEOUT,
    INTERNAL,
    RATE_TIMEOUT,
    Abort,
    Failure,
    Interruption,
    Kind,
)
from gateway.exchange.marks import Marks
from gateway.exchange.route import Stream, Timeouts
from gateway.exchange.trace import Trace
from gateway.relay.rate_watch import RateWatch
from gateway.relay.relaying import relay


class Turns:
    """Stands for the interrupters: what was entered, and whose turn it is."""

    def __init__(self) -> None:
        self.entered: list[tuple[Kind | None, float | None]] = []
        self.since: float | None = None
        self.rates: list[RateWatch | None] = []

    def watch_rate(self, watch: RateWatch | None) -> None:
        self.rates.append(watch)

    def enter(self, timeout: Kind | None, seconds: float | None) -> None:
        self.entered.append((timeout, seconds))
        self.since = 0.0


class Relayed:
    """A relay over listed chunks; the clock goes on by what the test says."""

    def __init__(
        self, *items: bytes | BaseException, first: bytes | None = None, timeouts: Timeouts | None = None
    ) -> None:
        self.exchange: Exchange = an_exchange(route=a_route(timeouts=timeouts))
        self.turns = Turns()
        self.now = 100.0
        self.body = relay(self.exchange, first, iter(ListedChunks(*items)), self.turns, lambda: self.now)

    def ends_by(self, error: type[BaseException]) -> list[bytes]:
        """Return the chunks that came before ``error``, which must come."""
        chunks: list[bytes] = []
        with pytest.raises(error):
            chunks.extend(self._into(chunks))
        return chunks

    def _into(self, chunks: list[bytes]) -> Iterator[bytes]:
        for chunk in self.body:
            chunks.append(chunk)
        return iter(())


def test_every_chunk_is_handed_on_as_it_is_and_counted() -> None:
    """No chunk is split, joined or lost."""
    relayed = Relayed(b"two", b"\x00", b"four")

    assert list(relayed.body) == [b"", b"two", b"\x00", b"four"]
    assert (relayed.exchange.chunks, relayed.exchange.relayed_bytes) == (3, 8)
    assert relayed.exchange.failure is None


def test_first_chunk_comes_in_place_of_the_empty_item() -> None:
    """It can leave with the head, and it counts."""
    relayed = Relayed(b"two", first=b"one")

    assert list(relayed.body) == [b"one", b"two"]
    assert (relayed.exchange.chunks, relayed.exchange.relayed_bytes) == (2, 6)


def test_head_may_leave_before_anything_is_waited_for() -> None:
    """The empty item is there at once, while the body is silent (F8); nothing was read or timed so far."""
    relayed = Relayed(AssertionError("read too early"))

    assert next(relayed.body) == b""
    assert relayed.turns.entered == []


def test_empty_body_is_one_empty_item() -> None:
    """A body without octets has no chunk and no first byte."""
    relayed = Relayed(first=b"")

    assert list(relayed.body) == [b""]
    assert relayed.exchange.chunks == 0
    assert relayed.exchange.first_byte_at is None


def test_silence_is_limited_while_the_upstream_is_awaited_and_only_then() -> None:
    """It is nobody's silence while the server writes; the wait begins anew with each chunk, and ends with the body."""
    relayed = Relayed(b"one")
    next(relayed.body)

    relayed.now = 105.0
    assert next(relayed.body) == b"one"
    assert relayed.turns.entered == [(IDLE_TIMEOUT, 300.0)]
    assert relayed.turns.since is None
    relayed.now = 107.0
    assert list(relayed.body) == []
    assert relayed.turns.entered[-1] == (None, None)


def test_wait_for_the_next_chunk_begins_when_the_server_comes_back() -> None:
    """A slow client does not make its upstream late."""
    relayed = Relayed(b"one", b"two")
    next(relayed.body)
    next(relayed.body)
    relayed.now = 190.0

    turns: list[Any] = []
    relayed.turns.__class__ = type("Seen", (Turns,), {"__setattr__": lambda self, name, value: turns.append(value)})
    next(relayed.body)

    assert turns == [190.0, None]


def test_longest_gap_is_the_upstreams_longest_silence() -> None:
    """The time a client takes is not part of it."""

    def paced() -> Iterator[bytes]:
        for seconds in (1.0, 4.0, 2.0):
            relayed.now += seconds
            yield b"x"

    relayed = Relayed()
    relayed.body = relay(relayed.exchange, None, paced(), relayed.turns, lambda: relayed.now)
    for _ in relayed.body:
        relayed.now += 50.0

    assert relayed.exchange.longest_gap_seconds == 4.0
    assert relayed.exchange.first_byte_at == 151.0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (a_failure(BODY_CUT), BODY_CUT),
        (Interruption(Failure(DRAINED)), DRAINED),
        (Interruption(Failure(IDLE_TIMEOUT)), IDLE_TIMEOUT),
        (ValueError("a defect"), INTERNAL),
        (ConnectionResetError("not the client's"), INTERNAL),
    ],
)
def test_body_that_does_not_come_whole_is_aborted_with_its_reason(error: BaseException, kind: Kind) -> None:
    """What came before is handed on; the server hears Abort and nothing else (law 3)."""
    relayed = Relayed(b"before", error)

    assert relayed.ends_by(Abort) == [b"", b"before"]
    assert relayed.exchange.failure.kind is kind


def test_stream_that_the_server_closes_early_has_lost_its_client() -> None:
    """A response that was not read to its end is not complete."""
    relayed = Relayed(b"one", b"two")
    next(relayed.body)
    next(relayed.body)

    relayed.body.close()

    assert relayed.exchange.failure.kind is CLIENT_GONE


def test_reason_the_server_gave_before_it_closed_stays() -> None:
    """The first reason counts."""
    relayed = Relayed(b"one")
    next(relayed.body)
    relayed.exchange.fail(Failure(CLIENT_STALLED))

    relayed.body.close()

    assert relayed.exchange.failure.kind is CLIENT_STALLED


def test_rate_is_watched_while_the_upstream_is_awaited_and_not_beyond_the_end() -> None:
    """It counts what was relayed, not while the client takes it; what is left at the end is the client's to take."""
    relayed = Relayed(b"x" * 60, b"y" * 60, timeouts=Timeouts(min_rate=(100, 8.0)))
    next(relayed.body)
    next(relayed.body)
    (watch,) = relayed.turns.rates
    assert watch is not None
    watch.begin(100.0)
    for _ in range(8):
        assert watch.look(watch.due) is None  # The client's turn.
    relayed.turns.since = 100.0
    failure = [watch.look(watch.due) for _ in range(4)][-1]
    assert failure == Failure(RATE_TIMEOUT, "0 octets in 8 s, 100 are asked for")
    assert len(list(relayed.body)) == 1
    assert relayed.turns.rates == [watch, None]


def test_rate_is_not_watched_where_none_is_asked_for() -> None:
    """It costs nothing."""
    relayed = Relayed(b"one")
    assert list(relayed.body) == [b"", b"one"]
    assert relayed.turns.rates == []


def watched(
    gaps: tuple[float, ...], *, marks: Marks | None, cut_after: float | None = None, trace: Trace | None = None
) -> Exchange:
    """Return an exchange whose chunks came after ``gaps``, on a route that calls 2 s a stall."""
    relayed = Relayed()
    relayed.exchange.route = a_route(stream=Stream(format="sse", stall=2.0))
    relayed.exchange.marks = marks
    relayed.exchange.trace = trace

    def paced() -> Iterator[bytes]:
        for seconds in gaps:
            relayed.now += seconds
            yield b"x"
        if cut_after is not None:
            relayed.now += cut_after
            raise a_failure(BODY_CUT)

    body = relay(relayed.exchange, None, paced(), relayed.turns, lambda: relayed.now)
    with suppress(Abort):
        for _ in body:
            relayed.now += 50.0
    return relayed.exchange


def test_each_silence_longer_than_a_stall_is_counted_once() -> None:
    """Also one shorter than one before it, and the one that a cut ended; the client's time is nobody's stall."""
    assert watched((1.0, 9.0, 3.0, 2.0, 2.1), marks=Marks("sse")).stalls == 3
    exchange = watched((1.0, 3.0), marks=Marks("sse"), cut_after=4.0)
    assert (exchange.stalls, exchange.longest_gap_seconds) == (2, 4.0)


def test_stalls_of_a_traced_exchange_are_noted_with_their_times_up_to_a_bound() -> None:
    """The first sixteen; all are counted. An exchange that is not traced notes none."""
    traced = watched((3.0,) * 20, marks=Marks("sse"), trace=Trace("1" * 32, "1" * 16, None, True))
    assert (traced.stalls, len(traced.stalled)) == (20, 16)
    (first, gap), (second, _), *_ = traced.stalled
    assert (gap, second - first) == (3.0, 53.0)
    assert watched((3.0,), marks=Marks("sse")).stalled == ()


def test_stalls_are_counted_only_where_a_stream_is_watched() -> None:
    """Elsewhere the longest gap says enough."""
    exchange = watched((1.0, 9.0, 3.0), marks=None)

    assert (exchange.stalls, exchange.longest_gap_seconds) == (0, 9.0)


def test_pings_of_the_upstream_are_no_progress_where_a_stream_is_watched() -> None:
    """The rate counts what the format counts."""
    relayed = Relayed(b": ping\n", b"data: 1\n\n", timeouts=Timeouts(min_rate=(10, 60.0)))
    relayed.exchange.marks = Marks("sse")
    next(relayed.body), next(relayed.body)
    watch = relayed.turns.rates[0]
    assert watch is not None
    for now in (115.0, 130.0, 145.0):
        relayed.turns.since = 100.0
        assert watch.look(now) is None
    failure = watch.look(160.0)
    assert failure is not None and failure.detail.startswith("0 octets")
