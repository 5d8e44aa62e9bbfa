"""What becomes of an exchange whose client leaves: when it is read on for, for how long, and what is written down."""

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from support.exchanges import ListedChunks, a_failure, a_reply, a_route, an_attempt, an_exchange
from support.pieces import three_pieces

from gateway.exchange.failure import (
    BODY_CUT,
    CLIENT_GONE,
    CLIENT_STALLED,
    DRAINED,
    IDLE_TIMEOUT,
    TOTAL_TIMEOUT,
    Abort,
    Failure,
    FailureError,
    Interruption,
    Kind,
)
from gateway.exchange.marks import Marks
from gateway.exchange.message import Source
from gateway.exchange.route import Stream
from gateway.relay.interrupts import Interrupts
from gateway.relay.leaving import Leaving

GONE = Failure(CLIENT_GONE, "it left")


class Interrupters:
    """Stands for the interrupters; ``over`` makes it say that the exchange is ending already."""

    def __init__(self) -> None:
        self.over = False
        self.failure: Failure | None = None
        self.since: float | None = None
        self.bounds: list[float] = []
        self.thrown: list[Failure] = []
        self.paused: list[float] = []

    def end_within(self, seconds: float) -> bool:
        self.bounds.append(seconds)
        return not self.over

    def interrupt(self, failure: Failure) -> None:
        self.thrown.append(failure)

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)

    def enter(self, timeout: Kind | None, seconds: float | None) -> None:
        self.since = 0.0


class Left:
    """An exchange under way, as its client may leave it."""

    def __init__(self, stream: Stream | None = None) -> None:
        route = a_route(stream=stream or Stream(on_disconnect="drain", drain=7.0))
        self.exchange = an_exchange(route=route)
        self.exchange.upload_done = True
        self.attempt = an_attempt()
        self.attempt.sent_at = 100.5
        self.exchange.attempts.append(self.attempt)
        self.interrupts: Any = Interrupters()
        self.hung_up = 0
        self.leaving = Leaving(self.exchange, self.interrupts, lambda: 102.0, self._hang_up)

    def _hang_up(self) -> None:
        self.hung_up += 1

    def answered(self, source: Source = Source.UPSTREAM) -> None:
        self.attempt.status = 200
        self.exchange.reply = a_reply(source=source)
        self.exchange.committed_at = 101.0

    def told(self) -> tuple[str | None, int]:
        self.leaving.read_on()
        return self.exchange.drained, self.exchange.drained_bytes


def body(*items: bytes | BaseException) -> Iterator[bytes]:
    return iter(ListedChunks(*items))


def test_waiting_upstream_is_not_disturbed() -> None:
    """Nothing is thrown into its read; the reason is written down, a bound is set, and the connection goes back."""
    left = Left()
    left.leaving.left(GONE)

    assert (left.interrupts.thrown, left.interrupts.bounds, left.hung_up) == ([], [7.0], 1)
    assert left.exchange.failure is GONE


@pytest.mark.parametrize("case", ["cancel", "queue", "upload", "connecting", "failed", "ending", "between"])
def test_exchange_that_nothing_is_to_be_learned_from_ends_at_once(case: str) -> None:
    """Where the route says so, or the upstream does not work on the whole request."""
    left = Left(Stream() if case == "cancel" else None)
    if case == "queue":
        left.exchange.attempts.clear()
    left.exchange.upload_done = case != "upload"
    left.attempt.sent_at = None if case == "connecting" else 100.5
    left.attempt.failure = Failure(BODY_CUT) if case == "failed" else None
    left.interrupts.over = case == "ending"
    if case == "between":
        left.interrupts.pause = lambda seconds: left.leaving.left(GONE)
        left.leaving.pause(1.0)
    else:
        left.leaving.left(GONE)

    assert (left.interrupts.thrown, left.hung_up, left.exchange.failure) == ([GONE], 0, None)


