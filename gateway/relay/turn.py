"""Waiting for a turn at a limit: until a slot is free, the client leaves, or one of the deadlines is over."""

from collections.abc import Callable

from gevent.event import Event

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import QUEUE_TIMEOUT, FailureError, Interruption
from gateway.exchange.place import Place
from gateway.relay.interrupts import Interrupts


class Turn:
    """The ``wait`` of the spine for one exchange."""

    __slots__ = ("_clock", "_interrupts")

    def __init__(self, interrupts: Interrupts, clock: Callable[[], float]) -> None:
        self._interrupts = interrupts
        self._clock = clock

    def wait(self, exchange: Exchange, place: Place) -> None:
        """Return when ``place`` has become a turn.

        Raises ``FailureError`` if it was lost, or did not become one in time (QUEUE_TIMEOUT), and ``Interruption`` for
        what else ends the exchange. Whatever happens, the place is given back by its owner at the exchange's end.
        """
        assert exchange.route is not None
        timeouts = exchange.route.timeouts
        waited = exchange.queued_seconds or 0.0
        self._interrupts.limit_total(timeouts.total)
        changed = Event()
        place.on_change(changed.set)
        began = self._clock()
        # What was spent at one limit is missing at the next: `timeouts.queue` is for both.
        self._interrupts.enter(QUEUE_TIMEOUT, None if timeouts.queue is None else max(timeouts.queue - waited, 0.0))
        try:
            if place.waiting:
                exchange.queued_at = began
                changed.wait()
        except Interruption as interruption:
            if interruption.failure.kind is QUEUE_TIMEOUT:
                raise FailureError(place.late(self._clock())) from None
            raise
        finally:
            exchange.queued_at = None
            exchange.queued_seconds = waited + self._clock() - began
        self._interrupts.enter(None, None)
        if place.lost is not None:
            raise FailureError(place.lost)
