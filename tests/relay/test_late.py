"""A limit for one wait: it strikes while it lasts, in the greenlet that made it, and never afterwards."""

import time

import gevent
import pytest

from gateway.relay.late import Late, Limit


def _late_after(seconds: float | None, lasting: float) -> bool:
    limit = Limit(seconds)
    try:
        gevent.sleep(lasting)
    except Late:
        return True
    finally:
        limit.stop()
    return False


def test_a_wait_that_lasts_too_long_is_ended() -> None:
    """It ends when the limit is over, not later."""
    began = time.monotonic()

    assert gevent.spawn(_late_after, 0.02, 5.0).get(timeout=4)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("seconds", [5.0, None])
def test_a_wait_within_its_limit_ends_by_itself(seconds: float | None) -> None:
    """Also where there is no limit."""
    assert not gevent.spawn(_late_after, seconds, 0.01).get(timeout=4)


def test_a_limit_that_was_stopped_strikes_nobody() -> None:
    """What the greenlet does next is not its business."""

    def two_waits() -> str:
        limit = Limit(0.01)
        limit.stop()
        gevent.sleep(0.05)
        return "whole"

    assert gevent.spawn(two_waits).get(timeout=4) == "whole"


def test_a_limit_of_a_standstill_holds_off_while_something_goes_on() -> None:
    """And strikes when nothing has for so long."""
    done = 0
    limit = Limit(0.08, lambda: done)
    try:
        for _ in range(10):
            gevent.sleep(0.02)
            done += 1
        with pytest.raises(Late):
            gevent.sleep(5)
    finally:
        limit.stop()
