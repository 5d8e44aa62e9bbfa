"""What exchanges leave to be sent is sent soon, whatever happens."""

import gevent
from gevent.event import Event

from gateway.relay.settling import Settling


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
