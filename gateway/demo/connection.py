"""What an endpoint may do to the client's connection beyond WSGI: wait on it, break it, write beside the framing.

The server puts its side into the WSGI environment; endpoints reach it with ``connection()``.
"""

import errno
from typing import NoReturn, Protocol, cast

from flask import request

ENVIRON_KEY = "slowgate.demo.connection"


class Gone(ConnectionResetError):
    """The connection is over, by our doing or the client's. The server drops it without another octet."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, "connection over")


class UploadCut(Exception):
    """The client did not send the whole body it announced."""


class Connection(Protocol):
    """The client's connection, while one exchange runs on it."""

    target: str
    """The request target octet for octet."""
    fields: list[tuple[str, str]]
    """The request's field lines in wire order."""

    def pause(self, seconds: float) -> None:
        """Wait; raise ``Gone`` as soon as the client has left. Zero only lets others run."""

    def end_by_close(self) -> None:
        """Frame the reply by the connection's end, not chunked. Call it before the first piece is yielded."""

    def send_raw(self, octets: bytes) -> None:
        """Put ``octets`` on the wire as they are, beside any framing."""

    def cut(self, *, reset: bool) -> NoReturn:
        """End the connection at once, by RST or by FIN, without what the framing still owes; raise ``Gone``."""


def connection() -> Connection:
    """Return the connection of the request at hand. Raises RuntimeError under a server that does not give it."""
    try:
        return cast(Connection, request.environ[ENVIRON_KEY])
    except KeyError:
        raise RuntimeError("the demo upstream needs its own server: run `python -m gateway.demo`") from None
