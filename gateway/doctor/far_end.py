"""The other end of the chain: an HTTP/1.1 server that answers probes as they ask, and reports what it saw of them.

It is put where the upstream would be, and only for as long as somebody examines the chain. Whatever comes before the
last segment of a path is the chain's own; the segment names the probe. Everything has a bound: the length of answers,
the octets that are read, the connections, the reports that are kept.
"""

import json
import select
import socket
import socketserver
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl

MARK = "slowgate-far-end"
_SHOWN = ("via", "connection", "accept-encoding", "last-event-id", "x-slowgate-twice", "content-length")
_MOST_REPORTS = 256
_MOST_CONNECTIONS = 128
_MOST_SECONDS = 900.0
_MOST_EVENTS = 1000
_MOST_HEAD_OCTETS = 65_536
_MOST_UPLOAD_OCTETS = 2**20
_IDLE_SECONDS = 30.0


class _Left(Exception):
    """The connection is over."""


class FarEnd(socketserver.ThreadingTCPServer):
    """Listens from when it is made until ``close``; ``serve_forever`` answers meanwhile."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, host: str, port: int) -> None:
        """Raises OSError where the address cannot be listened on."""
        if ":" in host:
            self.address_family = socket.AF_INET6
        self.reports: OrderedDict[str, dict[str, object]] = OrderedDict()
        self._open: set[socket.socket] = set()
        super().__init__((host, port), _Probe)

    def report(self, identifier: str, seen: dict[str, object]) -> None:
        """Keep what was seen of a probe; the oldest report goes where there are too many."""
        self.reports[identifier] = seen
        while len(self.reports) > _MOST_REPORTS:
            self.reports.popitem(last=False)

    def verify_request(self, request: object, client_address: object) -> bool:
        """Take no more connections than there may be."""
        return len(self._open) < _MOST_CONNECTIONS

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: str) -> None:
        """Know the connection from now on: its thread may begin so late that `close` would not meet it."""
        assert isinstance(request, socket.socket)
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Close the connection, and know it no more."""
        assert isinstance(request, socket.socket)
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A chain that breaks connections is what we look for: it is reported, not logged."""

    def close(self) -> None:
        """End it and every connection: a chain that keeps one must not ask a far end that is over."""
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Probe(BaseHTTPRequestHandler):
    """One connection of the chain's."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE_SECONDS
    server: FarEnd

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what was asked is told in a report."""

    def do_GET(self) -> None:
        """Answer a probe."""
        self._begun = time.monotonic()
        path, _, query = self.path.partition("?")
        self._asked = dict(parse_qsl(query))
        name = path.rstrip("/").rpartition("/")[2]
        answer = getattr(self, f"_{name}", None) if name in _PROBES else None
        self._seen: dict[str, object] = {
            "version": self.request_version,
            "fields": [(key, value if key.lower() in _SHOWN else "") for key, value in self.headers.items()],
        }
        if name != "report":
            self.server.report(self._asked.get("id", "")[:64], self._seen)
        try:
            if answer is None:
                self._document({"no such probe": name[:64]}, status=404)
            else:
                answer()
        except (_Left, OSError, ValueError):
            self._seen["gone_seconds"] = time.monotonic() - self._begun
            self.close_connection = True

    do_POST = do_GET

    def _number(self, name: str, default: float, most: float) -> float:
        try:
            return min(max(float(self._asked.get(name, default)), 0.0), most)
        except ValueError:
            return default

    def _report(self) -> None:
        """What was seen of the probe ``of``."""
        self._document({MARK: 1, **self.server.reports.get(self._asked.get("of", ""), {})})

    def _hello(self) -> None:
        """A short answer, with ``padding`` octets in its head."""
        padding = int(self._number("padding", 0, _MOST_HEAD_OCTETS))
        lines = [("X-Slowgate-Padding", "p" * 1000)] * (padding // 1000)
        self._document({MARK: 1}, lines)

    def _upload(self) -> None:
        """Read a body, and tell when its pieces came."""
        arrivals: list[float] = []
        octets = 0
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
        self._seen["framing"] = "chunked" if chunked else "length" if "Content-Length" in self.headers else ""
        for piece in self._chunks() if chunked else self._octets(int(self.headers.get("Content-Length", 0))):
            arrivals.append(time.monotonic() - self._begun)
            octets += len(piece)
            if octets > _MOST_UPLOAD_OCTETS:
                raise _Left
        self._seen |= {"arrivals": arrivals, "octets": octets}
        self._document({MARK: 1})

    def _chunks(self) -> Iterator[bytes]:
        while True:
            size = int(self.rfile.readline(64).partition(b";")[0] or b"0", 16)
            if not size:
                while self.rfile.readline(_MOST_HEAD_OCTETS).strip():
                    pass
                return
            yield self._exactly(min(size, _MOST_UPLOAD_OCTETS + 1))
            self.rfile.readline(8)

    def _octets(self, length: int) -> Iterator[bytes]:
        while length > 0:
            piece = self.rfile.read1(min(length, 65_536))
            if not piece:
                raise _Left
            length -= len(piece)
            yield piece

    def _exactly(self, size: int) -> bytes:
        octets = self.rfile.read(size)
        if len(octets) < size:
            raise _Left
        return octets

    def _events(self) -> None:
        """``count`` events with ``gap`` seconds between them, and a ping before each ``ping``th."""
        count, gap = int(self._number("count", 10, _MOST_EVENTS)), self._number("gap", 0.1, 60)
        ping = int(self._number("ping", 0, _MOST_EVENTS))
        self._stream_head()
        for number in range(count):
            if number:
                self._pause(gap)
            if ping and number % ping == ping - 1:
                self._send(b": ping\n\n")
            self._send(b"data: %d\n\n" % number)
        self._end()

    def _silence(self) -> None:
        """An event, silence, another event; with ``late=1`` the head comes only after the silence."""
        seconds, ping = self._number("seconds", 5, _MOST_SECONDS), self._number("ping", 0, _MOST_SECONDS)
        until = time.monotonic() + seconds
        if self._asked.get("late") == "1":
            self._pause(seconds)
        self._stream_head()
        self._send(b"data: before\n\n")
        while (left := until - time.monotonic()) > 0:
            self._pause(min(left, ping) if ping else left)
            if ping and time.monotonic() < until:
                self._send(b": ping\n\n")
        self._send(b"data: after\n\n")
        self._end()

    def _cut(self) -> None:
        """Three events, and the connection is broken off."""
        self._stream_head()
        for number in range(3):
            self._send(b"data: %d\n\n" % number)
            self._pause(0.05)
        if not self._is_chunked:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.connection.close()
        self.close_connection = True

    @property
    def _is_chunked(self) -> bool:
        return self.request_version == "HTTP/1.1"

    def _stream_head(self) -> None:
        lines = [("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache")]
        lines += [("X-Slowgate-Twice", "a"), ("X-Slowgate-Twice", "b")]
        if self._asked.get("hint") == "1":
            lines.append(("X-Accel-Buffering", "no"))
        lines.append(("Transfer-Encoding", "chunked") if self._is_chunked else ("Connection", "close"))
        self._head(200, lines)

    def _head(self, status: int, lines: list[tuple[str, str]]) -> None:
        lines = [("Date", self.date_time_string()), *lines]
        text = "".join(f"{name}: {value}\r\n" for name, value in lines)
        self.wfile.write(f"HTTP/1.1 {status} Probe\r\n{text}\r\n".encode("latin-1"))

    def _send(self, octets: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(octets), octets) if self._is_chunked else octets)

    def _end(self) -> None:
        if self._is_chunked:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

    def _document(
        self, told: dict[str, object], lines: list[tuple[str, str]] | None = None, *, status: int = 200
    ) -> None:
        told["wall_clock"] = time.time()  # noqa: TID251 - to compare the clocks of two machines
        body = json.dumps(told).encode()
        length = ("Content-Length", str(len(body)))
        self._head(
            status, [("Content-Type", "application/json"), ("Cache-Control", "no-store"), length, *(lines or [])]
        )
        self.wfile.write(body)

    def _pause(self, seconds: float) -> None:
        """Wait; raise ``_Left`` as soon as the other side has."""
        until = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self.connection, select.POLLIN | select.POLLRDHUP)
        while (left := until - time.monotonic()) > 0:
            for _, event in poll.poll(left * 1000):
                if event & ~select.POLLIN or not self.connection.recv(1, socket.MSG_PEEK):
                    raise _Left
                poll.modify(self.connection, select.POLLRDHUP)  # more was sent: only its end matters now


_PROBES = frozenset({"hello", "report", "upload", "events", "silence", "cut"})
