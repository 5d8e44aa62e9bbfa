"""Bodies: every chunk at once, cuts that look cut, and a connection that goes back exactly when it may."""

import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from upstream.attempts import BackgroundUpload, Moments

from gateway.exchange.attempt import Attempt
from gateway.exchange.failure import FailureError
from gateway.exchange.target import parse_endpoint
from gateway.upstream.chunks import LARGE_READ_OCTETS, SMALL_READ_OCTETS, Body
from gateway.upstream.connection import Connection, Sending

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
CLOSE = b"HTTP/1.1 200 OK\r\n\r\n"


class Struck(BaseException):
    """What an interrupter throws."""


class Line:
    """A body whose upstream is the test itself."""

    def __init__(self, sent: bytes, *, method: str = "GET", upload: Any = None) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.ours = socket.create_connection(listener.getsockname())
        self.theirs, _ = listener.accept()
        listener.close()
        self.theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.theirs.settimeout(5)
        self.given_back: list[Connection] = []
        self.theirs.sendall(sent)
        self.connection = Connection(self.ours)
        attempt = Attempt(parse_endpoint("http://up.example"))
        framed = self.connection.ask(b"GET / HTTP/1.1\r\n\r\n", False, method, Sending(attempt, upload, Moments()))
        self.theirs.recv(1000)  # What lies unread turns a close into a reset.
        self.body = Body(self.connection, framed, self.given_back.append)

    @property
    def closed(self) -> bool:
        return self.ours.fileno() == -1

    @property
    def returned(self) -> bool:
        assert not (self.closed and self.given_back)
        return self.given_back == [self.connection]

    def reset(self) -> None:
        self.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.theirs.close()

    def failure(self, chunks: Iterator[bytes]) -> str:
        with pytest.raises(FailureError) as caught:
            next(chunks)
        return caught.value.failure.kind.code


@pytest.fixture
def line() -> Iterator[Callable[..., Line]]:
    """Make lines that end with the test."""
    made: list[Line] = []

    def make(sent: bytes, **options: Any) -> Line:
        made.append(Line(sent, **options))
        return made[-1]

    yield make
    for each in made:
        each.connection.close()
        each.theirs.close()


@pytest.mark.parametrize(
    ("head", "pieces", "chunks", "end"),
    [
        (LENGTH, [b"hello", b"world"], [b"hello", b"world"], None),
        (CHUNKED, [b"5\r\nhello\r\n", b"5\r\nworld\r\n"], [b"hello", b"world"], b"0\r\n\r\n"),
        (CLOSE, [b"hello", b"world"], [b"hello", b"world"], b""),
    ],
    ids=["length", "chunked", "close"],
)
def test_each_chunk_arrives_when_it_is_sent(
    line: Callable[..., Line], head: bytes, pieces: list[bytes], chunks: list[bytes], end: bytes | None
) -> None:
    """Nothing waits for more of the body, in any framing (F7)."""
    one = line(head)
    arriving = iter(one.body)

    for piece, chunk in zip(pieces, chunks, strict=True):
        one.theirs.sendall(piece)
        assert next(arriving) == chunk

    if end is not None:
        one.theirs.sendall(end)
        one.theirs.shutdown(socket.SHUT_WR)
    assert list(arriving) == []


@pytest.mark.parametrize(
    ("head", "whole"),
    [(LENGTH, b"helloworld"), (CHUNKED, b"a\r\nhelloworld\r\n0\r\n\r\n")],
    ids=["length", "chunked"],
)
def test_connection_goes_back_before_the_last_chunk_is_handed_over(
    line: Callable[..., Line], head: bytes, whole: bytes
) -> None:
    """A slow client does not keep a connection that nothing more will come on."""
    one = line(head + whole[:4])
    arriving = iter(one.body)
    next(arriving)
    one.theirs.sendall(whole[4:])
    while not one.returned:
        next(arriving)

    one.body.close()
    one.body.close()

    assert one.returned


def test_body_that_came_with_its_head_needs_no_connection(line: Callable[..., Line]) -> None:
    """A small answer has given its connection back before anyone asks for it."""
    one = line(LENGTH + b"helloworld")

    assert one.returned
    assert one.body.ready()
    assert list(one.body) == [b"helloworld"]
    assert one.body.length == 10


