"""The server under the demo upstream: gevent's WSGI server, taught to frame honestly and to break off on purpose.

What it adds to ``gevent.pywsgi``: small pieces leave at once (TCP_NODELAY), a first empty piece sends the head,
bodies that end with the connection, nothing behind the head of an answer to HEAD, and connections that are cut.
"""

import signal
import socket
import struct
from pathlib import Path
from typing import Any, NoReturn

import click
import gevent
from gevent.pywsgi import WSGIHandler, WSGIServer
from gevent.socket import wait_read

from gateway.demo.app import create_app
from gateway.demo.connection import ENVIRON_KEY, Gone

MOST_CONNECTIONS = 2000
_STOP_SECONDS = 1
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class _Silent(Exception):
    """Nothing happened on the connection for the time waited."""


class WireConnection:
    """The server's side of ``connection.Connection``."""

    def __init__(self, exchange: "DemoExchange") -> None:
        self._exchange = exchange
        self._socket: socket.socket = exchange.socket
        self.target: str = exchange.path or ""
        self.fields: list[tuple[str, str]] = list(exchange.headers.items())

    def pause(self, seconds: float) -> None:
        """Wait; raise ``Gone`` as soon as the client has left. Zero only lets others run."""
        gevent.sleep(0)
        if not seconds:
            return
        until = gevent.get_hub().loop.now() + seconds
        try:
            wait_read(self._socket.fileno(), timeout=seconds, timeout_exc=_Silent())
        except _Silent:
            return
        if not self._socket.recv(1, socket.MSG_PEEK):
            raise Gone
        gevent.sleep(max(0.0, until - gevent.get_hub().loop.now()))  # a next request already came; it stays unread

    def end_by_close(self) -> None:
        """Frame the reply by the connection's end."""
        self._exchange.framed_by_close = True

    def send_raw(self, octets: bytes) -> None:
        """Put ``octets`` on the wire as they are."""
        self._socket.sendall(octets)

    def cut(self, *, reset: bool) -> NoReturn:
        """End the connection at once: the server closes it, with RST where lingering is off, on ``Gone``."""
        if reset and self._socket.family != socket.AF_UNIX:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        raise Gone


class DemoExchange(WSGIHandler):
    """One connection of the server."""

    framed_by_close = False

    def get_environ(self) -> dict[str, Any]:
        """Lend the application the connection."""
        self.framed_by_close = False
        environ: dict[str, Any] = super().get_environ()
        environ[ENVIRON_KEY] = WireConnection(self)
        return environ

    def finalize_headers(self) -> None:
        """Choose the framing; a body whose length is unknown and which is not chunked ends with the connection."""
        if self.framed_by_close:
            version, self.request_version = self.request_version, "HTTP/1.0"  # pywsgi chunks for any other
            super().finalize_headers()
            self.request_version = version
        else:
            super().finalize_headers()
        has_body = self.code not in (204, 304) and self.command != "HEAD"
        if has_body and not self.response_use_chunked and self.provided_content_length is None:
            self.close_connection = True
            lines: list[Any] = self.response_headers or []
            lines[:] = [line for line in lines if line[0].lower() != b"connection"]
            lines.append((b"Connection", b"close"))

    def process_result(self) -> None:
        """Send each piece as it comes; a first empty one sends the head."""
        for piece in self.result or ():
            if piece or not self.headers_sent:
                self.write(piece)
        if not self.headers_sent:
            self.write(b"")
        if self.response_use_chunked and self.command != "HEAD":
            self.socket.sendall(b"0\r\n\r\n")


class DemoServer(WSGIServer):
    """The server; at most ``MOST_CONNECTIONS`` at once, later ones wait."""

    def handle(self, sock: Any, address: Any) -> None:
        """Serve one connection without Nagle's delay."""
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().handle(sock, address)


def listener(listen: str) -> socket.socket:
    """Bind ``HOST:PORT``, ``[V6]:PORT`` or ``unix:PATH``. Raises ValueError for another form, OSError if taken."""
    if listen.startswith("unix:"):
        path = Path(listen.removeprefix("unix:"))
        if path.is_socket():
            path.unlink()  # left behind by one that ended; a living one would lose its name, as with any server
        bound = socket.socket(socket.AF_UNIX)
        bound.bind(str(path))
    else:
        host, _, port = listen.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
            raise ValueError(f"{listen!r}: expected HOST:PORT, [ADDRESS]:PORT or unix:PATH")
        v6 = host.startswith("[")
        bound = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host.strip("[]"), int(port)))
    bound.listen(1024)
    bound.setblocking(False)
    return bound


def serve(listen: str) -> None:
    """Serve the demo upstream until SIGTERM or SIGINT. Blocking calls must be patched already."""
    bound = listener(listen)
    name = bound.getsockname()
    server = DemoServer(bound, create_app(), log=None, spawn=MOST_CONNECTIONS, handler_class=DemoExchange)
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, server.stop, _STOP_SECONDS)
    shown = listen if isinstance(name, str) else f"http://{listen.rpartition(':')[0]}:{name[1]}"
    click.echo(f"demo upstream listening on {shown}")
    server.serve_forever(stop_timeout=_STOP_SECONDS)


@click.command()
@click.option("--listen", default="127.0.0.1:9000", show_default=True, help="HOST:PORT (0: a free one) or unix:PATH.")
def main(listen: str) -> None:
    """Run a slow upstream to try a gateway on; its index at / lists what it can do."""
    try:
        serve(listen)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        click.echo(f"cannot listen on {listen}: {error.strerror}", err=True)
        raise SystemExit(69) from None
