"""Interrupting an exchange: once, with its reason, only while it waits, and never late."""

import time

import gevent
import pytest
from gevent.event import Event
from support.waiting import PATIENCE_SECONDS, Waiting, interrupted_since

from gateway.exchange.failure import (
    CLIENT_GONE,
    CONNECT_TIMEOUT,
    DRAINED,
    FIRST_BYTE_TIMEOUT,
    IDLE_TIMEOUT,
    TOTAL_TIMEOUT,
    Failure,
    Interruption,
    Kind,
)
from gateway.relay.interrupts import Interrupts

GONE = Failure(CLIENT_GONE)


def test_waiting_exchange_is_ended_with_the_reason() -> None:
    """The very failure arrives as an Interruption, and stands in ``failure`` before."""
    waiting = Waiting()

    waiting.interrupts.interrupt(GONE)
    assert waiting.interrupts.failure is GONE

    assert waiting.end()[0] is GONE


def test_first_of_two_reasons_counts() -> None:
    """What follows is not a second one, and is never thrown."""
    waiting = Waiting()

    waiting.interrupts.interrupt(Failure(DRAINED))
    waiting.interrupts.interrupt(GONE)

    assert waiting.kind() is DRAINED


def test_interruption_is_thrown_only_once() -> None:
    """A greenlet that handles its interruption and waits again is left alone."""
    after = []

    def run() -> None:
        interrupts = Interrupts(time.monotonic)
        interrupts.interrupt(GONE)
        with pytest.raises(Interruption):
            gevent.sleep(PATIENCE_SECONDS)
        interrupts.interrupt(Failure(DRAINED))
        gevent.sleep(0.02)
        after.append(interrupts.failure)

    gevent.spawn(run).get(timeout=PATIENCE_SECONDS)
    assert after == [GONE]


def test_exchange_that_ended_in_between_is_not_hit() -> None:
    """Law 5: what was decided before `disarm` and not thrown yet is never thrown."""

    def run() -> str:
        interrupts = Interrupts(time.monotonic)
        interrupts.interrupt(GONE)
        interrupts.disarm()
        gevent.sleep(0.02)
        return "in peace"

    assert gevent.spawn(run).get(timeout=PATIENCE_SECONDS) == "in peace"


def test_interruption_of_a_greenlet_that_is_dead_harms_nobody() -> None:
    """Also where somebody forgot to disarm."""

    def run() -> Interrupts:
        return Interrupts(time.monotonic)

    interrupts = gevent.spawn(run).get(timeout=PATIENCE_SECONDS)
    interrupts.interrupt(GONE)
    gevent.sleep(0.01)


def test_library_on_the_way_does_not_catch_it() -> None:
    """An ``except Exception`` takes it for nothing of its own."""
    through = Event()

    def run() -> None:
        interrupts = Interrupts(time.monotonic)
        interrupts.interrupt(GONE)
        try:
            try:
                gevent.sleep(PATIENCE_SECONDS)
            except Exception:
                return
        except Interruption:
            through.set()

    gevent.spawn(run).join(PATIENCE_SECONDS)
    assert through.is_set()


def test_phase_that_lasts_too_long_ends_as_its_timeout() -> None:
    """The kind is the phase's own, the detail says how long was waited."""
    waiting = Waiting(lambda interrupts: interrupts.enter(CONNECT_TIMEOUT, 0.03))

    failure, seconds = waiting.end()

    assert failure == Failure(CONNECT_TIMEOUT, "after 0.03 s")
    assert 0.025 < seconds < 1.0


def test_phase_without_a_limit_ends_the_limit_of_the_one_before() -> None:
    """What is over cannot be late any more."""

    def prepare(interrupts: Interrupts) -> None:
        interrupts.enter(CONNECT_TIMEOUT, 0.02)
        interrupts.enter(None, None)

    assert Waiting(prepare, seconds=0.08).kind() is None


@pytest.mark.parametrize(("first", "second"), [(0.02, 0.06), (60.0, 0.06)])
def test_next_phase_gets_its_own_time(first: float, second: float) -> None:
    """A timer left from the phase before strikes neither too early nor too late."""

    def prepare(interrupts: Interrupts) -> None:
        interrupts.enter(CONNECT_TIMEOUT, first)
        interrupts.enter(FIRST_BYTE_TIMEOUT, second)

    failure, seconds = Waiting(prepare).end()

    assert failure is not None and failure.kind is FIRST_BYTE_TIMEOUT
    assert second - 0.005 < seconds < 1.0