@pytest.mark.parametrize("failed", [False, True])
def test_client_that_leaves_a_race_is_read_on_for(failed: bool) -> None:
    """Either attempt may bring the answer: also the one that was begun first, while the other looks for a connection,
    and after the other has failed."""
    left = Left()
    rival = an_attempt()
    left.exchange.attempts.append(rival)
    if failed:
        rival.failure, rival.ended = Failure(BODY_CUT), 101.0
    left.leaving.left(GONE)

    assert (left.interrupts.thrown, left.hung_up) == ([], 1)


def test_attempt_that_is_over_is_nothing_to_read_on_for() -> None:
    """It was followed by another, which has not been sent yet."""
    left = Left()
    left.attempt.status, left.attempt.ended = 503, 101.0
    left.exchange.attempts.append(an_attempt())
    left.leaving.left(GONE)

    assert left.interrupts.thrown == [GONE]


def test_nobody_is_asked_again_for_a_client_that_left() -> None:
    """The wait before the next attempt does not even begin."""
    left = Left()
    left.leaving.pause(0.5)
    left.leaving.left(GONE)
    with pytest.raises(Interruption) as raised:
        left.leaving.pause(1.0)
    assert raised.value.failure is GONE
    assert left.interrupts.paused == [0.5]


def test_client_whose_leaving_nobody_saw_is_looked_for_before_the_next_attempt() -> None:
    """Its watch has not begun so early, and had no turn where there was nothing to wait for."""
    left = Left()
    left.interrupts = Interrupts(lambda: 102.0)
    left.leaving = Leaving(left.exchange, left.interrupts, lambda: 102.0, left._hang_up)
    left.leaving.watch = Looking(left.leaving)  # type: ignore[assignment]
    with pytest.raises(Interruption) as raised:
        left.leaving.pause(0.0)
    assert (raised.value.failure, left.hung_up) == (GONE, 0)


class Looking:
    """A watch that meets its client's end when it is made to look."""

    def __init__(self, leaving: Leaving) -> None:
        self._leaving = leaving

    def look(self) -> None:
        self._leaving.left(GONE)


def test_other_routes_get_their_chunks_as_they_are() -> None:
    """A policy that is off adds nothing to a chunk's way."""
    left = Left(Stream())
    left.answered()
    rest = body(b"a")
    assert left.leaving.relayed(None, rest) is rest


@pytest.mark.parametrize("alone", [False, True])
def test_a_chunk_is_not_held_while_the_next_is_waited_for(alone: bool) -> None:
    """Relayed or read for the record: of bulk, a few octets may hold half a megabyte for as long as a silence lasts."""
    left = Left()
    left.answered()
    held: list[object] = []
    relayed = left.leaving.relayed(None, three_pieces(1000, held))
    next(relayed)
    if alone:
        left.leaving.left(GONE)
        with pytest.raises(Interruption):
            next(relayed)
        assert left.told() == ("complete", 2000)
    else:
        for chunk in relayed:
            del chunk
    assert held == [None] * 3


@pytest.mark.parametrize("alone", [False, True])
def test_what_broke_leaves_nothing_that_only_a_search_for_rings_finds(alone: bool) -> None:
    """An exception knows the frames that it passed, and these the memory of the last read."""
    left = Left()
    left.answered()
    made: list[weakref.ref[object]] = []

    def chunks() -> Iterator[Any]:
        yield b"a"
        if alone:
            yield b"b"
        read = memoryview(bytearray(1000))
        made.append(weakref.ref(read))
        raise a_failure(BODY_CUT)

    gc.collect()
    gc.disable()
    try:
        relayed = left.leaving.relayed(None, chunks())
        next(relayed)
        if alone:
            left.leaving.left(GONE)
        with pytest.raises(Interruption if alone else FailureError):
            next(relayed)
        if alone:
            assert left.told() == ("cut", 1)
        del left, relayed
        assert [one() for one in made] == [None]
    finally:
        gc.enable()


