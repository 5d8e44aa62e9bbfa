"""The chunk loop: what an upstream sends, the moment it is there.

This is the path of a chunk: no log line, no lock, no dict. It counts, and it notes when it waits.
"""

from collections.abc import Callable, Iterator
from math import inf

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import (
    CLIENT_GONE,
    IDLE_TIMEOUT,
    INTERNAL,
    RATE_TIMEOUT,
    Abort,
    Failure,
    FailureError,
    Interruption,
)
from gateway.relay.interrupts import Interrupts
from gateway.relay.rate_watch import RateWatch

_MOST_STALLS_TOLD = 16
"""Of one exchange, in its trace; all of them are counted."""


def relay(
    exchange: Exchange, first: bytes | None, rest: Iterator[bytes], interrupts: Interrupts, clock: Callable[[], float]
) -> Iterator[bytes]:
    """Yield ``first`` (None where it is still awaited: an empty item sends the head alone) and then every chunk.

    Raises ``Abort`` where the body does not come whole, with the failure written into ``exchange``.
    """
    stall = inf
    try:
        if first:
            exchange.chunks = 1
            exchange.relayed_bytes = len(first)
        # F8: an empty item lets the server send the head now, while the body is silent.
        yield first or b""
        timeouts = exchange.route.timeouts if exchange.route is not None else None
        interrupts.enter(IDLE_TIMEOUT, timeouts.idle if timeouts is not None else None)
        rate = timeouts.min_rate if timeouts is not None else None
        if rate is not None:
            interrupts.watch_rate(
                RateWatch(RATE_TIMEOUT, rate, _progress(exchange), lambda: interrupts.since is not None)
            )
        stall = exchange.route.stream.stall if exchange.route is not None and exchange.marks is not None else inf
        notable = min(exchange.longest_gap_seconds, stall)  # A gap up to here changes no record.
        since = clock()
        for chunk in rest:
            now = clock()
            gap = now - since
            if gap > notable:
                _note_gap(exchange, gap, stall, now)
                notable = min(exchange.longest_gap_seconds, stall)
            if exchange.first_byte_at is None:
                exchange.first_byte_at = now
            exchange.chunks += 1
            exchange.relayed_bytes += len(chunk)
            interrupts.since = None
            yield chunk
            del chunk  # Nobody needs it any more: the next read takes the same memory.
            since = interrupts.since = clock()
        interrupts.enter(None, None)
        if rate is not None:
            interrupts.watch_rate(None)  # What is left is the client's to take.
    except (FailureError, Interruption) as error:
        if interrupts.since is not None:
            # The wait that no chunk ended: the silence before a cut is a gap too.
            now = clock()
            _note_gap(exchange, now - interrupts.since, stall, now)
        exchange.fail(error.failure)
        raise Abort from error
    except Exception as error:
        # A defect of ours: the stream must look as cut as by any other failure. The server logs the cause.
        exchange.fail(Failure(INTERNAL, type(error).__name__))
        raise Abort from error
    except GeneratorExit:
        exchange.fail(Failure(CLIENT_GONE, "the stream was closed before its end"))
        raise


def _note_gap(exchange: Exchange, gap: float, stall: float, now: float) -> None:
    if gap > exchange.longest_gap_seconds:
        exchange.longest_gap_seconds = gap
    if gap > stall:
        exchange.stalls += 1
        if exchange.trace is not None and len(exchange.stalled) < _MOST_STALLS_TOLD:
            exchange.stalled += ((now, gap),)


def _progress(exchange: Exchange) -> Callable[[], int]:
    """Return what counts the octets that get the answer further: where a stream is watched its pings do not.

    Compressed on its way out, a stream must not seem slower than its upstream is.
    """
    marks = exchange.marks
    if marks is not None:
        return lambda: marks.progress_bytes
    return lambda: exchange.relayed_bytes if exchange.plain_bytes is None else exchange.plain_bytes
