"""Waiting for a socket that gevent watches."""

from collections.abc import Callable
from typing import Any

import gevent
from gevent import socket
from gevent.exceptions import ConcurrentObjectUseError

from gateway.relay.readable import wait_readable


def test_the_wait_ends_when_octets_come() -> None:
    """Nothing is read by waiting; others run meanwhile."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        waiting = gevent.spawn(wait_readable, ours)
        gevent.idle()
        assert not waiting.ready()

        theirs.send(b"x")
        waiting.join(5)

        assert waiting.successful()
        assert ours.recv(10) == b"x"


def test_the_wait_ends_with_the_connection() -> None:
    """The end is something to read too."""
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()

        gevent.spawn(wait_readable, ours).get(timeout=5)

        assert ours.recv(10) == b""


class Struck(BaseException):
    """What an interrupter throws."""


def test_an_interrupted_wait_leaves_nothing_behind() -> None:
    """The exception passes as it is, and whoever waits next is woken as if nothing had been."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        woken: list[str] = []

        def wait_twice() -> None:
            try:
                wait_readable(ours)
            except Struck:
                woken.append("struck")
            wait_readable(ours)
            woken.append("readable")

        waiting = gevent.spawn(wait_twice)
        gevent.idle()
        gevent.get_hub().loop.run_callback(waiting.throw, Struck)
        gevent.sleep(0.01)
        assert woken == ["struck"]

        theirs.send(b"x")
        waiting.join(5)

        assert woken == ["struck", "readable"]


def test_a_socket_that_is_closed_ends_its_wait() -> None:
    """Whoever waits learns of it, and does not wait for ever."""
    ours, theirs = socket.socketpair()
    with theirs:
        waiting = gevent.spawn(_error_of, wait_readable, ours)
        gevent.idle()
        ours.close()

        assert isinstance(waiting.get(timeout=5), OSError)


def test_a_closed_socket_is_not_waited_for() -> None:
    """It says so; the loop must not be asked to watch what is no descriptor any more, or another's."""
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs:
        assert isinstance(gevent.spawn(_error_of, wait_readable, ours).get(timeout=5), OSError)


def test_two_do_not_wait_for_one_socket() -> None:
    """The second is told; the first is woken all the same."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        first = gevent.spawn(wait_readable, ours)
        gevent.idle()

        assert isinstance(gevent.spawn(_error_of, wait_readable, ours).get(timeout=5), ConcurrentObjectUseError)

        theirs.send(b"x")
        first.get(timeout=5)


def _error_of(wait: Callable[[Any], None], sock: Any) -> Exception | None:
    try:
        wait(sock)
    except Exception as error:
        return error
    return None
