"""Wait for an upstream's next octets without asking for them first.

After a short read the next one nearly always finds nothing (F21): trying it costs a system call for each event, which
waiting first saves. The socket's own watcher is used, because a new one for each wait would cost more than it saves;
and it switches straight to who waits, because what gevent puts between the two costs as much as the rest of the wait.
"""

import errno
from typing import Any

import gevent


def wait_readable(sock: Any) -> None:
    """Return when ``sock``, a plain socket of gevent's, has something to read, or its end; seldom, also before that.

    Raises OSError where it is closed, before or meanwhile.
    """
    watcher = sock._read_event
    if watcher is None:
        raise OSError(errno.EBADF, "the socket was closed")  # gevent would take it for a defect of ours.
    if watcher.callback is not None:
        sock._wait(watcher)  # Somebody else waits: gevent says so.
        return
    # gevent looks for the greenlet behind this very callback when the socket is closed under it.
    watcher.start(gevent.getcurrent().switch)
    try:
        sock.hub.switch()
    finally:
        watcher.stop()
