"""Octets beside a stream, from the event loop: never waiting, never inside a piece, never lost or behind the end."""

import contextlib
import re
import select
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import gevent
import gevent.socket
import gevent.ssl
import pytest
from support.certificates import TlsFiles
from support.wsgi import ListedBody, ServedRequest

from gateway.exchange.failure import Abort
from gateway.exchange.message import ReplyHead
from gateway.server.response import ClientResponse

PING = b": ping\n"
HEAD = ReplyHead(200, "OK", [("Date", "now"), ("Content-Type", "text/event-stream"), ("Keep-Alive", "5")])
PATIENCE_SECONDS = 5.0


class Served(ServedRequest):
    """A request that may wait for 100 (Continue)."""

    wants_continue = True


class Pair:
    """A response on a real connection, and the client's end of it."""

    def __init__(self, sock: Any, client: Any) -> None:
        self.sock, self.client = sock, client
        self.sock.settimeout(PATIENCE_SECONDS)
        self.client.settimeout(PATIENCE_SECONDS)

    def response(self, request: ServedRequest | None = None, *fields: tuple[str, str]) -> ClientResponse:
        """Return a response whose head is out."""
        response = ClientResponse(request or Served(), self.sock, True)
        response("200 OK", [("Date", "now"), *fields])
        response.write(b"")
        return response

    def fill(self) -> None:
        """Fill the connection until it takes nothing more."""
        with contextlib.suppress(OSError):
            while True:
                raw = getattr(self.sock, "_sslobj", None)
                (raw.write if raw else self.sock._sock.send)(b"~" * 5000)

    def read(self, until: bytes) -> bytes:
        """Return what the client gets up to ``until``."""
        octets = b""
        while not octets.endswith(until):
            piece = self.client.recv(1 << 16)
            assert piece, "the connection ended"
            octets += piece
        return octets


def connected() -> tuple[Any, Any]:
    """Return both ends of a TCP connection with small buffers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = gevent.socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        accepted, _ = listener.accept()
    sock = gevent.socket.socket(fileno=accepted.detach())
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return sock, client


@pytest.fixture
def plain() -> Iterator[Pair]:
    sock, client = connected()
    with sock, client:
        yield Pair(sock, client)


@pytest.fixture
def secured(tls_files: TlsFiles) -> Iterator[Pair]:
    sock, client = connected()
    server_side = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(tls_files.certificate, tls_files.key)
    client_side = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_side.check_hostname, client_side.verify_mode = False, ssl.CERT_NONE
    other = gevent.spawn(client_side.wrap_socket, client)
    with server_side.wrap_socket(sock, server_side=True) as safe, other.get(timeout=PATIENCE_SECONDS) as safe_client:
        yield Pair(safe, safe_client)


@pytest.fixture(params=["plain", "secured"])
def pair(request: pytest.FixtureRequest) -> Pair:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def test_ping_is_a_chunk_of_its_own(pair: Pair) -> None:
    """Between two pieces, for a client that takes it."""
    response = pair.response()
    response.write(b"one")
    assert response.free()
    response.aside(PING)
    response.aside(b"")
    response.write(b"two")
    response.finish()

    assert pair.read(b"0\r\n\r\n").partition(b"\r\n\r\n")[2] == (b"3\r\none\r\n7\r\n: ping\n\r\n3\r\ntwo\r\n0\r\n\r\n")


def test_ping_stands_alone_in_a_body_that_the_connection_ends(plain: Pair) -> None:
    """HTTP/1.0 knows no chunks."""
    response = plain.response(Served(version=(1, 0)))
    assert response.free()
    response.aside(PING)
    response.finish()

    assert plain.read(PING).endswith(b"\r\n\r\n" + PING)


def test_client_that_takes_nothing_gets_nothing(pair: Pair) -> None:
    """What it has not read already is enough."""
    response = pair.response()
    pair.fill()

    assert not response.free()


def test_nothing_goes_out_beside_a_write_that_waits(pair: Pair) -> None:
    """Nor once such a write was ended: the rest of its piece is missing then."""
    response = pair.response()
    writing = gevent.spawn(response.write, b"x" * 9_000_000)
    gevent.sleep(0.05)
    pair.client.recv(1)
    assert not writing.dead and not response.free()

    writing.kill()
    with contextlib.suppress(TimeoutError):
        pair.client.settimeout(0.3)
        while True:
            pair.client.recv(1 << 20)
    poll = select.poll()
    poll.register(pair.sock.fileno(), select.POLLOUT)
    assert poll.poll(0) and not response.free()


@pytest.mark.parametrize(
    ("request_", "fields"),
    [(Served("HEAD"), []), (Served(), [("Content-Length", "9")])],
    ids=["head", "length"],
)
def test_body_that_is_measured_or_missing_is_not_added_to(
    plain: Pair, request_: Served, fields: list[tuple[str, str]]
) -> None:
    """There is no place for it."""
    assert not plain.response(request_, *fields).free()


def test_nothing_goes_out_before_the_head_or_behind_the_end(plain: Pair) -> None:
    """Either would be read as something else."""
    response = ClientResponse(Served(), plain.sock, True)
    response("200 OK", [("Date", "now")])
    assert not response.free()
    response.write(b"")
    assert response.free()
    response.finish()
    assert not response.free()


class Stingy:
    """A socket that takes so many octets in each of its next calls, as the raw one below gevent's does."""

    def __init__(self, sock: Any, *takes: int) -> None:
        self._real, self._takes = sock, list(takes)
        self._sock = self

    def fileno(self) -> int:
        return int(self._real.fileno())

    def send(self, octets: Any) -> int:
        most = self._takes.pop(0) if self._takes else len(octets)
        if most == 0:
            raise BlockingIOError
        return int(self._real.send(octets[:most]))