@pytest.mark.parametrize(
    ("sent", "method", "length"),
    [
        (LENGTH, "HEAD", 0),
        (CHUNKED, "HEAD", 0),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "GET", 0),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "GET", 0),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", 0),
    ],
)
def test_answer_without_a_body_is_over_at_once(
    line: Callable[..., Line], sent: bytes, method: str, length: int
) -> None:
    """Nobody waits for what does not come, and the connection stays usable."""
    one = line(sent, method=method)

    assert one.returned
    assert one.body.ready()
    assert one.body.length == length
    assert list(one.body) == []


@pytest.mark.parametrize(
    "sent",
    [
        LENGTH + b"helloworldHTTP/1.1 200 OK",
        CHUNKED + b"0\r\n\r\nHTTP/1.1 200 OK",
        b"HTTP/1.1 204 No Content\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["octets after length", "octets after chunks", "octets after none", "close", "version 1.0", "both framings"],
)
def test_connection_that_may_not_be_used_again_is_closed(line: Callable[..., Line], sent: bytes) -> None:
    """What came behind an answer never reaches the next client."""
    one = line(sent)

    assert b"HTTP" not in b"".join(one.body)
    assert one.closed
    assert one.given_back == []


def test_octets_after_a_body_that_came_later_close_the_connection(line: Callable[..., Line]) -> None:
    """Also where the end was not in the first read."""
    one = line(LENGTH + b"hello")
    one.theirs.sendall(b"worldsurplus")

    assert b"".join(one.body) == b"helloworld"
    assert one.closed


def test_end_of_the_connection_is_the_end_of_a_body_without_framing(line: Callable[..., Line]) -> None:
    """A clean close is the only end it has."""
    one = line(CLOSE + b"all")
    assert one.body.length is None
    one.theirs.close()

    assert list(one.body) == [b"all"]
    assert one.closed


@pytest.mark.parametrize("ending", ["fin", "reset"])
@pytest.mark.parametrize("head", [LENGTH, CHUNKED + b"a\r\n", CLOSE], ids=["length", "chunked", "close"])
def test_cut_body_looks_cut_after_its_last_octet(line: Callable[..., Line], head: bytes, ending: str) -> None:
    """What came is handed over, then it fails; only a FIN ends a body without framing."""
    one = line(head)
    arriving = iter(one.body)
    one.theirs.sendall(b"hello")
    assert next(arriving) == b"hello"

    if ending == "reset":
        one.reset()
    else:
        one.theirs.close()

    if (head, ending) == (CLOSE, "fin"):
        assert list(arriving) == []
    else:
        assert one.failure(arriving) == "body_cut"
    assert one.closed


def test_broken_framing_hands_over_what_came_before_it(line: Callable[..., Line]) -> None:
    """Also where both came in one read, and also with the head."""
    one = line(CHUNKED + b"5\r\nhello\r\nnonsense\r\n")
    arriving = iter(one.body)

    assert one.body.ready()
    assert next(arriving) == b"hello"
    assert one.failure(arriving) == "body_invalid"
    assert one.closed


def test_body_closed_in_the_middle_closes_its_connection(line: Callable[..., Line]) -> None:
    """What is left of it is nobody's; the upstream sees the end."""
    one = line(LENGTH + b"hello")
    arriving = iter(one.body)
    next(arriving)

    one.body.close()

    assert one.closed
    assert one.given_back == []
    assert one.theirs.recv(100) == b""


def test_generator_closed_in_the_middle_closes_the_connection(line: Callable[..., Line]) -> None:
    """Whoever ends the iteration ends the stream."""
    one = line(LENGTH + b"hello")
    arriving: Any = iter(one.body)
    next(arriving)

    arriving.close()

    assert one.closed


def test_body_that_was_closed_or_read_does_not_look_empty(line: Callable[..., Line]) -> None:
    """A second reader gets a defect, not an end."""
    closed, read = line(LENGTH + b"hello"), line(LENGTH + b"helloworld")
    closed.body.close()
    list(read.body)

    for body in (closed.body, read.body):
        with pytest.raises(FailureError) as caught:
            list(body)
        assert caught.value.failure.kind.code == "internal"


def test_exception_thrown_into_the_wait_passes_and_closes(line: Callable[..., Line]) -> None:
    """An interruption keeps its type and leaves no connection behind (F10)."""
    one = line(LENGTH)

    def strike(size: int) -> bytes:
        raise Struck

    one.connection.recv = strike  # type: ignore[assignment]
    with pytest.raises(Struck):
        next(iter(one.body))

    assert one.closed


def test_answer_that_ended_before_its_upload_closes_the_connection(line: Callable[..., Line]) -> None:
    """The rest of the request would be read as the next one (RFC 9112 section 9.3)."""
    upload = BackgroundUpload([b"late"], 4)
    one = line(LENGTH + b"helloworld", upload=upload)

    assert list(one.body) == [b"helloworld"]
    assert one.closed
    assert upload.stopped == 1


def test_bulk_is_read_in_growing_pieces_and_events_in_small_ones(line: Callable[..., Line]) -> None:
    """The size of a read follows what comes (F22)."""
    bulk = 4 * 1024 * 1024
    one = line(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (bulk + 5))
    sizes: list[int] = []
    plain = one.ours.recv

    def recv(size: int) -> bytes:
        sizes.append(size)
        return plain(size, socket.MSG_WAITALL if sum(taken) + size <= bulk else 0)

    taken: list[int] = []
    one.connection.recv = recv  # type: ignore[assignment]
    sender = threading.Thread(target=one.theirs.sendall, args=(bytes(bulk),), daemon=True)
    sender.start()
    arriving = iter(one.body)
    while sum(taken) < bulk:
        taken.append(len(next(arriving)))
    sender.join(5)
    one.theirs.sendall(b"x")
    next(arriving)
    one.theirs.sendall(b"y")
    next(arriving)

    assert sizes[0] == SMALL_READ_OCTETS
    assert max(sizes) == LARGE_READ_OCTETS
    assert sizes[-1] == SMALL_READ_OCTETS


def test_wait_is_used_after_reads_that_took_everything(line: Callable[..., Line]) -> None:
    """A read in vain is saved where it would nearly always be one (F21)."""
    one = line(LENGTH)
    waits: list[int] = []
    one.connection.wait = lambda sock: waits.append(1)
    arriving = iter(one.body)
    for piece in (b"hello", b"world"):
        one.theirs.sendall(piece)
        next(arriving)

    assert len(waits) == 2


class Cooperative:
    """A socket as gevent has them: what reads without waiting lies below."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def test_a_wait_that_ends_early_costs_no_octet(line: Callable[..., Line]) -> None:
    """Where nothing is there after all it is waited for again, and so it is behind a read that was just enough."""
    one = line(b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n")
    one.theirs.sendall(b"x" * SMALL_READ_OCTETS)
    assert select.select([one.ours], [], [], 5)[0]
    while len(one.ours.recv(20000, socket.MSG_PEEK)) < SMALL_READ_OCTETS:
        pass
    waits: list[int] = []

    def wait(sock: Any) -> None:
        waits.append(1)
        if len(waits) == 3:
            one.theirs.sendall(b"y" * (20000 - SMALL_READ_OCTETS))
            select.select([sock], [], [], 5)

    one.ours.setblocking(False)
    one.connection._sock = Cooperative(one.ours)  # type: ignore[assignment]
    one.connection.wait = wait
    body = b"".join(one.body)

    assert body == b"x" * SMALL_READ_OCTETS + b"y" * (20000 - SMALL_READ_OCTETS)
    assert len(waits) == 3
    assert one.given_back == [one.connection]


def test_an_upstream_that_is_faster_than_we_are_lets_others_have_their_turn(line: Callable[..., Line]) -> None:
    """A wait now and then, though nothing had to be waited for, is the turn of all other streams."""
    octets = 100 * LARGE_READ_OCTETS
    one = line(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % octets)
    reads: list[int] = []
    read_at_waits: list[int] = []

    def recv(size: int) -> bytes:
        reads.append(size)
        return bytes(min(size, octets - sum(reads[:-1])))

    torrent = Cooperative(one.ours)
    torrent._sock = SimpleNamespace(recv=recv)  # type: ignore[assignment]
    torrent.close = one.ours.close  # type: ignore[attr-defined]
    one.connection._sock = torrent  # type: ignore[assignment]
    one.connection.wait = lambda sock: read_at_waits.append(len(reads))

    assert sum(map(len, one.body)) == octets
    turns = [after - before for before, after in pairwise([*read_at_waits, len(reads)])]
    assert max(turns) <= 4 < len(turns)


@pytest.mark.parametrize("octets", [b"5\r\nhello\r\n", b"5\r\nhel", b"5", b""])
def test_body_is_ready_only_if_content_came_with_its_head(line: Callable[..., Line], octets: bytes) -> None:
    """Framing alone is nothing to hand over."""
    one = line(CHUNKED + octets)

    assert one.body.ready() is (b"hel" in octets)
