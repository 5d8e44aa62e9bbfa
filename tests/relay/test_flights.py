"""Work that many wait for and one does."""

import gevent
import pytest
from gevent.event import Event

from gateway.relay.flights import Flights


def test_many_who_wait_have_it_done_once() -> None:
    """Whoever begins it while it is under way only waits."""
    flights, done, go = Flights(), [], Event()

    def work() -> None:
        go.wait(5)
        done.append(1)

    def ask() -> None:
        flights.begin("a", work)
        flights.wait("a")
        done.append(2)

    asking = [gevent.spawn(ask) for _ in range(20)]
    gevent.idle()
    assert done == []
    go.set()
    gevent.joinall(asking, timeout=5, raise_error=True)

    assert done == [1] + [2] * 20
    assert len(flights) == 0


def test_work_goes_on_when_who_began_it_leaves() -> None:
    """It is nobody's own."""
    flights, go, done = Flights(), Event(), Event()

    def work() -> None:
        go.wait(5)
        done.set()

    def ask() -> None:
        flights.begin("a", work)
        flights.wait("a")

    first = gevent.spawn(ask)
    gevent.idle()
    first.kill()
    go.set()

    assert done.wait(5)


def test_defect_of_the_work_is_logged_and_nobody_waits_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """And it can be begun anew."""
    flights = Flights()

    def work() -> None:
        raise RuntimeError("broken")

    flights.begin("a", work)
    flights.wait("a")
    assert len(flights) == 0
    assert "met a defect" in caplog.text
