"""One attempt: connect, send, read the head. What comes back is a reply, or a failure."""

from collections.abc import Iterator
from typing import Any, cast

import requests
import urllib3

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import INTERNAL, Failure, FailureError
from gateway.exchange.message import Chunks, Reply, Source
from gateway.exchange.route import Upstream
from gateway.exchange.target import Endpoint
from gateway.upstream import translate
from gateway.upstream.chunks import BULK_READ_OCTETS, LARGE_READ_OCTETS, Body
from gateway.upstream.connection import Sending, WaitReadable
from gateway.upstream.dialing import tls_context
from gateway.upstream.pool import Pool
from gateway.upstream.transport import ExactAdapter, ExactRequest, StreamedResponse
from gateway.upstream.watch import Watch as Watch

_NO_TIMEOUT = cast(Any, urllib3.Timeout(connect=None, read=None))
"""What the library would make for each request anew. Deadlines are the watch's."""


class Opener:
    """Opens attempts at one upstream's endpoints and keeps its idle connections. Belongs to one process."""

    def __init__(self, upstream: Upstream, wait_readable: WaitReadable | None = None) -> None:
        """Raises ValueError if the files of ``upstream.tls`` cannot be used.

        ``wait_readable``, if given, returns when a plain socket has something to read; it is called where nothing is
        expected to be there yet and saves the system call that would find that out.
        """
        secure = any(endpoint.scheme == "https" for endpoint in upstream.endpoints)
        context = tls_context(upstream.tls) if secure else None
        self._adapter = ExactAdapter(
            {
                endpoint: Pool(endpoint, upstream, context if endpoint.scheme == "https" else None, wait_readable)
                for endpoint in upstream.endpoints
            }
        )
        self._upstream = upstream

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints that attempts can be made at."""
        return self._upstream.endpoints

    def __repr__(self) -> str:
        return f"<Opener {self._upstream.name}>"

    def open(self, exchange: Exchange, attempt: Attempt, watch: Watch) -> Reply:
        """Make one attempt and return the reply, whose chunks the caller must close.

        Raises ``FailureError`` after writing the failure into ``attempt``, with the connection closed. An exception
        that an interrupter throws into the wait passes as it is, with the connection closed, too.
        """
        request = _request(exchange, attempt, watch)
        try:
            response = self._adapter.send(request, stream=True, timeout=_NO_TIMEOUT)
        except FailureError as error:
            attempt.failure = error.failure
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            attempt.failure = translate.library(error, str(attempt.endpoint))
            raise FailureError(attempt.failure) from error
        finally:
            request.sent()
        assert isinstance(response, StreamedResponse)
        attempt.status = response.head.status
        return _reply(exchange, response)

    def idle(self) -> dict[Endpoint, int]:
        """Return how many connections to each endpoint are kept for later."""
        return self._adapter.idle()

    def prune(self) -> None:
        """Close connections that have been idle for too long; nobody may come to ask for them."""
        self._adapter.prune()

    def close(self) -> None:
        """Drop the idle connections; those in use are closed when their exchange has ended."""
        self._adapter.close()


def _request(exchange: Exchange, attempt: Attempt, watch: Watch) -> ExactRequest:
    connect_seconds = exchange.route.timeouts.connect if exchange.route is not None else None
    target, fields = attempt.target, attempt.fields or []
    if attempt.injected is not None:
        target, fields = attempt.injected.onto(target, fields)
    elif attempt.credential is not None:
        raise FailureError(Failure(INTERNAL, "a credential was not completed"))
    sending = Sending(attempt, exchange.upload, watch, connect_seconds)
    return ExactRequest(exchange.request.method, attempt.endpoint, target, fields, sending)


def _reply(exchange: Exchange, response: StreamedResponse) -> Reply:
    looked_into = exchange.route is None or exchange.route.looks_into_bodies
    most = LARGE_READ_OCTETS if looked_into else BULK_READ_OCTETS
    body = response.raw
    chunks: Chunks = ReplyChunks(response, body, most) if isinstance(body, Body) else response
    return Reply(response.head, chunks, Source.UPSTREAM, response.length)


class ReplyChunks:
    """The body of a response as the spine knows bodies: `Chunks`. The response itself is kept until its body is begun:
    it holds all that was asked, which would stay for as long as the answer lasts.
    """

    __slots__ = ("_body", "_most", "_response")

    def __init__(self, response: StreamedResponse, body: Body, most: int) -> None:
        """``most`` octets are read at once."""
        self._response: StreamedResponse | None = response
        self._body = body
        self._most = most

    def __iter__(self) -> Iterator[bytes]:
        """Begin the response's ``iter_content``, once; nothing is added to a chunk's way."""
        response, self._response = self._response, None
        # Who asks again is told that it was read: nothing would look like a whole body (law 3).
        return self._body.chunks() if response is None else response.iter_content(self._most)

    def ready(self) -> bool:
        """Whether the first chunk, or the end, came along with the head."""
        return self._body.ready()

    def close(self) -> None:
        """Give up what is left of the body. Harmless at any time."""
        self._body.close()
