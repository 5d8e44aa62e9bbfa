"""One client connection: read a request, let the application answer it, see what may follow."""

import logging
import secrets
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, Protocol

import gevent
from gevent.hub import get_hub
from gevent.socket import wait_write
from gunicorn.http.errors import NoMoreData

from gateway.exchange.failure import (
    CLIENT_GONE,
    CLIENT_STALLED,
    HEAD_TIMEOUT,
    INTERNAL,
    OVERLOADED,
    Abort,
    Failure,
    FailureError,
    Interruption,
)
from gateway.relay.readable import wait_readable
from gateway.server.refusal import answer, failure_of
from gateway.server.request import ExactParser, ExactRequest
from gateway.server.response import ClientResponse

_LINGER_SECONDS = 2.0
_LINGER_BYTES = 1024 * 1024
_LEAST_SECONDS = 0.001
_PLAIN_WRITE_SECONDS = 30.0
_IN_A_ROW = 16
"""Pipelined requests that are answered before others have their turn."""
_AT_ONCE = 2
"""The highest priority there is: nothing else has to be done before."""

_log = logging.getLogger("gateway.server")


class Service(Protocol):
    """What a listener serves and how: the part of the worker that a connection needs."""

    @property
    def head_seconds(self) -> float: ...

    @property
    def keepalive_seconds(self) -> float: ...

    @property
    def application(self) -> Callable[[dict[str, Any], Any], Any]: ...

    def parser(self, sock: Any, peer: Any) -> ExactParser: ...

    def environ(self, request: ExactRequest, sock: Any, peer: Any) -> dict[str, Any]: ...

    def draining(self) -> bool: ...

    def refused(self, failure: Failure, exchange_id: str, peer: str) -> None:
        """Record a request that was refused before it became an exchange."""


