"""Bulk in the chunked coding, read in runs where nobody looks into it: whole, or cut where it is cut."""

import socket
from itertools import pairwise
from typing import cast

import pytest
from support.pieces import received_into
from upstream.attempts import Moments

from gateway.exchange.attempt import Attempt
from gateway.exchange.failure import FailureError
from gateway.exchange.target import parse_endpoint
from gateway.upstream.chunks import BULK_READ_OCTETS, LARGE_READ_OCTETS, Body
from gateway.upstream.connection import Connection, Sending

DATA = bytes(range(251)) * 261 + b"end of a chunk"
CHUNK = b"%x\r\n%b\r\n" % (len(DATA), DATA)
CHUNKS = 300
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Torrent:
    """A socket on which everything has come already: gevent's, with the plain one under ``_sock``."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0
        self._sock = self
        self.closed = False

    def send(self, octets: bytes) -> int:
        return len(octets)

    def recv(self, size: int, flags: int = 0) -> bytes:
        self._at += size
        return self._octets[self._at - size : self._at]

    def recvmsg_into(self, buffers: list[memoryview]) -> tuple[int, list[object], int, None]:
        return received_into(buffers, self.recv)

    def setsockopt(self, *option: object) -> None:
        """Nothing: where a connection ends in a reset is looked at elsewhere."""

    def close(self) -> None:
        self.closed = True


class Upstream:
    """A connection with an answer of ``octets`` in the chunked coding, and what became of it."""

    def __init__(self, octets: bytes) -> None:
        self.sock = Torrent(HEAD + octets)
        self.turns_at: list[int] = []
        self.pieces: list[bytes] = []
        self.given_back: list[Connection] = []
        self._connection = Connection(cast(socket.socket, self.sock), self._wait)

    def _wait(self, sock: socket.socket) -> None:
        self.turns_at.append(len(self.pieces))

    def read(self, most: int) -> bytes:
        """Read the body, ``most`` octets at once, and return it. What came is in ``pieces`` also where that fails."""
        sending = Sending(Attempt(parse_endpoint("http://up.example")), None, Moments())
        framed = self._connection.ask(b"GET / HTTP/1.1\r\n\r\n", False, "GET", sending)
        for piece in Body(self._connection, framed, self.given_back.append).chunks(most):
            self.pieces.append(piece)
        return b"".join(self.pieces)


def test_bulk_comes_whole_and_its_connection_can_be_used_again() -> None:
    """Read in runs or not, every octet is there, and the body's end is its own."""
    upstream = Upstream(CHUNK * CHUNKS + b"0\r\n\r\n")

    assert upstream.read(BULK_READ_OCTETS) == DATA * CHUNKS
    assert sum(isinstance(piece, memoryview) for piece in upstream.pieces) > 20
    assert max(map(len, upstream.pieces)) <= BULK_READ_OCTETS
    assert len(upstream.given_back) == 1


def test_who_looks_into_bodies_gets_bytes() -> None:
    """What reads formats, compresses or converts needs what only bytes can do."""
    upstream = Upstream(CHUNK * CHUNKS + b"0\r\n\r\n")

    assert upstream.read(LARGE_READ_OCTETS) == DATA * CHUNKS
    assert {type(piece) for piece in upstream.pieces} == {bytes}


@pytest.mark.parametrize(
    ("rest", "data", "code"),
    [
        (CHUNK[:-1000], DATA[:-998], "body_cut"),
        (CHUNK[:-2] + b"\n\n", DATA, "body_invalid"),
        (b"", b"", "body_cut"),
        (b"x\r\n", b"", "body_invalid"),
    ],
)
def test_what_came_before_a_break_is_handed_over(rest: bytes, data: bytes, code: str) -> None:
    """The failure comes behind it, and the connection is not used again."""
    upstream = Upstream(CHUNK * CHUNKS + rest)

    with pytest.raises(FailureError) as caught:
        upstream.read(BULK_READ_OCTETS)

    assert caught.value.failure.kind.code == code
    assert b"".join(upstream.pieces) == DATA * CHUNKS + data
    assert upstream.given_back == []
    assert upstream.sock.closed


def test_an_upstream_that_is_faster_than_we_are_lets_others_have_their_turn() -> None:
    """Also in a run: a wait, though nothing had to be waited for, is the turn of all other streams."""
    upstream = Upstream(CHUNK * CHUNKS + b"0\r\n\r\n")
    upstream.read(BULK_READ_OCTETS)

    turns = [after - before for before, after in pairwise([*upstream.turns_at, len(upstream.pieces)])]
    assert max(turns) <= 4 < len(turns)
