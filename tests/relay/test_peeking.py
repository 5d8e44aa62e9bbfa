"""Holding a head: what ends the wait, what is held, and that nothing of the body is lost or read twice."""

import contextlib
import gc
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent.queue import Queue
from support.exchanges import ListedChunks, a_failure, a_reply, a_route, an_attempt, an_exchange
from support.waiting import PATIENCE_SECONDS

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import BODY_CUT, CLIENT_GONE, IN_BAND_ERROR, Failure, FailureError, Interruption
from gateway.exchange.marks import InBandError, Marks
from gateway.exchange.message import Chunks, Reply
from gateway.exchange.route import Stream, Timeouts
from gateway.exchange.wire import Wire
from gateway.relay.interrupts import Interrupts
from gateway.relay.peeking import peek

ERROR = InBandError("overloaded_error", 529, b"{}")


class Marking:
    """A body whose chunks mark: ``.`` nothing, ``!`` a frame, ``$`` the end, ``E`` an error, ``?`` nonsense."""

    def __init__(self, chunks: Chunks, marks: Marks) -> None:
        self._chunks = chunks
        self._marks = marks

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._marks.meaningful += chunk.count(b"!")
            self._marks.terminal |= b"$" in chunk
            self._marks.error = ERROR if b"E" in chunk else self._marks.error
            self._marks.malformed = "nonsense" if b"?" in chunk else self._marks.malformed
            yield chunk

    def ready(self) -> bool:
        return self._chunks.ready()

    def close(self) -> None:
        self._chunks.close()


class Fed:
    """A body that is put into a queue, and waits where that is empty; None ends it."""

    def __init__(self) -> None:
        self.queue: Any = Queue()
        self.closed = 0
        self.broken_off = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            try:
                chunk = self.queue.get()
            except BaseException:
                self.broken_off += 1
                raise
            if chunk is None:
                return
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    def ready(self) -> bool:
        return False

    def close(self) -> None:
        self.closed += 1


class Held:
    """A peek at a body: the exchange, the reply, and what became of it."""

    def __init__(self, chunks: Chunks, *, seconds: float | None = 5.0, octets: int = 100, status: int = 200) -> None:
        route = a_route(stream=Stream(format="sse", peek=seconds, peek_bytes=octets), timeouts=Timeouts(idle=9.0))
        self.exchange: Exchange = an_exchange(route=route)
        self.exchange.head_at = 101.0
        self.exchange.marks = Marks("sse")
        self.attempt = an_attempt()
        self.reply: Reply = a_reply(status, [("Retry-After", "3")], chunks=Marking(chunks, self.exchange.marks))
        self.interrupts = Interrupts(time.monotonic)

    def peek(self) -> "Held":
        try:
            peek(self.exchange, self.attempt, self.reply, self.interrupts, time.monotonic)
        finally:
            self.interrupts.disarm()
        return self

    def failure(self) -> Failure:
        with pytest.raises(FailureError) as raised:
            self.peek()
        return raised.value.failure


def test_an_answer_that_broke_while_it_was_held_leaves_no_ring() -> None:
    """What it held is free at once, also where other attempts follow and the exchange lasts."""
    made: list[weakref.ref[object]] = []

    class Breaking(Fed):
        def __iter__(self) -> Iterator[bytes]:
            read = memoryview(bytearray(1000))
            made.append(weakref.ref(read))
            raise a_failure(BODY_CUT)
            yield b""

    gc.collect()
    gc.disable()
    try:
        held = Held(Breaking())
        with contextlib.suppress(FailureError):  # What pytest.raises knows of it would be a ring of its own.
            held.peek()
        del held
        gevent.sleep(0)  # The greenlet that read has ended, and goes with the next turn of the loop.
        assert [one() for one in made] == [None]
    finally:
        gc.enable()


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize(
    ("chunks", "read"),
    [
        ((b".", b"..", b".!", b"."), 3),
        ((b"$", b"."), 1),
        ((b"?", b"."), 1),
        ((b".",), 1),
        ((), 0),
        ((b"x" * 60, b"x" * 60, b"."), 2),
    ],
    ids=["frame", "terminal", "malformed", "end", "empty", "octets"],
)
def test_no_more_is_read_than_needed(chunks: tuple[bytes, ...], read: int, ready: bool) -> None:
    """The wait ends with a frame, the answer's end, nonsense, the body's end, or with enough octets."""
    body = ListedChunks(*chunks, ready=ready)
    held = Held(body).peek()

    assert len(body.handed) == read
    assert held.reply.chunks.ready() or not chunks
    assert list(held.reply.chunks) == list(chunks)
    held.reply.chunks.close()
    assert body.closed == 1


def test_error_becomes_the_failure_with_the_upstreams_own_words() -> None:
    """The reply is closed, and of what it showed only its head stays."""
    body = ListedChunks(b".", b"!E", b".")
    held = Held(body)
    failure = held.failure()

    assert (failure.kind, failure.detail, failure.told) == (IN_BAND_ERROR, ERROR.code, ERROR)
    assert failure.fields == (("Retry-After", "3"),)
    assert body.closed == 1
    assert held.attempt.head is held.reply.head
    assert (held.exchange.head_at, held.exchange.first_byte_at) == (None, None)


