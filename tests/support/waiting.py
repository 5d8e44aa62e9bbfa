"""Waiting in the event loop: for a condition, and exchanges that only wait, for the tests of what may end it."""

import time
from collections.abc import Callable

import gevent

from gateway.exchange.failure import Failure, Interruption, Kind
from gateway.relay.interrupts import Interrupts
from support.conditions import patience

PATIENCE_SECONDS = 5.0


def until(condition: Callable[[], object]) -> None:
    """Wait in the event loop, where what is tested lives, until ``condition`` holds."""
    with gevent.Timeout(patience(10)):
        while not condition():
            gevent.sleep(0.002)


def interrupted_since(begin: Callable[[Interrupts], float]) -> tuple[float, Kind]:
    """Wait behind ``begin``, which returns when the wait began; return how long it lasted, and what ended it."""

    def run() -> tuple[float, Kind]:
        began = begin(Interrupts(time.monotonic))
        try:
            gevent.sleep(PATIENCE_SECONDS)
        except Interruption as interruption:
            return time.monotonic() - began, interruption.failure.kind
        raise AssertionError("not interrupted")

    return gevent.spawn(run).get(timeout=PATIENCE_SECONDS)


class Waiting:
    """An exchange in a greenlet of its own that waits for ever, or for as long as it is told."""

    def __init__(self, prepare: Callable[[Interrupts], None] = lambda interrupts: None, seconds: float = 60) -> None:
        self.interrupts: Interrupts | None = None
        self._prepare = prepare
        self._seconds = seconds
        self._greenlet = gevent.spawn(self._run)
        gevent.sleep(0)

    def _run(self) -> tuple[Failure | None, float]:
        self.interrupts = Interrupts(time.monotonic)
        self._prepare(self.interrupts)
        began = time.monotonic()
        failure = None
        try:
            gevent.sleep(self._seconds)
        except Interruption as interruption:
            failure = interruption.failure
        self.interrupts.disarm()
        return failure, time.monotonic() - began

    def end(self) -> tuple[Failure | None, float]:
        """Return what it was interrupted by, and after how long."""
        return self._greenlet.get(timeout=PATIENCE_SECONDS)

    def kind(self) -> Kind | None:
        """Return the kind of its failure."""
        failure, _ = self.end()
        return failure.kind if failure is not None else None
