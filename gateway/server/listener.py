"""One listening socket: its application, its patience, its connections and how many it bears."""

import logging
import secrets
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import gevent
from gevent.hub import get_hub
from gevent.server import StreamServer

from gateway.exchange.failure import PROXY_HEADER_INVALID, Failure
from gateway.server.connection import Connection
from gateway.server.door import Door, Entry
from gateway.server.proxy_protocol import NoHeader, announced
from gateway.server.request import ExactParser, ExactRequest, Limits

_REFUSING_PLACES = 256
"""Connections above the limit that are still taken, only to be told 503; those beyond are closed at once."""

_MOST_UNSENT_BYTES = 128 * 1024
"""What the kernel keeps for a client beyond what is on its way."""

_KEYS: dict[str, str] = {}
"""The names of WSGI's variables by those of fields, so that each is kept once and not by every open stream."""
_MOST_KEYS = 1024
_LONGEST_KEPT_NAME = 64
"""Of them; clients may think of any number of names, and of long ones."""
_NO_HEADERS: list[tuple[str, str]] = []

_log = logging.getLogger("gateway.server")


@dataclass(frozen=True, slots=True)
class Manner:
    """How a listener treats its clients: what a new configuration may change while it serves."""

    limits: Limits
    head_seconds: float
    keepalive_seconds: float
    max_connections: int
    tls: ssl.SSLContext | None
    entry: Entry = field(default_factory=Entry)


