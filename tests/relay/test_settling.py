"""What exchanges leave to be sent is sent soon, whatever happens, and what waits too long is ended."""

import gevent
import pytest
from gevent.event import Event

from gateway.relay.settling import Settling, within


def test_what_waits_too_long_is_ended() -> None:
    """As a TimeoutError; another timeout around it stays what it is."""
    with pytest.raises(TimeoutError, match=r"no answer within 0\.01 s"), within(0.01):
        gevent.sleep(5)
    with within(1):
        pass
    outer = gevent.Timeout(0.01)
    with pytest.raises(gevent.Timeout) as caught, outer, within(5):
        gevent.sleep(5)
    assert caught.value is outer


def test_woken_it_sends_and_retired_it_ends_when_nothing_is_left() -> None:
    """A failure does not end it; what is owed when it is retired is still sent."""
    sent, closed, left = [], Event(), [1, 2]

    def settle() -> None:
        sent.append(len(left))
        if len(sent) == 1:
            raise OSError("gone")
        left.pop()

    settling = Settling(settle, lambda: not left, closed.set)
    settling.wake()
    gevent.sleep(0.05)
    settling.wake()
    gevent.sleep(0.05)
    assert sent == [2, 2]
    assert not closed.is_set()
    settling.retire()
    assert closed.wait(2)
    assert sent == [2, 2, 1]
