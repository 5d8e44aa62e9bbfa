"""An upstream whose pieces go out one at a time, when the test says so: what a client has read proves what is held back.

    tap = Tap(STREAM_HEAD)
    upstream = scripted_upstream(tap)
    tap.send(b"one\\n")
    assert client.line() == "one"  # before the second piece exists
    tap.send(b"two\\n")
    tap.end()
"""

import queue

from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import Step, chunk, play

_LOOK_SECONDS = 0.05


class Tap:
    """A script for one request after the other: it reads a request, sends ``head`` and then what the test pours."""

    def __init__(self, head: bytes) -> None:
        """``head`` is a whole head that announces a chunked body."""
        self._head = head
        self._steps: queue.Queue[Step | None] = queue.Queue()

    def __call__(self, connection: ScriptedConnection) -> None:
        """Serve ``connection`` until the test ends it or the peer leaves."""
        while True:
            connection.read_request()
            connection.send(self._head)
            while (step := self._next(connection)) is not None:
                play([step], connection)

    def send(self, piece: bytes) -> None:
        """Send ``piece`` as one chunk."""
        self._steps.put(chunk(piece))

    def end(self) -> None:
        """End the body as its framing wants; the next request may come."""
        self._steps.put(chunk(b""))
        self._steps.put(None)

    def cut(self) -> None:
        """End the connection (FIN) in the middle of the body."""
        self._steps.put(ScriptedConnection.close)

    def _next(self, connection: ScriptedConnection) -> Step | None:
        while True:
            try:
                return self._steps.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                connection.pause(0)  # raises where the test is over
