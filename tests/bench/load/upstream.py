"""The upstream behind all that is measured: one thread of raw sockets, so that it costs little and never holds back.

    GET /small                      200 with 1 KiB
    GET /bulk/MIB                   so many MiB with a length
    GET /chunked/MIB                the same in chunks of 64 KiB
    POST anything                   reads the body, a length or chunks, and says how many octets came
    GET /events/COUNT/PACE/AFTER    head at once, then COUNT events (0: no end), each AFTER µs into a PACE of the clock
    GET /late/COUNT/PACE/AFTER      head with the first event, after AFTER µs, then events PACE µs apart
    GET /hold                       head and one event, then one whenever told
    GET /-/say                      tells the held streams so; says how many there are
    GET /-/open                     says how many streams are open

An event's data is the monotonic clock in nanoseconds, which all processes of a machine share. Run as a program, it
takes its port as its argument.
"""

import heapq
import select
import socket
import sys
import time

SMALL_BODY = b"." * 1020 + b"end\n"
"""Ends in a way that no part of it does."""
BODY_END = b"\r\n0\r\n\r\n"
"""How a chunked body ends; nothing that is sent here has it inside."""

_MIB = 1 << 20
_FILLING = b"." * _MIB
_CHUNKS = (b"%x\r\n" % 65_536 + _FILLING[:65_536] + b"\r\n") * 16
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
_STREAM_HEAD = _OK % b"text/event-stream" + b"Cache-Control: no-cache\r\n" + _CHUNKED
_BULK = b"application/octet-stream"
_HEAD_LIMIT_OCTETS = 65_536


def event() -> bytes:
    """Return an event of the size of a token, stamped now, as one chunk."""
    data = b"data: %d %b\n\n" % (time.monotonic_ns(), _FILLING[:100])
    return b"%x\r\n%b\r\n" % (len(data), data)


def _text(said: int) -> bytes:
    body = b"said %d\n" % said
    return _OK % b"text/plain" + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


class _Connection:
    """One connection, and what it is in the middle of."""

    __slots__ = ("block", "head", "inbox", "left", "pace", "position", "read", "remaining", "sock", "tail")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.inbox = b""
        self.left: int | None = 0  # octets of a request's body yet to come; None: chunked
        self.read = 0  # of this body
        self.block: memoryview | None = None  # what is sent again and again, in bulk
        self.position = self.remaining = 0  # in the block; octets yet to send
        self.tail = b""  # what comes after the last block, or the last octets of a body being read
        self.head = b""  # not sent yet
        self.pace = (0, 0)  # events yet to send, nanoseconds between two


