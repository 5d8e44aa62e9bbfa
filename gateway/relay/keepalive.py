"""The timer that keeps a client's connection alive while its upstream is silent.

It acts from the event loop, in the middle of the wait of the exchange's greenlet, which does not notice: no chunk costs
anything, and no limit of the upstream's begins anew. It never waits itself. What may be sent, policy decides; whether
the client's connection is between two writes and takes octets, the server knows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from gevent.hub import get_hub

from gateway.exchange.exchange import Exchange
from gateway.exchange.message import Reply, ReplyHead
from gateway.exchange.promise import Promise
from gateway.exchange.wire import Wire
from gateway.relay.interrupts import Interrupts

_LOOK_AT_UPLOAD_SECONDS = 1.0


class Client(Protocol):
    """The response on its way to the client, as the server has it."""

    def can_begin(self) -> bool:
        """Whether a head could go out at this moment."""

    def begin(self, head: ReplyHead, octets: bytes) -> None:
        """Send a head and the first octets below it, where `can_begin` said yes."""

    def free(self) -> bool:
        """Whether octets could be put into the body at this moment."""

    def aside(self, octets: bytes) -> None:
        """Put them into the body, where `free` said yes."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the timer is told by others. Times are seconds."""

    seconds: float
    """The silence after which a ping is sent."""
    grace: float | None
    """The silence after which a head is sent; None for never."""
    promise: Callable[[], tuple[ReplyHead, Promise] | None]
    """Returns the head that may go out early, and what it promises."""
    commit: Callable[[ReplyHead, Promise], bool]
    """Decides it; False where it may not go out after all."""
    ping: Callable[[str], bytes]
    """Returns the ping of a format."""
    body_ping: Callable[[], bytes]
    """Returns the ping that may be put into the body at this moment, before its content coding."""
    report: Callable[[Exception], None]
    """Logs a defect."""


class Keepalive:
    """The timer of one exchange, from `start` to `stop`."""

    __slots__ = ("_at_hand", "_client", "_clock", "_exchange", "_interrupts", "_last", "_promised", "_pulse", "_timer")

    def __init__(
        self, exchange: Exchange, interrupts: Interrupts, client: Client, pulse: Pulse, clock: Callable[[], float]
    ) -> None:
        self._exchange = exchange
        self._interrupts = interrupts
        self._client = client
        self._pulse = pulse
        self._clock = clock
        self._timer: Any = None
        self._last = 0.0
        """When a ping was sent, or could have been."""
        self._promised: Reply | None = None
        """What stands in for the reply while only an early head is out."""
        self._at_hand = True

    def start(self) -> None:
        """Begin to look after the client."""
        self._at_hand = self._client.can_begin()
        grace = self._pulse.grace
        self._arm(self._pulse.seconds if grace is None else min(grace, self._pulse.seconds))

    def stop(self) -> None:
        """End it; calling it again is harmless."""
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

    def _arm(self, seconds: float) -> None:
        self.stop()
        self._timer = get_hub().loop.timer(max(seconds, 0.0005))
        self._timer.start(self._fired)

    def _fired(self) -> None:
        try:
            seconds = self._look(self._clock())
        except Exception as error:
            self.stop()
            self._pulse.report(error)
            return
        if seconds is None:
            self.stop()
        else:
            self._arm(seconds)

    def _look(self, now: float) -> float | None:
        """Do what is due; return how long to wait before the next look, None where there will be none."""
        if self._exchange.failure is not None or self._interrupts.failure is not None:
            # It ends, or this attempt does; then there may be others.
            return self._pulse.seconds if self._exchange.failure is None else None
        reply = self._exchange.reply
        if reply is None:
            return self._before_any_head(now)
        if reply is self._promised:
            return self._below_the_early_head(now, self._exchange.promised)
        return self._in_the_body(now)

    def _before_any_head(self, now: float) -> float:
        grace, often = self._pulse.grace, self._pulse.seconds
        if grace is None:
            return often
        since = self._whole_since()
        if since is None:
            return min(grace, _LOOK_AT_UPLOAD_SECONDS)
        if now < since + grace:
            return since + grace - now
        offer = self._pulse.promise() if self._client.can_begin() else None
        if offer is None or not self._pulse.commit(*offer):
            return often
        head, promised = offer
        self._promised = self._exchange.reply
        self._client.begin(head, self._ping(promised.wire, self._pulse.ping(promised.wire.format)))
        self._last = now
        return often

    def _whole_since(self) -> float | None:
        """Return since when the client has had nothing to do but to wait; None while its request is on its way."""
        if self._at_hand:
            return self._exchange.started
        return next((attempt.sent_at for attempt in self._exchange.attempts if attempt.sent_at is not None), None)

    def _below_the_early_head(self, now: float, promised: Promise | None) -> float:
        due = self._last + self._pulse.seconds
        if now < due:
            return due - now
        if promised is not None and self._client.free():
            self._client.aside(self._ping(promised.wire, self._pulse.ping(promised.wire.format)))
        self._last = now
        return self._pulse.seconds

    def _in_the_body(self, now: float) -> float:
        since, wire = self._interrupts.since, self._exchange.wire
        if since is None:  # It is the client's turn: a silence that begins now is not too long before then.
            return self._pulse.seconds
        due = max(since, self._last) + self._pulse.seconds
        if now < due:
            return due - now
        octets = self._pulse.body_ping()
        if octets and wire is not None and self._client.free():
            self._client.aside(self._ping(wire, octets))
        self._last = now
        return self._pulse.seconds

    def _ping(self, wire: Wire, octets: bytes) -> bytes:
        """Return a ping in the content coding of the stream, and count it: what is made must go out."""
        self._exchange.pings += 1
        return wire.encode(octets)