def test_each_wait_of_a_phase_counts_from_its_own_beginning() -> None:
    """Chunks that come in time keep a stream alive for as long as they come; the first late one does not."""

    def run() -> tuple[float, Kind]:
        interrupts = Interrupts(time.monotonic)
        interrupts.enter(IDLE_TIMEOUT, 0.06)
        began = last = time.monotonic()
        try:
            for _ in range(5):
                gevent.sleep(0.03)
                last = interrupts.since = time.monotonic()
            gevent.sleep(PATIENCE_SECONDS)
        except Interruption as interruption:
            assert last - began > 0.14
            return time.monotonic() - last, interruption.failure.kind
        raise AssertionError("not interrupted")

    seconds, kind = gevent.spawn(run).get(timeout=PATIENCE_SECONDS)
    assert kind is IDLE_TIMEOUT
    assert 0.055 < seconds < 1.0


def test_wait_that_ends_in_the_moment_of_its_timeout_was_in_time() -> None:
    """The deadline that was found, and not thrown yet, is dropped; the next phase has its own."""

    def tie(interrupts: Interrupts) -> None:
        interrupts.enter(FIRST_BYTE_TIMEOUT, 60)
        interrupts.interrupt(Failure(FIRST_BYTE_TIMEOUT))
        interrupts.enter(IDLE_TIMEOUT, 0.05)

    assert Waiting(tie).kind() is IDLE_TIMEOUT


def test_total_time_still_holds_behind_a_timeout_that_was_dropped() -> None:
    """Nothing else is forgiven with it."""

    def tie(interrupts: Interrupts) -> None:
        interrupts.limit_total(0.05)
        interrupts.enter(FIRST_BYTE_TIMEOUT, 60)
        interrupts.interrupt(Failure(FIRST_BYTE_TIMEOUT))
        interrupts.enter(None, None)

    assert Waiting(tie).kind() is TOTAL_TIMEOUT


def test_client_that_left_in_the_same_moment_is_not_forgiven() -> None:
    """What came in time is for nobody any more."""

    def tie(interrupts: Interrupts) -> None:
        interrupts.enter(FIRST_BYTE_TIMEOUT, 60)
        interrupts.interrupt(Failure(FIRST_BYTE_TIMEOUT))
        interrupts.interrupt(GONE)
        interrupts.enter(None, None)

    assert Waiting(tie).kind() is CLIENT_GONE


def test_nobodys_silence_counts_while_it_is_somebody_elses_turn() -> None:
    """While the client takes a chunk (``since`` is None) the upstream is not late; afterwards it can be again."""

    def begin(interrupts: Interrupts) -> float:
        interrupts.enter(IDLE_TIMEOUT, 0.03)
        interrupts.since = None
        gevent.sleep(0.1)
        began = interrupts.since = time.monotonic()
        return began

    seconds, kind = interrupted_since(begin)
    assert kind is IDLE_TIMEOUT
    assert 0.025 < seconds < 1.0


def test_total_time_is_over_whosever_turn_it_is() -> None:
    """Neither a phase without a limit nor a slow client stops the clock of the whole exchange."""

    def prepare(interrupts: Interrupts) -> None:
        interrupts.limit_total(0.05)
        interrupts.enter(IDLE_TIMEOUT, 60.0)
        interrupts.since = None

    failure, seconds = Waiting(prepare).end()

    assert failure is not None and failure.kind is TOTAL_TIMEOUT
    assert 0.045 < seconds < 1.0


def test_phase_may_be_late_before_the_total_time_is_over() -> None:
    """The nearer of two deadlines strikes."""

    def prepare(interrupts: Interrupts) -> None:
        interrupts.limit_total(60.0)
        interrupts.enter(FIRST_BYTE_TIMEOUT, 0.02)

    assert Waiting(prepare).kind() is FIRST_BYTE_TIMEOUT


def test_total_time_strikes_after_phases_that_came_in_time() -> None:
    """A timer that was armed for a phase that is over is armed again for what is left."""

    def prepare(interrupts: Interrupts) -> None:
        interrupts.limit_total(0.06)
        interrupts.enter(CONNECT_TIMEOUT, 0.02)
        interrupts.enter(None, None)

    assert Waiting(prepare).kind() is TOTAL_TIMEOUT


def test_first_word_about_the_total_time_holds() -> None:
    """What was spent before the first attempt counts."""

    def prepare(interrupts: Interrupts) -> None:
        interrupts.limit_total(0.05)
        interrupts.limit_total(60.0)

    assert Waiting(prepare, seconds=5).kind() is TOTAL_TIMEOUT


def test_no_deadline_strikes_after_disarm() -> None:
    """Timers end with the exchange."""

    def run() -> str:
        interrupts = Interrupts(time.monotonic)
        interrupts.limit_total(0.02)
        interrupts.enter(IDLE_TIMEOUT, 0.01)
        interrupts.disarm()
        interrupts.disarm()
        gevent.sleep(0.05)
        return "in peace"

    assert gevent.spawn(run).get(timeout=PATIENCE_SECONDS) == "in peace"
