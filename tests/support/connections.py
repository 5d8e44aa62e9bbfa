"""A server of one connection, served by the real code in a greenlet, and the client at its other end."""

import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.socket
from gunicorn.config import Config

from gateway.exchange.failure import Failure, Kind
from gateway.server.connection import Connection
from gateway.server.request import ExactParser, ExactRequest, Limits

PATIENCE_SECONDS = 5.0
CONFIG = Config()
CONFIG.set("http_parser", "python")
Application = Callable[[ExactRequest, Any], Any]


class Streaming:
    """An answer of ours: pieces, or what is raised in their place; it hears failures and counts its ends."""

    def __init__(self, *items: Any, write_seconds: float | None = PATIENCE_SECONDS) -> None:
        self._items = items
        self.write_seconds = write_seconds
        self.heard: list[Failure] = []
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for item in self._items:
            if isinstance(item, BaseException):
                raise item
            yield item() if callable(item) else item

    def failed(self, failure: Failure) -> None:
        self.heard.append(failure)

    def close(self) -> None:
        self.closed += 1

    @property
    def kinds(self) -> list[Kind]:
        return [failure.kind for failure in self.heard]


def answering(stream: Any, fields: list[tuple[str, str]] | None = None, status: str = "200 OK") -> Application:
    """An application that answers every request with ``stream``."""

    def application(request: ExactRequest, start_response: Any) -> Any:
        start_response(status, [("Date", "now"), *(fields or [])])
        return stream

    return application


def echoing(request: ExactRequest, start_response: Any) -> list[bytes]:
    """An application that answers with the target."""
    start_response("200 OK", [("Date", "now"), ("Content-Length", str(len(request.uri)))])
    return [request.uri.encode()]


class Site:
    """A server of one connection. It is the ``Service`` of it."""

    def __init__(self, application: Application = echoing, tls: ssl.SSLContext | None = None) -> None:
        self._application = application
        self._tls = tls
        self.head_seconds = PATIENCE_SECONDS
        self.keepalive_seconds = PATIENCE_SECONDS
        self.is_draining = False
        self.refusals: list[Failure] = []
        self.connection: Connection | None = None

    def application(self, environ: dict[str, Any], start_response: Any) -> Any:
        return self._application(environ["request"], start_response)

    def parser(self, sock: Any, peer: Any) -> ExactParser:
        return ExactParser(CONFIG, sock, peer, Limits(2048, 20, 1024), "http")

    def environ(self, request: ExactRequest, sock: Any, peer: Any) -> dict[str, Any]:
        return {"request": request}

    def draining(self) -> bool:
        return self.is_draining

    def refused(self, failure: Failure, exchange_id: str, peer: str) -> None:
        self.refusals.append(failure)

    def serve(self, sock: Any, overloaded: bool = False) -> None:
        """Serve ``sock`` as the listener does."""
        if self._tls is not None:
            sock = self._tls.wrap_socket(sock, server_side=True)
        self.connection = Connection(self, sock, ("192.0.2.7", 1))
        try:
            self.connection.serve(overloaded)
        finally:
            self.connection.close()


class Client:
    """The other end."""

    def __init__(self, site: Site, overloaded: bool = False, receive_buffer: int | None = None) -> None:
        with gevent.socket.socket() as listener:
            if receive_buffer is not None:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, receive_buffer)
            listener.bind(("127.0.0.1", 0))
            listener.listen(1)
            self.socket = gevent.socket.socket()
            if receive_buffer is not None:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.socket.connect(listener.getsockname())
            accepted, _ = listener.accept()
        self.socket.settimeout(PATIENCE_SECONDS)
        self.served = gevent.spawn(site.serve, accepted, overloaded)

    def send(self, octets: bytes) -> "Client":
        self.socket.sendall(octets)
        return self

    def get(self, target: str = "/", *lines: str, version: str = "1.1", method: str = "GET") -> "Client":
        return self.send("\r\n".join([f"{method} {target} HTTP/{version}", "Host: h", *lines, "", ""]).encode())

    def read(self, until: bytes) -> bytes:
        """Read up to and with ``until``."""
        octets = b""
        while not octets.endswith(until):
            piece = self.socket.recv(65536)
            assert piece, octets
            octets += piece
        return octets

    def rest(self) -> tuple[bytes, str]:
        """Read to the end of the connection; say whether it was an ``eof`` or a ``reset``."""
        octets = b""
        try:
            while piece := self.socket.recv(65536):
                octets += piece
        except ConnectionResetError:
            return octets, "reset"
        finally:
            self.socket.close()
            self.served.get(timeout=PATIENCE_SECONDS)
        return octets, "eof"


Connect = Callable[..., Client]
"""The fixture ``connect``: takes a site and the options of ``Client``."""
