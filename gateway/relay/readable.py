"""Wait for an upstream's next octets without asking for them first.

After a short read the next one nearly always finds nothing (F21): trying it costs a system call for each event, which
waiting first saves. The socket's own watcher is used, because a new one for each wait would cost more than it saves.
"""

import socket
from typing import Any, cast


def wait_readable(sock: socket.socket) -> None:
    """Return when ``sock``, a plain socket of gevent's, has something to read, or its end."""
    cooperative = cast(Any, sock)
    cooperative._wait(cooperative._read_event)