def test_chunk_that_finds_the_client_gone_ends_the_relay() -> None:
    """It is read for the record, not relayed; so is the rest."""
    left = Left()
    left.answered()
    relayed = left.leaving.relayed(b"first", body(b"a", b"bb", b"ccc"))
    assert next(relayed) == b"a"
    left.leaving.left(GONE)
    with pytest.raises(Interruption):
        next(relayed)

    assert left.told() == ("complete", 5)
    assert left.exchange.committed_at == 101.0


def test_answer_that_comes_when_the_client_has_left_is_not_committed() -> None:
    """Its first chunk, which came with the head, is counted with the others."""
    left = Left()
    left.leaving.left(GONE)
    left.answered()
    with pytest.raises(Abort):
        left.leaving.relayed(b"first", body(b"a"))

    assert left.told() == ("complete", 6)
    assert left.exchange.committed_at is None


@pytest.mark.parametrize(("ended", "how"), [(None, "cut"), (TOTAL_TIMEOUT, "timeout"), (DRAINED, "shutdown")])
def test_local_reply_to_a_client_that_left_is_not_sent(ended: Kind | None, how: str) -> None:
    """The attempt failed, or was ended; there is no answer to read."""
    left = Left()
    left.leaving.left(GONE)
    left.interrupts.failure = Failure(ended) if ended is not None else None
    left.answered(Source.LOCAL)
    with pytest.raises(Abort):
        left.leaving.relayed(b"problem", body())
    assert left.told() == (how, 0)


@pytest.mark.parametrize("kind", [CLIENT_GONE, CLIENT_STALLED])
def test_client_that_the_server_met_is_read_on_for(kind: Kind) -> None:
    """Its watch is stopped, the bound is set, and its connection goes back before anything is waited for."""
    left = Left()
    left.answered()
    next(left.leaving.relayed(None, body(b"a", b"bb")))
    left.exchange.fail(Failure(kind))

    assert left.told() == ("complete", 2)
    assert (left.hung_up, left.interrupts.bounds) == (1, [7.0])
    assert left.interrupts.since == 102.0  # Each wait has its own time, as ever.


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (a_failure(BODY_CUT), "cut"),
        (RuntimeError(), "cut"),
        (Interruption(Failure(TOTAL_TIMEOUT)), "timeout"),
        (Interruption(Failure(IDLE_TIMEOUT)), "timeout"),
        (Interruption(Failure(DRAINED)), "shutdown"),
    ],
)
@pytest.mark.parametrize("where", ["first", "later"])
def test_end_that_reading_on_comes_to_is_told(end: BaseException, how: str, where: str) -> None:
    """Whether the very first read met it, which the relay had begun, or a later one."""
    left = Left()
    left.answered()
    relayed = left.leaving.relayed(None, body(b"a", *([b"bb"] if where == "later" else []), end))
    next(relayed)
    left.leaving.left(GONE)
    with pytest.raises(Interruption if where == "later" else type(end)):
        next(relayed)
    assert left.told() == (how, 2 if where == "later" else 0)
    assert left.exchange.failure is GONE


@pytest.mark.parametrize("failure", [None, Failure(BODY_CUT), Failure(TOTAL_TIMEOUT)])
def test_other_ends_are_not_read_on_from(failure: Failure | None) -> None:
    """Nor is anything written down for them."""
    left = Left()
    left.answered()
    next(left.leaving.relayed(None, body(b"a", b"b")))
    left.exchange.failure = failure
    assert left.told() == (None, 0)
    assert left.hung_up == 0


def test_rate_of_a_compressed_answer_is_that_of_its_upstream() -> None:
    """What is read for the record must not seem slower than it came."""
    left = Left()
    exchange = left.exchange
    exchange.drained_bytes = 3
    assert left.leaving._progress() == 3
    exchange.plain_bytes = 700
    assert left.leaving._progress() == 700
    exchange.marks = Marks("sse", progress_bytes=600)
    assert left.leaving._progress() == 600
