"""An answer on its way to the client: the relay, inside Flask's request context, as the server's response body."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import flask

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import Failure
from gateway.exchange.fields import end_to_end
from gateway.exchange.message import ReplyHead
from gateway.exchange.route import Timeouts


class Stream:
    """The body the server iterates, with a way to say that it could not be delivered.

    ``close`` ends the exchange, whether or not iteration ever began (F3); the server calls it in every case.
    """

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
    """A response that reaches the server as it is: Werkzeug would rewrite Location, Content-Type and others."""

    def __init__(self, head: ReplyHead, stream: Stream) -> None:
        super().__init__(status=head.status)
        self._head = head
        self._stream = stream

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Hand the server status line and field lines unchanged, hop-by-hop fields removed (RFC 9110 7.6.1)."""
        try:
            start_response(f"{self._head.status} {self._head.reason}", end_to_end(self._head.fields))
        except BaseException:
            self._stream.close()  # Nobody else got it.
            raise
        return self._stream
