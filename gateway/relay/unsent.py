"""How much of what was sent to a client is still with us, in the system's buffer of its connection."""

import array
import fcntl
import termios
from typing import Protocol


class HasDescriptor(Protocol):
    """A socket; -1 once it is closed."""

    def fileno(self) -> int: ...


def unsent_bytes(sock: HasDescriptor) -> int:
    """Return the octets that the client's system has not confirmed (SIOCOUTQ of Linux); 0 where that is not known."""
    number = sock.fileno()
    if number < 0:
        return 0
    waiting = array.array("i", [0])
    try:
        fcntl.ioctl(number, termios.TIOCOUTQ, waiting)
    except OSError:
        return 0
    return max(waiting[0], 0)


class Unsent:
    """Tells `unsent_bytes` of one socket whenever it is called."""

    __slots__ = ("_sock",)

    def __init__(self, sock: HasDescriptor) -> None:
        self._sock = sock

    def __call__(self) -> int:
        return unsent_bytes(self._sock)
