"""Ending an exchange that moves, but too little in each window."""

import time

import gevent
import pytest
from support.waiting import PATIENCE_SECONDS, Waiting, interrupted_since

from gateway.exchange.failure import (
    CLIENT_GONE,
    IDLE_TIMEOUT,
    RATE_TIMEOUT,
    Failure,
    Interruption,
    Kind,
)
from gateway.relay.interrupts import Interrupts
from gateway.relay.rate_watch import RateWatch

GONE = Failure(CLIENT_GONE)


def a_drip(octets: list[int], seconds: float = 0.04) -> RateWatch:
    """Return a watch for 100 octets in ``seconds`` on a counter that a test moves."""
    return RateWatch(RATE_TIMEOUT, (100, seconds), lambda: octets[0], lambda: True)


@pytest.mark.parametrize("idle", [None, 0.3, 60.0])
def test_drip_is_ended_although_no_wait_of_it_is_too_long(idle: float | None) -> None:
    """The rate is looked at beside the deadline of the phase, whichever timer fires."""

    def run() -> Kind:
        octets = [0]
        interrupts = Interrupts(time.monotonic)
        interrupts.enter(IDLE_TIMEOUT, idle)
        interrupts.watch_rate(a_drip(octets, 0.4))
        try:
            for _ in range(500):
                gevent.sleep(0.01)
                octets[0] += 1
                interrupts.since = time.monotonic()
        except Interruption as interruption:
            return interruption.failure.kind
        finally:
            interrupts.disarm()
        raise AssertionError("not interrupted")

    assert gevent.spawn(run).get(timeout=PATIENCE_SECONDS) is RATE_TIMEOUT


def test_stream_above_the_rate_goes_on_until_it_falls_silent() -> None:
    """Looking at the rate does not put off the deadline of the phase."""

    def begin(interrupts: Interrupts) -> float:
        octets = [0]
        interrupts.enter(IDLE_TIMEOUT, 0.05)
        interrupts.watch_rate(RateWatch(RATE_TIMEOUT, (100, 60.0), lambda: octets[0], lambda: True))
        for _ in range(10):
            gevent.sleep(0.02)
            interrupts.since = began = time.monotonic()
        return began

    seconds, kind = interrupted_since(begin)
    assert kind is IDLE_TIMEOUT
    assert 0.045 < seconds < 1.0


def test_rate_does_not_matter_once_it_is_not_watched() -> None:
    """What the client has still to take is not the upstream's to send."""

    def prepare(interrupts: Interrupts) -> None:
        interrupts.watch_rate(a_drip([0]))
        interrupts.watch_rate(None)

    assert Waiting(prepare, seconds=0.1).kind() is None
