"""What is expected at a moment holds through all phases, ends nothing in somebody else's turn, and can be lifted."""

import time

import gevent
import pytest
from support.waiting import PATIENCE_SECONDS, Waiting, interrupted_since

from gateway.exchange.failure import FIRST_FRAME_TIMEOUT, IDLE_TIMEOUT, TOTAL_TIMEOUT, Failure, Interruption
from gateway.relay.interrupts import Interrupts

LATE = Failure(FIRST_FRAME_TIMEOUT)


def test_what_does_not_come_in_time_ends_the_exchange_through_all_phases() -> None:
    """A phase that begins later, with a longer limit or none, changes nothing about it."""

    def begin(interrupts: Interrupts) -> float:
        began = time.monotonic()
        interrupts.expect(LATE, began + 0.1)
        interrupts.enter(None, None)
        interrupts.enter(IDLE_TIMEOUT, 5.0)
        return began

    seconds, kind = interrupted_since(begin)
    assert kind is FIRST_FRAME_TIMEOUT
    assert 0.09 < seconds < 1.0


@pytest.mark.parametrize(("idle", "total"), [(0.05, None), (None, 0.05)])
def test_other_deadlines_hold_beside_it(idle: float | None, total: float | None) -> None:
    """The first that is over counts."""

    def prepare(interrupts: Interrupts) -> None:
        interrupts.expect(LATE, time.monotonic() + 5.0)
        interrupts.limit_total(total)
        interrupts.enter(IDLE_TIMEOUT, idle)

    assert Waiting(prepare).kind() is (IDLE_TIMEOUT if idle else TOTAL_TIMEOUT)


def test_what_came_is_expected_no_more_and_the_phase_goes_on() -> None:
    """Lifting it leaves the limits beside it."""

    def prepare(interrupts: Interrupts) -> None:
        interrupts.enter(IDLE_TIMEOUT, 0.15)
        interrupts.expect(LATE, time.monotonic() + 0.05)
        interrupts.expect(None)

    failure, seconds = Waiting(prepare).end()
    assert failure is not None and failure.kind is IDLE_TIMEOUT
    assert seconds > 0.1


def test_nothing_is_hit_while_the_client_is_waited_for() -> None:
    """It strikes soon after the upstream is waited for again."""

    def run() -> tuple[float, Failure]:
        interrupts = Interrupts(time.monotonic)
        interrupts.enter(None, None)
        interrupts.since = None
        interrupts.expect(LATE, time.monotonic() + 0.02)
        gevent.sleep(0.2)
        interrupts.since = back = time.monotonic()
        try:
            gevent.sleep(PATIENCE_SECONDS)
        except Interruption as interruption:
            return time.monotonic() - back, interruption.failure
        raise AssertionError("not interrupted")

    seconds, failure = gevent.spawn(run).get(timeout=PATIENCE_SECONDS)
    assert failure is LATE
    assert seconds < 1.0


def test_what_came_in_the_moment_it_was_late_was_in_time() -> None:
    """A reason that was found and not thrown yet is dropped, and the phase's own limit goes on."""

    def run() -> Failure:
        interrupts = Interrupts(time.monotonic)
        interrupts.enter(IDLE_TIMEOUT, 0.1)
        interrupts.expect(LATE, time.monotonic())
        time.sleep(0.01)
        interrupts._expired()
        assert interrupts.failure is LATE
        interrupts.expect(None)
        assert interrupts.failure is None
        try:
            gevent.sleep(PATIENCE_SECONDS)
        except Interruption as interruption:
            return interruption.failure
        raise AssertionError("not interrupted")

    assert gevent.spawn(run).get(timeout=PATIENCE_SECONDS).kind is IDLE_TIMEOUT


def test_next_attempt_is_not_late_for_the_last_one() -> None:
    """What was expected of one attempt is not expected of its successor."""

    def prepare(interrupts: Interrupts) -> None:
        interrupts.expect(LATE, time.monotonic() + 0.05)
        interrupts.pause(0)
        interrupts.enter(IDLE_TIMEOUT, 0.02)
        interrupts.enter(None, None)  # leaves a timer behind that finds whatever is due

    assert Waiting(prepare, seconds=0.2).kind() is None


def test_nothing_is_expected_of_an_exchange_that_has_ended() -> None:
    """No timer is left behind by it."""

    def run() -> object:
        interrupts = Interrupts(time.monotonic)
        interrupts.disarm()
        interrupts.expect(LATE, time.monotonic() + 0.01)
        return interrupts._timer

    assert gevent.spawn(run).get(timeout=PATIENCE_SECONDS) is None
