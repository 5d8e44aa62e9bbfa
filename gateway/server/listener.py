"""One listening socket: its application, its patience, its connections and how many it bears."""

import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.hub import get_hub
from gevent.pool import Pool
from gevent.server import StreamServer

from gateway.exchange.failure import Failure
from gateway.server.connection import Connection
from gateway.server.request import ExactParser, ExactRequest, Limits

_REFUSING_PLACES = 256
"""Connections above the limit that are still taken, only to be told 503; beyond them accepting stops."""

_log = logging.getLogger("gateway.server")


@dataclass
class Listener:
    """Serves one socket. It is the ``Service`` of its connections."""

    sock: Any
    cfg: Any
    application: Callable[[dict[str, Any], Any], Any]
    limits: Limits
    head_seconds: float
    keepalive_seconds: float
    max_connections: int
    is_draining: Callable[[], bool]
    record_refusal: Callable[[Failure, str, str], None]
    tls: ssl.SSLContext | None = None
    _open: set[Connection] = field(default_factory=set)

    def __post_init__(self) -> None:
        name = self.sock.getsockname()
        self._environ = {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self.scheme,
            "wsgi.multithread": True,
            "wsgi.multiprocess": self.cfg.workers > 1,
            "wsgi.run_once": False,
            "wsgi.errors": _Errors(),
            "wsgi.input_terminated": True,
            "SCRIPT_NAME": "",
            "SERVER_NAME": name[0] if isinstance(name, tuple) else "localhost",
            "SERVER_PORT": str(name[1]) if isinstance(name, tuple) else "",
        }
        self._server = StreamServer(self.sock, handle=self._handle, spawn=Pool(self.max_connections + _REFUSING_PLACES))
        # One accept at a time lets several workers share the load (as gunicorn's own worker does).
        self._server.max_accept = 1 if self.cfg.workers > 1 else 100

    @property
    def scheme(self) -> str:
        """``https`` where the listener speaks TLS."""
        return "http" if self.tls is None else "https"

    @property
    def busy(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def start(self) -> None:
        """Begin to accept."""
        self._server.start()

    def stop(self) -> None:
        """Stop accepting; open connections go on."""
        self._server.close()

    def end_idle(self) -> None:
        """End the connections that wait for a next request."""
        for connection in list(self._open):
            get_hub().loop.run_callback(connection.end_if_idle)

    def draining(self) -> bool:
        """Whether connections should end after the answer they are at."""
        return self.is_draining()

    def refused(self, failure: Failure, exchange_id: str, peer: str) -> None:
        """Record a request that never became an exchange."""
        self.record_refusal(failure, exchange_id, peer)

    def parser(self, sock: Any, peer: Any) -> ExactParser:
        """Return the reader of one connection's requests."""
        return ExactParser(self.cfg, sock, peer, self.limits, self.scheme)

    def environ(self, request: ExactRequest, sock: Any, peer: Any) -> dict[str, Any]:
        """Return the WSGI environment of a request, with the request itself under ``gateway.request``."""
        path, _, query = request.uri.partition("?")
        environ: dict[str, Any] = {
            **self._environ,
            "REQUEST_METHOD": request.method,
            "RAW_URI": request.uri,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": f"HTTP/{request.version[0]}.{request.version[1]}",
            "REMOTE_ADDR": peer[0] if isinstance(peer, tuple) else "",
            "REMOTE_PORT": str(peer[1]) if isinstance(peer, tuple) else "",
            "wsgi.input": request.body,
            "gunicorn.socket": sock,
            "gateway.request": request,
        }
        for name, value in request.headers:
            key = "HTTP_" + name.replace("-", "_")
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ

    def _handle(self, client: Any, peer: Any) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) if isinstance(peer, tuple) else None
        sock = self._secured(client) if self.tls is not None else client
        if sock is None:
            return
        connection = Connection(self, sock, peer)
        overloaded = self.busy >= self.max_connections
        self._open.add(connection)
        try:
            connection.serve(overloaded)
        except Exception:
            _log.exception("a connection ended by a defect")
        finally:
            self._open.discard(connection)
            connection.close()

    def _secured(self, client: Any) -> Any:
        """Return the TLS socket, or None where the handshake failed or took too long."""
        assert self.tls is not None
        try:
            with gevent.Timeout(self.head_seconds, TimeoutError):
                return self.tls.wrap_socket(client, server_side=True)
        except OSError as error:
            _log.info("TLS handshake failed: %s", type(error).__name__)
            client.close()
            return None


class _Errors:
    """WSGI's error stream: what an application writes there is logged."""

    def write(self, text: str) -> None:
        _log.error("%s", text.rstrip())

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        """Nothing is held back."""
