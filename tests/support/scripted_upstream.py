"""An upstream that follows a script, connection by connection, on a bare socket: any octets at any pace.

A script is a callable that takes the connection, octets to send, or a list of steps: ``bytes`` are sent, a number is
a pause in seconds, a callable is called with the connection. When it ends, its connection is closed (FIN).

    cut = [read_request, b"HTTP/1.1 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\nhalf", 0.2, reset]
    with ScriptedUpstream(cut) as upstream:
        ...
"""

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from support.conditions import patience, wait_until
from support.framing import PeerClosed
from support.scripted_connection import RawRequest, ScriptedConnection, Stopped

Step = bytes | int | float | Callable[[ScriptedConnection], object]
Script = bytes | Callable[[ScriptedConnection], object] | Sequence[Step]

_WAIT_SECONDS = 30.0
"""The longest single wait of a script for its peer; a test that needs more is wrong."""

read_head = ScriptedConnection.read_head
read_body = ScriptedConnection.read_body
read_request = ScriptedConnection.read_request
reset = ScriptedConnection.reset
close = ScriptedConnection.close
hang = ScriptedConnection.hang


def play(script: Script, connection: ScriptedConnection) -> None:
    """Follow ``script`` on ``connection``."""
    if callable(script):
        script(connection)
        return
    for step in [script] if isinstance(script, bytes) else script:
        if isinstance(step, bytes):
            connection.send(step)
        elif callable(step):
            step(connection)
        else:
            connection.pause(step)


def in_turn(*scripts: Script) -> Script:
    """Return a script that plays the first for the first connection, and so on; the last one for all that follow."""
    return lambda connection: play(scripts[min(connection.number, len(scripts) - 1)], connection)


def for_each_request(*answers: Script) -> Script:
    """Return a script that keeps a connection alive: it reads request after request and plays the answers in turn,
    the last one for all that follow, until the peer leaves."""

    def serve(connection: ScriptedConnection) -> None:
        served = 0
        while True:
            connection.read_request()
            play(answers[min(served, len(answers) - 1)], connection)
            served += 1

    return serve


def response(body: bytes = b"", *lines: str, status: str = "200 OK") -> bytes:
    """Return the octets of a whole response with Content-Length and further field ``lines``."""
    head = [f"HTTP/1.1 {status}", *lines, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body; ``chunk(b"")`` is its end."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def relays(connection: ScriptedConnection) -> None:
    """Begin a stream that goes on until its connection ends."""
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"begun"))
    while True:
        connection.pause(0.05)
        connection.send(chunk(b"more"))


class ScriptedUpstream:
    """The server: a thread that accepts, and one for each connection. Use it as a context manager.

    Leaving it ends every script; what a script raised, other than for a peer that left, is raised there.
    """

    def __init__(
        self, script: Script, *, tls: ssl.SSLContext | None = None, unix: str | os.PathLike[str] | None = None
    ) -> None:
        self._script = script
        self._tls = tls
        self._lock = threading.Lock()
        self._requests: list[RawRequest] = []
        self._connections: list[ScriptedConnection] = []
        self._threads: list[threading.Thread] = []
        self.errors: list[BaseException] = []
        """What scripts raised."""
        self.handshake_failures: list[str] = []
        """What went wrong with TLS, one line each."""
        self._unix = None if unix is None else Path(unix)
        self._listener = socket.socket(socket.AF_INET if unix is None else socket.AF_UNIX)
        self._listener.bind(("127.0.0.1", 0) if self._unix is None else str(self._unix))
        self._listener.listen(128)

    def __enter__(self) -> Self:
        self._acceptor = threading.Thread(target=self._accept, name="scripted-upstream", daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, exc_type: object, *exc_info: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(patience(5))
        self._listener.close()
        for connection in self._all_connections():
            connection.stop()
        for thread in self._threads:
            thread.join(patience(5))
            if thread.is_alive():
                self.errors.append(AssertionError(f"the script of {thread.name} does not end"))
        if self._unix is not None:
            self._unix.unlink(missing_ok=True)
        if exc_type is None and self.errors:
            raise self.errors[0]

    @property
    def port(self) -> int:
        """The TCP port."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def address(self) -> tuple[str, int] | str:
        """What a client connects to: host and port, or a path."""
        return ("127.0.0.1", self.port) if self._unix is None else str(self._unix)

    @property
    def url(self) -> str:
        """How ``endpoints`` of a configuration names it."""
        if self._unix is not None:
            return f"unix:{self._unix}"
        return f"{'https://localhost' if self._tls else 'http://127.0.0.1'}:{self.port}"

    @property
    def requests(self) -> list[RawRequest]:
        """The requests so far, in the order their heads were read; a copy."""
        with self._lock:
            return list(self._requests)

    @property
    def connections(self) -> int:
        """How many connections were accepted so far."""
        return len(self._all_connections())

    @property
    def open_connections(self) -> int:
        """How many of them neither side has ended, as the kernel knows it, whatever their scripts are doing."""
        return sum(connection.is_open for connection in self._all_connections())

    def wait_until(self, condition: Callable[[Self], object], timeout: float = 5.0, what: str = "") -> None:
        """Wait until ``condition(self)`` is true; raise AssertionError after ``timeout`` seconds."""
        state = what or "a condition of the scripted upstream"
        try:
            wait_until(lambda: condition(self), timeout, state)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self!r}") from None

    def __repr__(self) -> str:
        return (
            f"ScriptedUpstream({self.url}, connections={self.connections}, open={self.open_connections}, "
            f"requests={[request.request_line for request in self.requests]}, errors={self.errors})"
        )

    def _all_connections(self) -> list[ScriptedConnection]:
        with self._lock:
            return list(self._connections)

    def _record(self, request: RawRequest) -> None:
        with self._lock:
            self._requests.append(request)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(_WAIT_SECONDS)
            if self._unix is None:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                connection = ScriptedConnection(sock, len(self._connections), self._record)
                self._connections.append(connection)
            thread = threading.Thread(
                target=self._run, args=(connection,), name=f"connection-{connection.number}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _run(self, connection: ScriptedConnection) -> None:
        try:
            if self._tls is not None:
                connection.secure(self._tls)
            play(self._script, connection)
        except ssl.SSLError as error:
            self.handshake_failures.append(str(error))
        except (PeerClosed, Stopped, ConnectionError):
            pass
        except Exception as error:
            if not connection.stopped:
                self.errors.append(error)
        finally:
            connection.close()
