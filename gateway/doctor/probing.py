"""Sending a request and measuring what comes of it: the name, the connection, TLS, the head, each piece, the end."""

import http.client
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from gateway.doctor.facts import BROKEN, LEFT, WAITING, WHOLE, Answer, Reach, Tls

_CONNECT_SECONDS = 5.0
_PIECE_OCTETS = 65_536
_MOST_OCTETS = 16 * 2**20
"""Of one answer: what is longer is left."""
_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests go."""

    name: str
    """For people."""
    host: str
    """Name or address; for a unix socket its path."""
    port: int = 0
    authority: str = ""
    unix: bool = False
    context: ssl.SSLContext | None = None
    """None for plain HTTP."""
    server_name: str = ""
    """To ask for and to expect in the certificate."""
    discreet: bool = False
    """Whether nothing may tell where it is."""


@dataclass(frozen=True, slots=True)
class Asking:
    """One request."""

    target: str
    method: str = "GET"
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    pieces: tuple[bytes, ...] = ()
    """Of a chunked body, sent ``gap_seconds`` apart."""
    gap_seconds: float = 0.0
    patience_seconds: float = 10.0
    """For the whole answer."""
    enough: Callable[[bytearray], bool] = lambda body: False
    """Whether to leave, seeing what came so far."""


def connect(place: Place) -> tuple[socket.socket | None, Reach]:
    """Return a connection, or None, and how the way there was."""
    reach = Reach(place.name)
    begun = time.monotonic()
    try:
        if place.unix:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(_CONNECT_SECONDS)
            with _closed_on_error(sock):
                sock.connect(place.host)
            return sock, replace(reach, connect_seconds=time.monotonic() - begun)
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except OSError as error:
        return None, replace(reach, failed="connect" if place.unix else "lookup", why=str(error))
    addresses = tuple(dict.fromkeys(str(each[4][0]) for each in found))
    reach = replace(reach, addresses=() if place.discreet else addresses, lookup_seconds=time.monotonic() - begun)
    begun = time.monotonic()
    try:
        sock = socket.create_connection((place.host, place.port), _CONNECT_SECONDS)
    except OSError as error:
        return None, replace(reach, failed="connect", why=str(error))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reach = replace(reach, connect_seconds=time.monotonic() - begun)
    return (sock, reach) if place.context is None else _secured(sock, place, reach)


@contextmanager
def _closed_on_error(sock: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        sock.close()
        raise


def _secured(sock: socket.socket, place: Place, reach: Reach) -> tuple[socket.socket | None, Reach]:
    assert place.context is not None
    begun = time.monotonic()
    try:
        with _closed_on_error(sock):
            secure = place.context.wrap_socket(sock, server_hostname=place.server_name or place.host)
    except OSError as error:
        fault = error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else 0
        why = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else str(error)
        return None, replace(reach, failed="tls", why=why, certificate_fault=fault)
    certificate = secure.getpeercert() or {}
    days = None
    if isinstance(until := certificate.get("notAfter"), str):
        days = (ssl.cert_time_to_seconds(until) - _wall_clock()) / _DAY_SECONDS
    verified = place.context.verify_mode is not ssl.CERT_NONE
    tls = Tls(secure.version() or "", days, verified)
    return secure, replace(reach, tls_seconds=time.monotonic() - begun, tls=tls)


def ask(place: Place, asking: Asking) -> tuple[Reach, Answer]:
    """Make one request on a connection of its own."""
    sock, reach = connect(place)
    if sock is None:
        return reach, Answer(why=reach.why)
    with sock:
        return reach, _asked(sock, place, asking)


def ask_twice(place: Place, asking: Asking) -> tuple[Reach, Answer, Answer | None]:
    """Make one request two times on one connection; the second answer is None where the first ended it."""
    sock, reach = connect(place)
    if sock is None:
        return reach, Answer(why=reach.why), None
    with sock:
        first = _asked(sock, place, asking)
        return reach, first, _asked(sock, place, asking) if first.more else None


def _asked(sock: socket.socket, place: Place, asking: Asking) -> Answer:
    begun = time.monotonic()
    sock.settimeout(asking.patience_seconds)
    connection = http.client.HTTPConnection(place.host, place.port)
    connection.sock = sock
    try:
        _send(connection, place, asking)
        response = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        return Answer(why=_words(error), ended_seconds=time.monotonic() - begun)
    head = Answer(
        response.status,
        f"HTTP/{response.version // 10}.{response.version % 10}",
        tuple(response.getheaders()),
        time.monotonic() - begun,
        wall_clock=_wall_clock(),
    )
    with response:  # It holds the connection, too, where that ends with it.
        return _read(response, sock, head, asking, begun)


def _send(connection: http.client.HTTPConnection, place: Place, asking: Asking) -> None:
    connection.putrequest(asking.method, asking.target, skip_host=True, skip_accept_encoding=True)
    fields = asking.fields
    if not any(name.lower() == "host" for name, _ in fields):
        fields = (("Host", place.authority), *fields)
    if asking.body is not None:
        fields = (*fields, ("Content-Length", str(len(asking.body))))
    if asking.pieces:
        fields = (*fields, ("Transfer-Encoding", "chunked"))
    for name, value in fields:
        connection.putheader(name, value)
    connection.endheaders()
    if asking.body is not None:
        connection.send(asking.body)
    for number, piece in enumerate(asking.pieces):
        if number:
            time.sleep(asking.gap_seconds)
        connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    if asking.pieces:
        connection.send(b"0\r\n\r\n")


def _read(
    response: http.client.HTTPResponse, sock: socket.socket, head: Answer, asking: Asking, begun: float
) -> Answer:
    pieces: list[tuple[float, bytes]] = []
    body = bytearray()
    ending, why = WHOLE, ""
    try:
        for piece in _decoded(_pieces(response, sock, begun + asking.patience_seconds), head.value("content-encoding")):
            pieces.append((time.monotonic() - begun, piece))
            body += piece
            if asking.enough(body) or len(body) > _MOST_OCTETS:
                ending = LEFT
                break
    except TimeoutError:
        ending, why = WAITING, f"still open after {asking.patience_seconds:g} s"
    except (OSError, http.client.HTTPException, zlib.error) as error:
        ending, why = BROKEN, _words(error)
    return replace(
        head,
        pieces=tuple(pieces),
        ending=ending,
        why=why,
        ended_seconds=time.monotonic() - begun,
        more=ending == WHOLE and not response.will_close,
    )


def _pieces(response: http.client.HTTPResponse, sock: socket.socket, until: float) -> Iterator[bytes]:
    """Yield the body as it comes; raise TimeoutError at ``until``, and an error where it is cut."""
    while True:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        with suppress(OSError):  # the response closes the socket itself where the end of the body ends it
            sock.settimeout(left)
        piece = response.read1(_PIECE_OCTETS)
        if not piece:
            # Python tells a body that falls short of its length only when it is read whole.
            if response.length:
                raise http.client.IncompleteRead(b"", response.length)
            return
        yield piece


def _decoded(pieces: Iterator[bytes], coding: str) -> Iterator[bytes]:
    """Yield what a gzip body holds, as far as its octets tell; other bodies as they are."""
    if coding.lower() != "gzip":
        yield from pieces
        return
    inflater = zlib.decompressobj(31)
    for piece in pieces:
        plain = inflater.decompress(piece, _MOST_OCTETS)
        if plain:
            yield plain


def _wall_clock() -> float:
    return time.time()  # noqa: TID251 - clocks are compared, certificates have dates


def _words(error: Exception) -> str:
    if isinstance(error, http.client.IncompleteRead):
        return "the body ended before its end"
    if isinstance(error, http.client.RemoteDisconnected):
        return "the connection was closed without an answer"
    if isinstance(error, TimeoutError):
        return "no answer came in time"
    return str(error) or type(error).__name__
