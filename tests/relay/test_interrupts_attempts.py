"""Interrupting one attempt of several: what ends it, and what ends the pause behind it."""

import time
from collections.abc import Callable

import gevent
import pytest
from support.waiting import Waiting

from gateway.exchange.failure import (
    CLIENT_GONE,
    CONNECT_TIMEOUT,
    DRAINED,
    FIRST_BYTE_TIMEOUT,
    IDLE_TIMEOUT,
    TOTAL_TIMEOUT,
    UPLOAD_RATE_TIMEOUT,
    Failure,
    Interruption,
)
from gateway.relay.interrupts import Interrupts
from gateway.relay.rate_watch import RateWatch

GONE = Failure(CLIENT_GONE)


class Attempts(Waiting):
    """An exchange whose first attempt may be interrupted, and which then pauses before the next."""

    def __init__(self, prepare: Callable[[Interrupts], None] = lambda interrupts: None, pause_seconds: float = 60):
        self._pause_seconds = pause_seconds
        self.first: Failure | None = None
        self.between: Callable[[Interrupts], None] = lambda interrupts: None
        super().__init__(prepare)

    def _run(self) -> tuple[Failure | None, float]:
        self.interrupts = Interrupts(time.monotonic)
        self._prepare(self.interrupts)
        try:
            gevent.sleep(self._seconds)
        except Interruption as interruption:
            self.first = interruption.failure
        began = time.monotonic()
        failure = None
        try:
            self.between(self.interrupts)
            self.interrupts.pause(self._pause_seconds)
            self.interrupts.enter(FIRST_BYTE_TIMEOUT, 0.02)
            gevent.sleep(self._seconds)
        except Interruption as interruption:
            failure = interruption.failure
        self.interrupts.disarm()
        return failure, time.monotonic() - began


def test_next_attempt_has_deadlines_of_its_own() -> None:
    """What ended the first one is forgotten, and the next one is waited for anew."""
    waiting = Attempts(lambda interrupts: interrupts.enter(CONNECT_TIMEOUT, 0.01), 0.03)

    failure, seconds = waiting.end()

    assert waiting.first is not None and waiting.first.kind is CONNECT_TIMEOUT
    assert failure is not None and failure.kind is FIRST_BYTE_TIMEOUT
    assert seconds >= 0.045


def test_client_that_leaves_ends_the_pause() -> None:
    """A wait between two attempts is one like any other."""
    waiting = Attempts(lambda interrupts: interrupts.enter(CONNECT_TIMEOUT, 0.01))
    gevent.sleep(0.05)
    assert waiting.interrupts is not None
    waiting.interrupts.interrupt(GONE)

    assert waiting.kind() is CLIENT_GONE


def test_total_ends_the_pause() -> None:
    """The whole exchange has one limit, whatever its attempts did."""

    def prepare(interrupts: Interrupts) -> None:
        interrupts.limit_total(0.04)
        interrupts.enter(CONNECT_TIMEOUT, 0.01)

    assert Attempts(prepare).kind() is TOTAL_TIMEOUT


@pytest.mark.parametrize("thrown", [True, False])
def test_reason_to_end_the_exchange_is_not_lost_behind_one_to_end_the_attempt(thrown: bool) -> None:
    """A client that left just when its upstream's time was up is not asked for in another attempt."""

    def both(interrupts: Interrupts) -> None:
        interrupts.interrupt(Failure(FIRST_BYTE_TIMEOUT))
        interrupts.interrupt(GONE)
        interrupts.interrupt(Failure(DRAINED))

    waiting = Attempts(lambda interrupts: interrupts.enter(CONNECT_TIMEOUT, 0.01))
    if thrown:
        waiting.between = lambda interrupts: interrupts.interrupt(GONE)
    else:
        waiting.between = both

    failure, seconds = waiting.end()

    assert failure is GONE
    assert seconds < 1


def test_reason_that_was_not_thrown_yet_is_raised_once() -> None:
    """The pause finds it written down; what was scheduled hits nobody afterwards."""
    waiting = Attempts(lambda interrupts: interrupts.enter(CONNECT_TIMEOUT, 0.01))

    def not_yet(interrupts: Interrupts) -> None:
        interrupts.failure, interrupts._armed = None, True
        interrupts.interrupt(GONE)

    waiting.between = not_yet

    assert waiting.kind() is CLIENT_GONE
    gevent.sleep(0)  # The callback that was scheduled runs here, and throws nothing into a greenlet that has ended.


def test_late_end_of_an_attempt_does_not_hit_the_next() -> None:
    """A deadline that passed while the attempt failed by itself belongs to that attempt."""
    waiting = Attempts(lambda interrupts: interrupts.enter(CONNECT_TIMEOUT, 0.01), 0.03)

    def late(interrupts: Interrupts) -> None:
        interrupts.failure, interrupts._armed = None, True
        interrupts.interrupt(Failure(IDLE_TIMEOUT))

    waiting.between = late

    assert waiting.kind() is FIRST_BYTE_TIMEOUT


def test_rate_of_the_last_attempt_is_not_watched_any_more() -> None:
    """Its upload has ended; what it was asked for is not asked of the pause."""

    def prepare(interrupts: Interrupts) -> None:
        interrupts.limit_total(0.1)
        interrupts.enter(CONNECT_TIMEOUT, 0.01)
        interrupts.watch_rate(RateWatch(UPLOAD_RATE_TIMEOUT, (1, 0.02), lambda: 0, lambda: True))

    waiting = Attempts(prepare, 0.0)
    waiting.between = lambda interrupts: None

    assert waiting.kind() is FIRST_BYTE_TIMEOUT
    assert waiting.interrupts is not None and waiting.interrupts._rate is None
