"""An answer on its way to the client: the relay, inside Flask's request context, as the server's response body."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import flask
from werkzeug.datastructures import Headers

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import Failure
from gateway.exchange.fields import end_to_end
from gateway.exchange.message import ReplyHead
from gateway.exchange.route import Timeouts


class Stream:
    """The body the server iterates, with a way to say that it could not be delivered.

    ``close`` ends the exchange, whether or not iteration ever began (F3); the server calls it in every case.
    """

    __slots__ = ("_body", "_exchange", "_finish", "write_seconds")

    def __init__(self, exchange: Exchange, body: Iterator[bytes], finish: Callable[[Exchange], None]) -> None:
        self._exchange = exchange
        self._body = body
        self._finish = finish
        route = exchange.route
        self.write_seconds = (route.timeouts if route is not None else Timeouts()).write
        """How long the client may take nothing before it is given up."""

    def __iter__(self) -> Iterator[bytes]:
        return self._body

    def failed(self, failure: Failure) -> None:
        """Write down that the client's side ended the stream."""
        self._exchange.fail(failure)

    def close(self) -> None:
        """End the exchange."""
        try:
            self._body.close()  # type: ignore[attr-defined]
        finally:
            self._finish(self._exchange)


class ExactResponse(flask.Response):
    """A response that reaches the server as it is: Werkzeug would rewrite Location, Content-Type and others.

    Of Werkzeug's it has the status only; its fields are those of ``head``, sent as they are.
    """

    def __init__(self, head: ReplyHead, stream: Stream) -> None:
        # Not Werkzeug's own __init__: it would make a body and fields for each exchange that never go out.
        self._status_code = head.status
        self._status = f"{head.status} {head.reason}"
        self._head = head
        self._stream = stream

    def __repr__(self) -> str:
        return f"<ExactResponse {self._status}>"

    @property
    def headers(self) -> Headers:  # type: ignore[override]
        """The fields as Werkzeug knows them, for those who look; made when asked for."""
        return Headers(self._head.fields)

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Hand the server status line and field lines unchanged, hop-by-hop fields removed (RFC 9110 7.6.1)."""
        try:
            start_response(self._status, end_to_end(self._head.fields))
        except BaseException:
            self._stream.close()  # Nobody else got it.
            raise
        return self._stream