@pytest.mark.parametrize("takes", [(1,), (0,), (3, 2), (11,)])
def test_rest_of_a_ping_goes_out_before_the_next_piece(plain: Pair, takes: tuple[int, ...]) -> None:
    """Octet for octet."""
    sock = Stingy(plain.sock)
    response = ClientResponse(Served(), sock, True)
    response("200 OK", [("Date", "now")])
    response.write(b"")
    sock._takes = [*takes]
    response.aside(PING)
    response.write(b"two")
    response.finish()

    assert plain.read(b"0\r\n\r\n").endswith(b"\r\n\r\n7\r\n: ping\n\r\n3\r\ntwo\r\n0\r\n\r\n")


def test_tls_is_given_the_same_octets_again(secured: Pair) -> None:
    """A record that could not leave whole leaves first, and decrypts to what was meant."""
    response = secured.response()
    response.aside(b"p" * 1_000_000)
    for _ in range(50):
        assert not response.free()
    writing = gevent.spawn(response.write, b"x" * 20_000)
    octets = secured.read(b"x\r\n")
    writing.get(timeout=PATIENCE_SECONDS)

    body = octets.partition(b"\r\n\r\n")[2]
    assert body == b"f4240\r\n" + b"p" * 1_000_000 + b"\r\n4e20\r\n" + b"x" * 20_000 + b"\r\n"


def test_client_that_has_gone_ends_nothing_but_the_pings(plain: Pair) -> None:
    """Who watches the client, or writes next, says what happened."""
    response = plain.response()
    plain.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    plain.client.close()
    gevent.sleep(0.05)
    response.aside(PING)

    assert not response.free()
    with pytest.raises(OSError, match=r"pipe|reset"):
        response.write(b"x")


class TestEarlyHeads:
    """A head that goes out before the application has one."""

    def test_head_and_ping_go_out_together_and_the_body_follows(self, pair: Pair) -> None:
        """The head that the application says later is dropped; hop-by-hop fields are not sent."""
        request = Served(body=ListedBody(b"body", length=4))
        response = ClientResponse(request, pair.sock, True)
        assert response.can_begin()
        response.begin(HEAD, PING)
        assert not response.can_begin() and not request.wants_continue and response.keep_alive
        response("200 OK", [("Other", "fields")])
        for piece in (b"", b"one"):
            response.write(piece)
        response.finish()

        assert pair.read(b"0\r\n\r\n") == (
            b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"7\r\n: ping\n\r\n3\r\none\r\n0\r\n\r\n"
        )

    def test_answer_with_another_status_never_follows(self, plain: Pair) -> None:
        """Such as the page of a framework that met a defect."""
        response = ClientResponse(Served(), plain.sock, True)
        response.begin(HEAD, PING)

        with pytest.raises(Abort):
            response("500 INTERNAL SERVER ERROR", [])

    @pytest.mark.parametrize(
        "request_",
        [Served(version=(1, 0)), Served("HEAD")],
        ids=["old", "head"],
    )
    def test_head_that_cannot_be_followed_by_pings_stays(self, plain: Pair, request_: Served) -> None:
        """HTTP/1.0 has no chunks, HEAD no body."""
        assert not ClientResponse(request_, plain.sock, True).can_begin()

    def test_head_stays_while_the_request_comes_or_an_answer_goes(self, plain: Pair) -> None:
        """The client that sends is not waiting; one that does not read has enough."""

        class Coming(ListedBody):
            def at_hand(self) -> bool:
                return False

        assert not ClientResponse(Served(body=Coming(length=4)), plain.sock, True).can_begin()
        assert not plain.response().can_begin()
        plain.fill()
        assert not ClientResponse(Served(), plain.sock, True).can_begin()

    def test_head_that_leaves_in_parts_is_whole_in_the_end(self, plain: Pair) -> None:
        """What is left goes out as soon as the client takes it, or with what follows."""
        sock = Stingy(plain.sock, 20, 5, 0)
        response = ClientResponse(Served(), sock, True)
        response.begin(HEAD, PING)
        assert re.fullmatch(rb"HTTP/1.1 200 OK\r\n.*", plain.client.recv(99), re.DOTALL)
        assert not response.free() and not response.free()
        assert response.free()

        assert plain.read(PING + b"\r\n").endswith(b"\r\n\r\n7\r\n: ping\n\r\n")


def test_large_piece_reaches_a_slow_client_whole(pair: Pair) -> None:
    """It is framed once, in however many parts the client takes it, and nothing comes between them."""
    piece = bytes(range(256)) * 1024
    response = pair.response()
    writing = gevent.spawn(response.write, piece)
    gevent.sleep(0.01)
    assert not writing.ready()
    assert not response.free()

    framed = b"%x\r\n%b\r\n" % (len(piece), piece)
    got = pair.read(framed[-1000:])
    writing.get(timeout=PATIENCE_SECONDS)

    assert got.endswith(b"\r\n\r\n" + framed)
    assert response.written_bytes == len(piece)


@pytest.mark.parametrize("octets", [100, 100_000])
def test_client_that_takes_nothing_is_given_up(pair: Pair, octets: int) -> None:
    """After the socket's timeout, for an event and for bulk; nothing may be put beside what is half sent."""
    response = pair.response()
    pair.sock.settimeout(0.05)

    with pytest.raises(TimeoutError):
        for _ in range(100_000):
            response.write(b"x" * octets)

    assert not response.free()
