"""An upstream whose pieces go out one at a time, when the test says so: so a test sees what is held back.

tap = Tap()
upstream = scripted_upstream(tap)
tap.send(b"one\\n")
assert client.line() == "one"  # before the second piece exists
tap.end()
"""

import queue

from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import Script, Step, chunk, play

_LOOK_SECONDS = 0.05


class Stage:
    """A script whose place others take, one after the other: so one upstream serves the tests of many."""

    script: Script = b""

    def __call__(self, connection: ScriptedConnection) -> None:
        """Play what is on at this moment."""
        play(self.script, connection)


class Tap:
    """A script for one request on a connection: it sends a head that announces a chunked body, then what is poured."""

    def __init__(self, type: str = "text/plain") -> None:
        """``type`` is the Content-Type."""
        fields = f"Content-Type: {type}\r\nTransfer-Encoding: chunked\r\nConnection: close"
        self._head = f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n".encode()
        self._steps: queue.Queue[Step | None] = queue.Queue()

    def __call__(self, connection: ScriptedConnection) -> None:
        """Serve ``connection`` until the test ends the body, or the peer leaves."""
        connection.read_request()
        connection.send(self._head)
        while (step := self._next(connection)) is not None:
            play([step], connection)

    def send(self, piece: bytes) -> None:
        """Send ``piece`` as one chunk."""
        self._steps.put(chunk(piece))

    def end(self) -> None:
        """End the body as its framing wants, and the connection."""
        self._steps.put(chunk(b""))
        self._steps.put(None)

    def cut(self) -> None:
        """End the connection (FIN) in the middle of the body."""
        self._steps.put(ScriptedConnection.close)
        self._steps.put(None)

    def _next(self, connection: ScriptedConnection) -> Step | None:
        while True:
            try:
                return self._steps.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                if not connection.is_open:
                    return None
