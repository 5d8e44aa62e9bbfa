"""Peek, then commit: hold a head back until the body shows what kind of answer it is, within a time and a size.

Until then nothing has gone to the client, so that an error told instead of the answer, or an early end, is a failure of
the attempt like any other: it can be tried again, and what is left of it becomes a real status.

When the time is up the head must go out, but a read of the upstream is under way then, and a read that is broken off
may have taken octets along, inside TLS above all. So a greenlet of its own reads; what it was waiting for when the time
was up is handed over when it has come.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator

import gevent

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import IDLE_TIMEOUT, IN_BAND_ERROR, Failure, FailureError
from gateway.exchange.marks import InBandError, Marks
from gateway.exchange.message import Chunks, Reply
from gateway.relay.interrupts import Interrupts


def peek(
    exchange: Exchange, attempt: Attempt, reply: Reply, interrupts: Interrupts, clock: Callable[[], float]
) -> None:
    """Return when the head of ``reply`` may go out, with all that was read of its body still to come from its chunks.

    Does nothing where the route does not peek, nobody watches the body, or its status tells the error already. Raises
    ``FailureError`` for an answer that turned out to be none, and whatever an interrupter throws; the reply is closed.
    """
    route, marks = exchange.route, exchange.marks
    if route is None or route.stream.peek is None or marks is None or not 200 <= reply.head.status < 300:
        return
    if exchange.request.method == "HEAD":
        return
    attempt.head = reply.head  # Who would send another one in the meantime must know what is held.
    held = Peeked(exchange, reply.chunks, marks, route.stream.peek_bytes, interrupts, clock)
    exchange.peeked = held.held_bytes
    interrupts.enter(IDLE_TIMEOUT, route.timeouts.idle)
    try:
        held.read(route.stream.peek)
        if marks.error is not None:
            raise FailureError(_told(marks.error, reply))
        if held.error is not None:
            raise held.error
    except BaseException:
        exchange.head_at = exchange.first_byte_at = None  # What goes out is still to come.
        exchange.longest_gap_seconds = 0.0
        exchange.peeked = None
        held.close()
        held.error = None  # It knows the frames that it passed, and these know who holds it.
        raise
    interrupts.enter(None, None)
    reply.chunks = held
    wire = exchange.wire
    if wire is not None:
        passed_on = wire.boundary
        wire.boundary = lambda: held.empty and passed_on()


def _told(error: InBandError, reply: Reply) -> Failure:
    wait = reply.head.first("retry-after")
    return Failure(IN_BAND_ERROR, error.code, (("Retry-After", wait),) if wait is not None else (), error)


class Peeked:
    """A body of which some was read already: that comes first, then what a read under way brings, then the rest."""

    __slots__ = (
        "_clock", "_exchange", "_held", "_interrupts", "_left", "_marks", "_over", "_reader", "_rest", "_since",
        "_source", "_time_up", "error",
    )  # fmt: skip

    def __init__(
        self,
        exchange: Exchange,
        source: Chunks,
        marks: Marks,
        most_octets: int,
        interrupts: Interrupts,
        clock: Callable[[], float],
    ) -> None:
        self._exchange = exchange
        self._source = source
        self._marks = marks
        self._left = most_octets
        self._interrupts = interrupts
        self._clock = clock
        self._held: deque[bytes] = deque()
        self._rest: Iterator[bytes] = iter(())
        self._reader: gevent.Greenlet[..., None] | None = None
        self._time_up = False
        self._over = False
        self._since = clock()
        self.error: Exception | None = None
        """What its end was, where it was no good one."""

    def read(self, seconds: float) -> None:
        """Read until enough was seen, and for ``seconds`` at most."""
        came_along = self._source.ready()  # Before iteration begins, which takes it.
        self._rest = iter(self._source)
        if came_along and self._take():
            return
        self._reader = gevent.spawn(self._read_on)
        self._reader.join(seconds)
        self._time_up = True

    def _read_on(self) -> None:
        while not self._take():
            pass

    def _take(self) -> bool:
        """Take one chunk; return whether that is enough."""
        try:
            chunk = next(self._rest, None)
        except Exception as error:
            self.error, self._over = error, True
            return True
        if chunk is None:
            self._over = True
            return True
        self._held.append(chunk)
        self._note()
        if self._time_up:
            return True
        self._left -= len(chunk)
        return self._decided() or self._left <= 0

    def _decided(self) -> bool:
        """Whether it is known what kind of answer it is, or never will be."""
        marks = self._marks
        seen = marks.meaningful or marks.terminal or marks.error is not None
        return bool(seen) or marks.malformed is not None or marks.unwatched is not None

    def _note(self) -> None:
        exchange, now = self._exchange, self._clock()
        if exchange.first_byte_at is None:
            exchange.first_byte_at = now
        exchange.longest_gap_seconds = max(exchange.longest_gap_seconds, now - self._since)
        self._since = now
        if not self._time_up:
            self._interrupts.since = now  # Later it is the relay that says whose turn it is.

    def __iter__(self) -> Iterator[bytes]:
        """Yield the chunks as they came, and as they come."""
        yield from self._drop_held()
        if self._reader is not None:
            self._reader.join()
            self._reader = None
            yield from self._drop_held()
        if self.error is not None:
            raise self.error
        if not self._over:
            yield from self._rest

    @property
    def empty(self) -> bool:
        """Whether all that was read was passed on: else the marks are ahead of what the client has."""
        return not self._held

    def held_bytes(self) -> int:
        """Return how many octets were read and not passed on yet."""
        return sum(map(len, self._held))

    def _drop_held(self) -> Iterator[bytes]:
        while self._held:
            yield self._held.popleft()

    def ready(self) -> bool:
        """See `Chunks`."""
        return bool(self._held) or self._over

    def close(self) -> None:
        """See `Chunks`."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.kill()  # Two must not be in one body.
        self._held.clear()
        if isinstance(self._rest, Generator):
            self._rest.close()  # Now: what it does at its end is about this attempt, not about the next one.
        self._source.close()