class Upstream:
    """Serves for ever. At most one thing is under way on a connection; pipelined requests are not understood."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self._listener.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._connections: dict[int, _Connection] = {}
        self._streams: set[_Connection] = set()
        self._held: set[_Connection] = set()
        self._due: list[tuple[int, int, _Connection]] = []
        self._number = 0
        self._scratch = bytearray(_MIB)

    def serve(self) -> None:
        """Serve until the process ends."""
        accepting = self._listener.fileno()
        while True:
            for fd, events in self._ready():
                if fd == accepting:
                    self._accept()
                elif (connection := self._connections.get(fd)) is not None:
                    try:
                        self._go_on(connection, events)
                    except BlockingIOError:
                        continue
                    except (OSError, ValueError):
                        self._drop(connection)
            self._send_due()

    def _ready(self) -> list[tuple[int, int]]:
        if not self._due:
            return self._epoll.poll()
        wait_seconds = (self._due[0][0] - time.monotonic_ns()) / 1e9
        if wait_seconds > 0:  # epoll itself counts in whole milliseconds
            select.select([self._epoll], [], [], wait_seconds)
        return self._epoll.poll(0)

    def _accept(self) -> None:
        try:
            while True:
                sock, _ = self._listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connections[sock.fileno()] = _Connection(sock)
                self._epoll.register(sock, select.EPOLLIN)
        except BlockingIOError:
            pass

    def _drop(self, connection: _Connection) -> None:
        del self._connections[connection.sock.fileno()]
        self._streams.discard(connection)
        self._held.discard(connection)
        connection.sock.close()

    def _go_on(self, connection: _Connection, events: int) -> None:
        if connection.block is not None and events & select.EPOLLOUT:
            self._send_bulk(connection, connection.block)
        elif connection.left != 0:
            self._read_body(connection, connection.sock.recv_into(self._scratch))
        else:
            octets = connection.sock.recv(_HEAD_LIMIT_OCTETS)
            if not octets:
                raise ConnectionError("the proxy left")
            connection.inbox += octets
            if b"\r\n\r\n" in connection.inbox:
                head, _, rest = connection.inbox.partition(b"\r\n\r\n")
                connection.inbox = b""
                self._answer(connection, head, rest)
            elif len(connection.inbox) > _HEAD_LIMIT_OCTETS:
                raise ValueError("no end of the head")

    def _answer(self, connection: _Connection, head: bytes, rest: bytes) -> None:
        method, target, _ = head.split(b" ", 2)
        _, word, *numbers = target.decode().split("?")[0].split("/")
        if method == b"POST":
            self._begin_body(connection, head.lower(), rest)
        elif word in ("bulk", "chunked"):
            self._begin_bulk(connection, int(numbers[0]), chunked=word == "chunked")
        elif word in ("events", "late"):
            count, pace_us, after_us = map(int, numbers)
            self._streams.add(connection)
            pace_ns, begin_ns = pace_us * 1000, time.monotonic_ns()
            connection.pace = (count or sys.maxsize, pace_ns)
            if word == "events":
                connection.sock.send(_STREAM_HEAD)
                # Streams keep the distance that they ask for, however long a proxy takes to open one after the other.
                begin_ns += pace_ns - begin_ns % pace_ns
            else:
                connection.head = _STREAM_HEAD
            self._schedule(connection, begin_ns + after_us * 1000)
        elif word == "hold":
            self._streams.add(connection)
            self._held.add(connection)
            connection.sock.send(_STREAM_HEAD + event())
        elif word == "-":
            connection.sock.send(_text(self._say() if numbers == ["say"] else len(self._streams)))
        else:
            connection.sock.send(_SMALL)

    def _begin_body(self, connection: _Connection, fields: bytes, rest: bytes) -> None:
        connection.read, connection.tail = 0, b""
        if b"expect: 100-continue" in fields:
            connection.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if b"transfer-encoding: chunked" in fields:
            connection.left = None
        else:
            connection.left = int(fields.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        self._scratch[: len(rest)] = rest
        if rest or connection.left == 0:
            self._read_body(connection, len(rest), begun=True)

    def _read_body(self, connection: _Connection, count: int, *, begun: bool = False) -> None:
        """Take the first ``count`` octets of the scratch as the next ones of the body."""
        if not count and not begun:
            raise ConnectionError("the proxy left inside a body")
        connection.read += count
        if connection.left is None:
            connection.tail = (connection.tail + bytes(self._scratch[max(0, count - 7) : count]))[-7:]
            if not connection.tail.endswith(BODY_END):
                return
        else:
            connection.left -= count
            if connection.left > 0:
                return
        connection.left = 0
        connection.sock.send(_text(connection.read))

    def _begin_bulk(self, connection: _Connection, mib: int, *, chunked: bool) -> None:
        block = _CHUNKS if chunked else _FILLING
        connection.block, connection.position = memoryview(block), 0
        connection.remaining, connection.tail = mib * len(block), b"0\r\n\r\n" if chunked else b""
        framing = _CHUNKED if chunked else b"Content-Length: %d\r\n\r\n" % (mib * _MIB)
        connection.sock.send(_OK % _BULK + framing)
        self._epoll.modify(connection.sock, select.EPOLLIN | select.EPOLLOUT)

    def _send_bulk(self, connection: _Connection, block: memoryview) -> None:
        while connection.remaining:
            end = min(len(block), connection.position + connection.remaining)
            sent = connection.sock.send(block[connection.position : end])
            connection.remaining -= sent
            connection.position = (connection.position + sent) % len(block)
        if connection.tail:
            connection.sock.send(connection.tail)  # raises where there is no room; then this is the next thing to do
        connection.block, connection.tail = None, b""
        self._epoll.modify(connection.sock, select.EPOLLIN)

    def _schedule(self, connection: _Connection, due_ns: int) -> None:
        self._number += 1  # two connections cannot be compared
        heapq.heappush(self._due, (due_ns, self._number, connection))

    def _send_due(self) -> None:
        now_ns = time.monotonic_ns()
        while self._due and self._due[0][0] <= now_ns:
            due_ns, _, connection = heapq.heappop(self._due)
            if connection not in self._streams:
                continue  # gone
            left, pace_ns = connection.pace
            connection.pace = (left - 1, pace_ns)
            last = left == 1
            try:
                connection.sock.send(connection.head + event() + (b"0\r\n\r\n" if last else b""))
            except OSError:  # gone, or so far behind that its buffers are full
                self._drop(connection)
                continue
            connection.head = b""
            if last:
                self._streams.discard(connection)
            else:
                self._schedule(connection, due_ns + pace_ns)

    def _say(self) -> int:
        for connection in list(self._held):
            try:
                connection.sock.send(event())
            except OSError:
                self._drop(connection)
        return len(self._held)


_SMALL = _OK % b"text/plain" + b"Content-Length: %d\r\n\r\n%b" % (len(SMALL_BODY), SMALL_BODY)

if __name__ == "__main__":
    Upstream(int(sys.argv[1])).serve()
