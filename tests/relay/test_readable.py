"""Waiting for a socket that gevent watches."""

import gevent
from gevent import socket

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