class Connection:
    """Serves the requests of one client connection until one side ends it."""

    __slots__ = ("_goodbye", "_greenlet", "_hung_up", "_idle", "_linger", "_new", "_peer", "_service", "_sock")

    def __init__(self, service: Service, sock: Any, peer: Any) -> None:
        self._service = service
        self._sock = sock
        self._peer = peer
        self._idle = False
        """Whether it waits for a next request."""
        self._new = False
        """Whether it waits for its first request."""
        self._greenlet = gevent.getcurrent()
        self._linger = False
        self._hung_up = False
        """Whether it was given back although its exchange goes on."""
        self._goodbye = True
        """Whether the end of the connection is meant: TLS says so, and a cut stream must not."""

    def serve(self, overloaded: bool) -> None:
        """Serve until the connection ends; ``overloaded`` refuses the first request and ends it."""
        parser = self._service.parser(self._sock, self._peer)
        first = True
        while True:
            request = self._next_request(parser, first)
            if request is None:
                return
            first = False
            if overloaded:
                self._refuse(Failure(OVERLOADED, "more than [server] max_connections"), request.method)
                return
            if not self._answer(request):
                return
            self._sock.settimeout(None)

    def end_if_idle(self, new_too: bool = False) -> None:
        """End a connection that waits for a next request; ``new_too``, for its first. Called from the hub."""
        if self._idle or (new_too and self._new):
            self._idle = self._new = False
            self._greenlet.throw(_Idle)

    def close(self) -> None:
        """Close the socket; first read on for a moment where the client may still be sending (RFC 9112 9.6)."""
        if self._hung_up:
            return
        try:
            if self._linger or (self._goodbye and self._more_came()):
                self._read_on()
            elif self._goodbye:
                self._say_goodbye()
        finally:
            self._sock.close()

    def _next_request(self, parser: ExactParser, first: bool) -> ExactRequest | None:
        begun = time.monotonic()
        try:
            if parser.has_buffered():
                self._let_others_run(parser.req_count)
            elif not self._wait_for_octets(first):
                return None
            # Who says nothing at first and then drips has no more time than who drips from the beginning.
            waited = time.monotonic() - begun if first else 0.0
            with _Deadline(self._greenlet, max(self._service.head_seconds - waited, _LEAST_SECONDS), _HeadTimeout):
                return next(parser)
        except _HeadTimeout:
            self._refuse(Failure(HEAD_TIMEOUT, "the request's head took longer than [server] head_timeout"))
        except (StopIteration, NoMoreData, OSError, _Idle):
            pass
        except Exception as error:
            failure = failure_of(error)
            if failure is None:
                raise
            self._refuse(failure)
        return None

    def _let_others_run(self, requests: int) -> None:
        """Who sends request after request without waiting for answers must not keep everybody else from theirs."""
        if requests % _IN_A_ROW == 0:
            # The first thing behind the next look at all sockets; `sleep(0)` would let many a turn pass before that.
            gevent.idle(_AT_ONCE)

    def _wait_for_octets(self, first: bool) -> bool:
        """Wait for a request to begin; between requests the connection counts as idle."""
        if self._service.draining() and not first:
            return False
        if isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            return True
        self._idle, self._new = not first, first
        seconds = self._service.head_seconds if first else self._service.keepalive_seconds
        try:
            with _Deadline(self._greenlet, seconds, _Idle):
                wait_readable(self._sock)
        finally:
            self._idle = self._new = False
        return True

    def _answer(self, request: ExactRequest) -> bool:
        """Let the application answer; return whether a next request may follow."""
        keep_alive = not request.should_close() and not self._service.draining()
        response = ClientResponse(request, self._sock, keep_alive)
        environ = self._service.environ(request, self._sock, self._peer)
        environ["gateway.interim"] = response.interim
        environ["gateway.hang_up"] = self._hang_up
        environ["gateway.response"] = response
        # Until the message is whole the end of the connection is not meant, whatever brings it about.
        self._goodbye = whole = False
        try:
            stream = self._service.application(environ, response)
        except Abort:
            return False
        try:
            whole = self._send(stream, response)
        finally:
            if not whole:
                self._cut(response)
            if hasattr(stream, "close"):
                stream.close()
        self._goodbye = whole
        self._linger = whole and not request.body.done
        return whole and response.keep_alive and request.body.done and not self._hung_up

    def _hang_up(self) -> None:
        """Give the client's connection back now, which the client has left; what is still sent to it fails."""
        self._hung_up = True
        self._sock.close()

    def _send(self, stream: Any, response: ClientResponse) -> bool:
        """Write the whole response; return False where it must look cut, its reason written into the stream."""
        # A stream of ours says how patient it is and hears what went wrong; the admin side's answers are plain WSGI.
        write_seconds = getattr(stream, "write_seconds", _PLAIN_WRITE_SECONDS)
        failed = getattr(stream, "failed", _nobody)
        self._sock.settimeout(write_seconds)
        try:
            for piece in stream:
                response.write(piece)
                piece = b""  # While the next one is waited for, this one is nobody's.
            response.finish()
        except Abort as abort:
            if not isinstance(abort.__cause__, FailureError | Interruption | None):
                _log.error("a stream met a defect", exc_info=abort.__cause__)
            return False
        except Interruption as interruption:
            failed(interruption.failure)
            return False
        except TimeoutError:
            failed(Failure(CLIENT_STALLED, f"nothing taken for {write_seconds:g} s"))
            response.reset_on_close()
            return False
        except OSError as error:
            failed(Failure(CLIENT_GONE, f"sending failed: {type(error).__name__}"))
            return False
        except Exception as error:
            if self._hung_up:  # gevent's TLS does not know how to say that it was closed under a write.
                failed(Failure(CLIENT_GONE, "its connection was given back"))
                return False
            _log.error("a response met a defect", exc_info=error)
            failed(Failure(INTERNAL, type(error).__name__))
            return False
        except BaseException as error:
            failed(Failure(INTERNAL, type(error).__name__))
            raise
        return True

    def _cut(self, response: ClientResponse) -> None:
        """End the connection so that the message looks cut: without its last chunk, or by a reset (law 3)."""
        if response.cut_is_silent or not response.head_sent:
            response.reset_on_close()

    def _refuse(self, failure: Failure, method: str = "GET") -> None:
        exchange_id = secrets.token_hex(16)
        peer = self._peer[0] if isinstance(self._peer, tuple) else ""
        self._service.refused(failure, exchange_id, peer)
        self._sock.settimeout(self._service.head_seconds)
        try:
            self._sock.sendall(b"".join(answer(exchange_id, failure, method)))
            self._linger = True
        except OSError:
            return

    def _read_on(self) -> None:
        """Say that we are done and discard what still comes, for a moment: closing at once would reset the answer."""
        left = _LINGER_BYTES
        try:
            with gevent.Timeout(_LINGER_SECONDS, TimeoutError):
                self._say_goodbye()
                self._sock.shutdown(socket.SHUT_WR)
                self._sock.settimeout(None)
                while left > 0:
                    octets = self._sock.recv(min(left, 65536))
                    if not octets:
                        return
                    left -= len(octets)
        except OSError:
            return

    def _more_came(self) -> bool:
        """Whether the client sent octets that nobody read: a close would reset what it has not received yet."""
        try:
            # gevent keeps the plain socket under `_sock`, also below TLS.
            octets: bytes = self._sock._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:
            return False
        return bool(octets)

    def _say_goodbye(self) -> None:
        """Send TLS's close_notify without waiting for the client's: the end was meant (RFC 8446 section 6.1).

        Behind a full buffer it has to wait; without it a body that ends with the connection would look cut.
        """
        if not isinstance(self._sock, ssl.SSLSocket):
            return
        try:
            self._sock.settimeout(0.0)
            try:
                self._sock.unwrap()
            except ssl.SSLWantWriteError:
                wait_write(self._sock.fileno(), timeout=_LINGER_SECONDS)
                self._sock.unwrap()
        except (OSError, ValueError):
            return


def _nobody(failure: Failure) -> None:
    """Hear a failure where no record is kept."""


class _Deadline:
    """Throws ``reason`` into a greenlet that is still inside it after ``seconds``.

    What gevent.Timeout is made of, without what lets it be nested and shared, which costs five times as much.
    """

    __slots__ = ("_timer",)

    def __init__(self, greenlet: Any, seconds: float, reason: type[BaseException]) -> None:
        self._timer = get_hub().loop.timer(seconds)
        self._timer.start(greenlet.throw, reason)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._timer.stop()
        self._timer.close()


class _HeadTimeout(BaseException):
    """Ends the reading of a head that takes too long; no OSError, which would look like one of the socket's."""


class _Idle(BaseException):
    """Ends a connection that waits for a request: for too long, or because we leave."""
