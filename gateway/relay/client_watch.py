"""Notice that the client left while its upstream is silent (F4): nobody else reads its socket then.

A readable client socket during an exchange means the end of the connection or octets of a next, pipelined request.
Only a peek at the raw socket tells them apart; on TLS it looks below the records, where the end is the same. Once
octets lie there the end of the connection can no longer be peeked at, so the kernel is asked for a hang-up instead,
four times a second.
"""

import select
import socket
from collections.abc import Callable
from typing import Any

from gevent.hub import get_hub
from gevent.monkey import get_original

from gateway.exchange.failure import CLIENT_GONE, Failure

_READABLE = 1
_BEGIN_SECONDS = 0.02
_HANG_UP_POLL_SECONDS = 0.25
_poll = get_original("select", "poll")


class ClientWatch:
    """Calls ``gone`` once when the client's connection ends; `stop` ends the watch."""

    __slots__ = ("_gone", "_sock", "_watcher")

    def __init__(self, sock: Any, gone: Callable[[Failure], None]) -> None:
        # gevent keeps the plain socket under `_sock`, also below TLS.
        self._sock = getattr(sock, "_sock", sock)
        self._gone = gone
        self._watcher: Any = None

    def start(self) -> None:
        """Begin to watch. Octets that others still read (an upload) do not matter; the end of the connection does.

        For a moment nothing is looked at: most answers are there by then, and have not paid for a watch on the socket,
        of which the kernel would have to be told twice.
        """
        self._watcher = get_hub().loop.timer(_BEGIN_SECONDS)
        self._watcher.start(self._look_closely, self._sock.fileno())

    def _look_closely(self, fileno: int) -> None:
        self.stop()
        self._watcher = get_hub().loop.io(fileno, _READABLE)
        self._watcher.start(self._readable)

    def restart(self) -> None:
        """Watch closely again: the octets that were in the way have been read."""
        if self._watcher is not None:
            self._look_closely(self._sock.fileno())

    def look(self) -> None:
        """See whether the client has left, at once: the watch may not have begun, or not have had its turn."""
        if self._watcher is not None:
            self._check_hang_up()

    def stop(self) -> None:
        """End the watch; calling it again, or without `start`, is harmless."""
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None

    def _readable(self) -> None:
        try:
            ended = self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            ended = True
        if ended:
            self._report()
        else:
            self._poll_for_hang_up()

    def _poll_for_hang_up(self) -> None:
        self.stop()
        self._watcher = get_hub().loop.timer(_HANG_UP_POLL_SECONDS, _HANG_UP_POLL_SECONDS)
        self._watcher.start(self._check_hang_up)

    def _check_hang_up(self) -> None:
        poll = _poll()
        hang_up = select.POLLRDHUP | select.POLLHUP | select.POLLERR
        poll.register(self._sock.fileno(), hang_up)
        if poll.poll(0):
            self._report()

    def _report(self) -> None:
        self.stop()
        self._gone(Failure(CLIENT_GONE, "the client closed its connection"))