@dataclass
class Listener:
    """Serves one socket. It is the ``Service`` of its connections."""

    sock: Any
    cfg: Any
    application: Callable[[dict[str, Any], Any], Any]
    is_draining: Callable[[], bool]
    record_refusal: Callable[[Failure, str, str], None]
    manner: Manner
    door: Door = field(default_factory=Door)
    _taken: int = 0
    _refused: int = 0
    """How many of them are above the limit: who is only told so takes no place of those that get free."""
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
        self._server = StreamServer(self.sock, handle=self._handle, spawn=cast(Any, _spawned))
        # One accept at a time lets several workers share the load (as gunicorn's own worker does).
        self._server.max_accept = 1 if self.cfg.workers > 1 else 100

    @property
    def scheme(self) -> str:
        """``https`` where the listener speaks TLS."""
        return "http" if self.manner.tls is None else "https"

    @property
    def head_seconds(self) -> float:
        """How long a client may take for the head of a request."""
        return self.manner.head_seconds

    @property
    def keepalive_seconds(self) -> float:
        """How long a connection may wait for a next request."""
        return self.manner.keepalive_seconds

    @property
    def busy(self) -> int:
        """How many connections are open, also those still shaking hands."""
        return self._taken

    def start(self) -> None:
        """Begin to accept."""
        self._server.start()

    def stop(self) -> None:
        """Stop accepting; open connections go on."""
        self._server.close()

    def end_idle(self, new_too: bool = False) -> None:
        """End the connections that wait for a next request; ``new_too``, those that wait for their first, too."""
        for connection in list(self._open):
            get_hub().loop.run_callback(connection.end_if_idle, new_too)

    def draining(self) -> bool:
        """Whether connections should end after the answer they are at."""
        return self.is_draining()

    def refused(self, failure: Failure, exchange_id: str, peer: str) -> None:
        """Record a request that never became an exchange."""
        self.record_refusal(failure, exchange_id, peer)

    def parser(self, sock: Any, peer: Any) -> ExactParser:
        """Return the reader of one connection's requests."""
        return ExactParser(self.cfg, sock, peer, self.manner.limits, self.scheme)

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
            key = _KEYS.get(name) or _key(name)
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        request.headers = _NO_HEADERS  # They live on in the environment, and in the request's field lines.
        return environ

    def _handle(self, client: Any, peer: Any) -> None:
        overloaded = self._taken - self._refused >= self.manner.max_connections
        if overloaded and self._refused >= _REFUSING_PLACES:
            client.close()
            return
        self._taken += 1
        self._refused += overloaded
        ticket = connection = None
        try:
            # What is decided once has frames of its own, which are gone while the connection is served.
            ticket, peer = self._entered(client, peer)
            if ticket is not None:
                connection = self._connection(client, peer)
                if connection is not None:
                    self._open.add(connection)
                    connection.serve(overloaded)
        except Exception:
            _log.exception("a connection ended by a defect")
        finally:
            self._left(client, connection, ticket, overloaded)

    def _left(self, client: Any, connection: Connection | None, ticket: str | None, overloaded: bool) -> None:
        try:
            if connection is not None:
                self._open.discard(connection)
                connection.close()
        finally:
            client.close()  # Whatever came first; a second close does nothing.
            self._taken -= 1
            self._refused -= overloaded
            self.door.leave(ticket or "")

    def _entered(self, client: Any, peer: Any) -> tuple[str | None, Any]:
        """Return the door's ticket and who comes; None for who may not come, which is recorded."""
        if isinstance(peer, tuple):
            _tune(client)
        entry = self.manner.entry
        refusal, peer = self._source(client, peer, entry)
        if refusal is None:
            entered = self.door.enter(_address(peer), entry)
            if isinstance(entered, str):
                return entered, peer
            refusal = entered
        client.close()
        self.refused(refusal, secrets.token_hex(16), _address(peer))
        return None, peer

    def _connection(self, client: Any, peer: Any) -> Connection | None:
        """Return the connection to serve; None where TLS failed."""
        tls = self.manner.tls
        sock = client if tls is None else self._secured(client, tls)
        return None if sock is None else Connection(self, sock, peer)

    def _source(self, client: Any, peer: Any, entry: Entry) -> tuple[Failure | None, Any]:
        """Return who connected, as a PROXY header tells it where there is one, and why it may not come."""
        if not entry.proxy_protocol:
            return entry.denies(_address(peer)), peer
        if _address(peer) not in entry.trusted:
            return Failure(PROXY_HEADER_INVALID, "the peer is none of forwarding.trusted_peers"), peer
        try:
            with gevent.Timeout(self.head_seconds, TimeoutError):
                source = announced(client)
        except NoHeader as error:
            return Failure(PROXY_HEADER_INVALID, str(error)), peer
        except TimeoutError:
            return Failure(PROXY_HEADER_INVALID, "no PROXY header within [server] head_timeout"), peer
        except OSError as error:
            return Failure(PROXY_HEADER_INVALID, f"the connection broke: {type(error).__name__}"), peer
        if source is None:
            return None, peer  # The proxy itself, which is trusted, asks how we are.
        return entry.denies(source[0]), source

    def _secured(self, client: Any, tls: ssl.SSLContext) -> Any:
        """Return the TLS socket, or None where the handshake failed or took too long."""
        try:
            with gevent.Timeout(self.head_seconds, TimeoutError):
                return tls.wrap_socket(client, server_side=True)
        except OSError as error:
            # OpenSSL's own word, such as HTTP_REQUEST for a client that does not speak TLS; nothing that was sent.
            _log.info("TLS handshake failed: %s", getattr(error, "reason", None) or type(error).__name__)
            client.close()
            return None


def _key(name: str) -> str:
    key = "HTTP_" + name.replace("-", "_")
    if len(_KEYS) < _MOST_KEYS and len(name) <= _LONGEST_KEPT_NAME:
        _KEYS[name] = key
    return key


def _spawned(_: Callable[..., object], *call: Any) -> Any:
    """Run a connection in a greenlet of its own, without what gevent would put around it and keep for each.

    Nobody joins or links it; and it closes its socket itself.
    """
    handle, _close, accepted = call
    return gevent.spawn_raw(handle, *accepted)


def _address(peer: Any) -> str:
    """Return the address of a socket's peer, empty on a unix socket."""
    return str(peer[0]) if isinstance(peer, tuple) else ""


def _tune(client: Any) -> None:
    """Let small pieces leave at once, and keep what waits in the kernel short.

    With megabytes waiting there the kernel says for a long time that a slow client takes nothing, though it reads all
    the while, and the `write` timeout would end it.
    """
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _MOST_UNSENT_BYTES)


class _Errors:
    """WSGI's error stream: what an application writes there is logged."""

    def write(self, text: str) -> None:
        _log.error("%s", text.rstrip())

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        """Nothing is held back."""
