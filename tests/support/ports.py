"""Free ports on loopback. None is given twice in one test run."""

import socket
import threading

_given: set[int] = set()
_lock = threading.Lock()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 nobody listens on."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        with _lock:
            if port not in _given:
                _given.add(port)
                return port
