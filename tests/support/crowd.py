"""Thousands of streams at once, held by two threads: an upstream that speaks when told, and clients that count.

Nothing here waits for luck: `SlowChorus.say` sends one piece on every open stream, and the clients of a `Crowd` have
heard it when their counts say so.
"""

import contextlib
import resource
import selectors
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any, Self

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_RESET = struct.pack("ii", 1, 0)


def may_open(files: int) -> bool:
    """Raise this process's limit of open files to ``files`` if it can be; say whether it is enough."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < files:
        return False
    if soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return True


class _Loop:
    """A thread that serves sockets; ``_readable`` says what to do with one that has something."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._running = True
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._running = False
        self._thread.join(10)
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def _run(self) -> None:
        while self._running:
            for key, _ in self._selector.select(0.05):
                with self._lock:
                    self._readable(key.fileobj, key.data)

    def _readable(self, sock: Any, data: Any) -> None:
        raise NotImplementedError

    def _forget(self, sock: socket.socket) -> None:
        self._selector.unregister(sock)
        sock.close()


class SlowChorus(_Loop):
    """An upstream that answers every request with a head, and goes on with one piece each time it is told."""

    def __init__(self) -> None:
        super().__init__()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._streams: set[socket.socket] = set()
        self._asking: dict[socket.socket, bytes] = {}
        self.requests = 0
        """How many requests were answered with a head."""

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Its address as an endpoint."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    @property
    def connections(self) -> int:
        """How many connections are open, also those that were asked nothing yet."""
        return len(self._streams) + len(self._asking)

    def say(self, piece: bytes) -> None:
        """Send one chunk on every open stream."""
        with self._lock:
            for stream in list(self._streams):
                with contextlib.suppress(OSError):
                    stream.send(b"%x\r\n%b\r\n" % (len(piece), piece))

    def finish(self) -> None:
        """End every open stream well."""
        with self._lock:
            for stream in list(self._streams):
                with contextlib.suppress(OSError):
                    stream.send(b"0\r\n\r\n")

    def _readable(self, sock: Any, data: Any) -> None:
        if sock is self._listener:
            with contextlib.suppress(OSError):  # Nobody is left to accept, or who is left has gone again.
                while True:
                    stream, _ = sock.accept()
                    stream.setblocking(False)
                    self._asking[stream] = b""
                    self._selector.register(stream, selectors.EVENT_READ)
            return
        try:
            octets = sock.recv(65536)
        except OSError:
            octets = b""
        if not octets:
            self._streams.discard(sock)
            self._asking.pop(sock, None)
            self._forget(sock)
        elif sock in self._asking:
            self._asking[sock] += octets
            if b"\r\n\r\n" in self._asking[sock]:
                del self._asking[sock]
                self._streams.add(sock)
                self.requests += 1
                with contextlib.suppress(OSError):
                    sock.send(HEAD)


class Crowd(_Loop):
    """Clients that ask and count. ``heard`` and ``ended`` are by client, in the order they came."""

    def __init__(self, address: tuple[str, int], counted: bytes) -> None:
        super().__init__()
        self._address = address
        self._counted = counted
        self._clients: list[socket.socket] = []
        self._numbers: dict[socket.socket, int] = {}
        self.heard: list[int] = []
        self.ended: list[bool] = []

    def join(self, target: str = "/") -> None:
        """Let one more client connect and ask."""
        client = socket.create_connection(self._address, timeout=30)
        try:
            client.sendall(f"GET {target} HTTP/1.1\r\nHost: gateway\r\n\r\n".encode())
        except BaseException:
            client.close()
            raise
        client.setblocking(False)
        with self._lock:
            self._numbers[client] = len(self._clients)
            self._clients.append(client)
            self.heard.append(0)
            self.ended.append(False)
        self._selector.register(client, selectors.EVENT_READ)

    def all_heard(self, pieces: int) -> Callable[[], bool]:
        """Return the condition that every client has heard ``pieces`` pieces."""
        return lambda: all(count >= pieces for count in self.heard)

    def leave(self, number: int, *, reset: bool) -> None:
        """Let client ``number`` leave, politely or not."""
        with self._lock:
            client = self._clients[number]
            if client.fileno() < 0:
                return
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._forget(client)

    def _readable(self, sock: Any, data: Any) -> None:
        if sock.fileno() < 0:
            return
        number = self._numbers[sock]
        try:
            octets = sock.recv(65536)
        except OSError:
            octets = b""
        self.heard[number] += octets.count(self._counted)
        if octets.endswith(b"0\r\n\r\n"):
            self.ended[number] = True
        if not octets:
            self._forget(sock)
