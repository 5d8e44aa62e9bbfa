"""A name with several addresses: the first that connects is taken (RFC 8305, Happy Eyeballs).

The attempts overlap, so that an address which swallows what is sent to it costs a quarter of a second and not its
share of the deadline. A name with one address never comes here. The sockets do not block and `select.poll` waits for
all of them: under the running server that is gevent's, which lets the others run meanwhile.
"""

import os
import select
import socket
from collections import deque
from collections.abc import Iterable
from itertools import chain, zip_longest
from typing import Any

Address = tuple[int, int, int, str, Any]
"""One of `socket.getaddrinfo`: family, type, protocol, canonical name, socket address."""

DELAY_SECONDS = 0.25
"""How long an attempt has the field to itself (RFC 8305 section 5, Connection Attempt Delay)."""
LEAST_DELAY_SECONDS = 0.01
MOST_ADDRESSES = 16
"""Of a name that has more, the others are left out: each may take a socket at the same time."""


def interleaved(addresses: Iterable[Address]) -> list[Address]:
    """Return addresses in the order of their attempts: families by turns, the resolver's first one first.

    Within a family the resolver's order stays (RFC 8305 section 4).
    """
    families: dict[int, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    turns = chain.from_iterable(zip_longest(*families.values()))
    return [address for address in turns if address is not None][:MOST_ADDRESSES]


def delay_seconds(addresses: int, connect_seconds: float | None) -> float:
    """Return the time between the beginnings of two attempts: a short deadline must leave room for the last one."""
    if connect_seconds is None:
        return DELAY_SECONDS
    return min(DELAY_SECONDS, max(connect_seconds / addresses, LEAST_DELAY_SECONDS))


def first_connected(addresses: Iterable[Address], connect_seconds: float | None = None) -> socket.socket:
    """Return a blocking socket that is connected to one of ``addresses``; all others are closed.

    The next attempt begins when the last one has failed, or has taken `delay_seconds`. Raises the OSError of the one
    that failed last; an exception thrown into the wait passes, with every socket closed.
    """
    waiting = deque(interleaved(addresses))
    delay = delay_seconds(len(waiting), connect_seconds) if waiting else 0.0
    under_way: dict[int, socket.socket] = {}
    poll = select.poll()
    failure: OSError | None = None
    try:
        while waiting or under_way:
            if waiting:
                begun = _begin(waiting.popleft())
                if isinstance(begun, OSError):
                    failure = begun
                    continue
                under_way[begun.fileno()] = begun
                poll.register(begun.fileno(), select.POLLOUT)
            for number, _ in poll.poll(delay * 1000 if waiting else None):
                error = under_way[number].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error == 0:
                    return _ready(under_way.pop(number))
                failure = OSError(error, os.strerror(error))
                poll.unregister(number)
                under_way.pop(number).close()
        raise failure or OSError("the name has no address")
    finally:
        for sock in under_way.values():
            sock.close()
        del failure  # Its traceback holds this frame, which would hold it.


def _begin(address: Address) -> socket.socket | OSError:
    """Return a socket that connects to ``address``, or why it does not."""
    family, kind, protocol, _, where = address
    try:
        sock = socket.socket(family, kind, protocol)
    except OSError as error:  # An address family that this machine does not have.
        return error
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect(where)
    except BlockingIOError:
        return sock
    except OSError as error:
        sock.close()
        return error
    except BaseException:
        sock.close()
        raise
    return sock


def _ready(sock: socket.socket) -> socket.socket:
    sock.settimeout(None)
    return sock
