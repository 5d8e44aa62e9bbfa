"""What becomes of an exchange whose client leaves: it ends at once or, where the route says so, it is read to its end.

Reading on (`stream.on_disconnect = "drain"`) is for the record: how the answer ended, and what it says it has cost. It
goes on in the exchange's own greenlet, with the route's timeouts and one more, and everything that the exchange holds
stays taken meanwhile, for the upstream still works on it; only the client's connection is given back.

A client that has left is met in three places. While the upstream is waited for, its watch tells of it; nothing may be
thrown then, for that would break off the read. While something is sent to it, the server ends the stream. And before
there is a head: the attempt that is under way goes on, but no other one follows it.
"""

import logging
from collections.abc import Callable, Iterator
from itertools import chain

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import (
    CLIENT_GONE,
    CLIENT_STALLED,
    DRAINED,
    IDLE_TIMEOUT,
    RATE_TIMEOUT,
    Abort,
    Failure,
    FailureError,
    Interruption,
)
from gateway.exchange.message import Source
from gateway.exchange.route import Timeouts
from gateway.relay.client_watch import ClientWatch
from gateway.relay.interrupts import Interrupts
from gateway.relay.rate_watch import RateWatch

_log = logging.getLogger("gateway")


class Leaving:
    """The client's side of one exchange: what its watch calls, and what is asked at the exchange's end."""

    __slots__ = (
        "_broke", "_clock", "_exchange", "_gone", "_hang_up", "_interrupted", "_interrupts", "_pausing", "_rest",
        "watch",
    )  # fmt: skip

    def __init__(
        self, exchange: Exchange, interrupts: Interrupts, clock: Callable[[], float], hang_up: Callable[[], object]
    ) -> None:
        """``hang_up`` closes the client's connection."""
        self._exchange = exchange
        self._interrupts = interrupts
        self._clock = clock
        self._hang_up = hang_up
        self._gone: Failure | None = None
        self._pausing = False
        self._rest: Iterator[bytes] | None = None
        self._broke = False
        """Whether reading the answer ended in an exception."""
        self._interrupted: Failure | None = None
        """What for, where that was an interruption."""
        self.watch: ClientWatch | None = None

    def left(self, failure: Failure) -> None:
        """The client has left. Called from the hub, at most once."""
        if not self._asked() or not self._interrupts.end_within(self._drain_seconds() or 0.0):
            self._interrupts.interrupt(failure)
            return
        self._gone = failure
        self._exchange.fail(failure)
        self._hang_up()

    def pause(self, seconds: float) -> None:
        """Wait between two attempts; see `Interrupts.pause`. Nobody is asked again for a client that has left."""
        if self._gone is not None:
            raise Interruption(self._gone)
        self._pausing = True
        self._interrupts.pause(seconds)
        if self.watch is not None:
            self.watch.look()
        if self._interrupts.failure is not None:
            self._interrupts.pause(0.0)  # It raises what was found.
        self._pausing = False

    def relayed(self, first: bytes | None, rest: Iterator[bytes]) -> Iterator[bytes]:
        """Return what is to be relayed behind ``first``: ``rest``, but no chunk that finds the client gone.

        Raises ``Abort`` where it has left already.
        """
        exchange = self._exchange
        if self._drain_seconds() is None or exchange.reply is None or exchange.reply.source is not Source.UPSTREAM:
            if self._gone is None:
                return rest
        elif self._gone is None:
            self._rest = rest
            return self._until_gone(rest)
        else:
            self._rest = chain((first,), rest) if first else rest
        if not exchange.early:
            exchange.committed_at = None  # No head goes out.
        raise Abort

    def _until_gone(self, rest: Iterator[bytes]) -> Iterator[bytes]:
        try:
            for chunk in rest:
                if self._gone is not None:
                    self._exchange.drained_bytes += len(chunk)
                    break
                yield chunk
                del chunk  # Not held while the next one is waited for, however long that takes.
            else:
                return
        except (Exception, Interruption) as error:
            self._break(error)
            raise
        raise Interruption(self._gone)

    def read_on(self) -> None:
        """Read what is left of the answer, if this is an exchange to do it for; write down how that ended.

        To be called at the exchange's end. Raises nothing.
        """
        exchange, seconds = self._exchange, self._drain_seconds()
        if seconds is None or exchange.outcome is not None or exchange.failure is None:
            return
        rest, self._rest = self._rest, None
        if self._gone is None:
            # The server has met it, while it sent something; the watch must not meet it once more.
            left = exchange.failure.kind in (CLIENT_GONE, CLIENT_STALLED)
            if rest is None or not left or not self._interrupts.end_within(seconds):
                return
            if self.watch is not None:
                self.watch.stop()
            self._hang_up()
        if rest is not None and not self._broke:
            self._take(rest)
        exchange.drained = self._how(whole=rest is not None)

    def _take(self, rest: Iterator[bytes]) -> None:
        exchange, interrupts, clock = self._exchange, self._interrupts, self._clock
        timeouts = exchange.route.timeouts if exchange.route is not None else Timeouts()
        try:
            interrupts.enter(IDLE_TIMEOUT, timeouts.idle)
            if timeouts.min_rate is not None:
                interrupts.watch_rate(RateWatch(RATE_TIMEOUT, timeouts.min_rate, self._progress, lambda: True))
            for chunk in rest:
                exchange.drained_bytes += len(chunk)
                del chunk  # As above.
                interrupts.since = clock()
        except (Exception, Interruption) as error:
            self._break(error)
            if not isinstance(error, FailureError | Interruption):
                _log.error("exchange %s met a defect", exchange.id, exc_info=error)

    def _break(self, error: Exception | Interruption) -> None:
        """Note how reading ended. Not the exception: it knows its frames, which know us and the last read's memory."""
        self._broke = True
        self._interrupted = error.failure if isinstance(error, Interruption) else None

    def _progress(self) -> int:
        exchange = self._exchange
        if exchange.marks is not None:
            return exchange.marks.progress_bytes
        return exchange.drained_bytes if exchange.plain_bytes is None else exchange.plain_bytes

    def _how(self, *, whole: bool) -> str:
        """Return how reading on ended, as the log tells it."""
        if whole and not self._broke:
            return "complete"
        ended = self._interrupted if self._broke else self._interrupts.failure
        if ended is None:
            return "cut"
        return "shutdown" if ended.kind is DRAINED else "timeout"

    def _drain_seconds(self) -> float | None:
        """Return how long the route reads on; None where it does not."""
        route = self._exchange.route
        return route.stream.drain if route is not None and route.stream.on_disconnect == "drain" else None

    def _asked(self) -> bool:
        """Whether the upstream works on the whole request at this moment, on a route that reads on."""
        exchange = self._exchange
        if self._drain_seconds() is None or not exchange.upload_done or not exchange.attempts or self._pausing:
            return False
        last = exchange.attempts[-1]
        # Of two that race, either may be the one; of those that were tried one after the other, only the last.
        return any(
            each.failure is None and (each.sent_at is not None or each.status is not None)
            for each in exchange.attempts
            if each is last or each.ended is None
        )