def test_failed_body_is_left_before_the_next_attempt_begins() -> None:
    """What its readers do at their end is about this attempt; done later it would be about the next one."""
    left: list[bool] = []

    class Noting(ListedChunks):
        def __iter__(self) -> Iterator[bytes]:
            try:
                yield from super().__iter__()
            finally:
                left.append(True)

    held = Held(Noting(b"E", ready=True))
    with pytest.raises(FailureError) as raised:
        held.peek()
    assert left == [True], raised  # The traceback, still there, must not be what keeps it open.


def test_early_end_becomes_the_failure() -> None:
    """What broke the body is passed on as it is."""
    body = ListedChunks(b".", a_failure(BODY_CUT, "in the middle"))
    assert Held(body).failure() == Failure(BODY_CUT, "in the middle")
    assert body.closed == 1


def test_nothing_stands_between_frames_while_some_of_them_are_held() -> None:
    """The marks are ahead of what the client has: what is put in now would stand inside a frame."""
    held = Held(ListedChunks(b".", b".!", ready=True))
    held.exchange.wire = wire = Wire("sse", lambda: True)
    held.peek()
    chunks = iter(held.reply.chunks)

    assert not wire.boundary()
    assert next(chunks) == b"."
    assert not wire.boundary()
    assert next(chunks) == b".!"
    assert wire.boundary()


def test_failure_behind_a_frame_waits_for_its_turn() -> None:
    """What came before it goes out first."""
    held = Held(ListedChunks(b"!", a_failure(BODY_CUT))).peek()
    got: list[bytes] = []
    with pytest.raises(FailureError):
        got.extend(each for each in _into(got, held.reply.chunks))
    assert got == [b"!"]


def test_failure_of_a_read_that_is_under_way_comes_behind_what_was_held() -> None:
    """A body that breaks when the head has gone out never ends as if it were whole."""
    body = Fed()
    body.queue.put(b".")
    held = Held(body, seconds=0.02).peek()
    body.queue.put(a_failure(BODY_CUT))
    got: list[bytes] = []
    with pytest.raises(FailureError):
        got.extend(each for each in _into(got, held.reply.chunks))
    assert got == [b"."]


def _into(got: list[bytes], chunks: Chunks) -> Iterator[bytes]:
    for chunk in chunks:
        got.append(chunk)
    yield from ()


@pytest.mark.parametrize("change", ["off", "status", "unwatched"])
def test_nothing_is_held_where_nothing_is_to_be_seen(change: str) -> None:
    """The reply stays as it was."""
    body = ListedChunks(b".", b"E")
    held = Held(body, seconds=None if change == "off" else 5.0, status=500 if change == "status" else 200)
    if change == "unwatched":
        held.exchange.marks = None
    before = held.reply.chunks
    held.peek()
    assert held.reply.chunks is before
    assert body.handed == []


def test_read_that_is_under_way_when_the_time_is_up_loses_nothing() -> None:
    """The chunk that it waited for comes behind those that were held, the rest behind it."""
    body = Fed()
    body.queue.put(b".")
    held = Held(body, seconds=0.02).peek()
    assert held.reply.chunks.ready()

    chunks = iter(held.reply.chunks)
    assert next(chunks) == b"."
    gevent.spawn_later(0.02, body.queue.put, b"..")
    assert next(chunks) == b".."
    for last in (b"!", None):
        body.queue.put(last)
    assert list(chunks) == [b"!"]
    assert body.broken_off == 0


def test_closing_ends_a_read_that_is_under_way() -> None:
    """No greenlet is left to wait on a body that nobody wants."""
    body = Fed()
    held = Held(body, seconds=0.01).peek()
    held.reply.chunks.close()
    held.reply.chunks.close()
    assert (body.broken_off, body.closed) == (1, 2)


@pytest.mark.parametrize("when", ["while the head is held", "behind it"])
def test_interruption_ends_the_wait_and_the_read(when: str) -> None:
    """Whoever interrupts the exchange meets it wherever it waits."""
    body = Fed()
    held = Held(body, seconds=5.0 if when == "while the head is held" else 0.01)
    ended: list[BaseException] = []

    def run() -> None:
        held.interrupts = Interrupts(time.monotonic)
        try:
            peek(held.exchange, held.attempt, held.reply, held.interrupts, time.monotonic)
            next(iter(held.reply.chunks))
        except Interruption as interruption:
            ended.append(interruption)
        held.reply.chunks.close()

    exchange = gevent.spawn(run)
    gevent.sleep(0.05)
    held.interrupts.interrupt(Failure(CLIENT_GONE))
    exchange.join(PATIENCE_SECONDS)
    assert len(ended) == 1
    assert body.broken_off == 1
    assert body.closed


def test_silence_while_the_head_is_held_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record knows the wait, whoever did the waiting."""
    held = Held(ListedChunks(b".", b"!"))
    ticks: Callable[[], float] = iter([100.0, 103.0, 104.0, 105.0]).__next__
    peek(held.exchange, held.attempt, held.reply, held.interrupts, ticks)
    held.interrupts.disarm()
    assert held.exchange.longest_gap_seconds == 3.0
    assert held.exchange.first_byte_at == 103.0
