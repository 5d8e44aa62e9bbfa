"""The Flask side of the data listener: one view, every path and method.

Flask's own matching decodes paths, merges slashes and refuses methods it does not know, so nothing is matched; routes
are chosen by `gateway.policy.routing` from the target as it came. An exchange ends when its stream is closed (F3), not
when its context is popped.
"""

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import flask
from flask import stream_with_context

from gateway.downstream.accept import exchange_of
from gateway.downstream.answer import ExactResponse, Stream
from gateway.downstream.context import LeanRequestContext
from gateway.downstream.keeping_alive import keep_alive
from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import INTERNAL, Failure
from gateway.exchange.message import Reply
from gateway.exchange.route import Forwarding, Timeouts
from gateway.lifecycle import Spine
from gateway.policy.watching import watched
from gateway.relay.client_watch import ClientWatch
from gateway.relay.inquiry import Inquiry
from gateway.relay.interrupts import Interrupts
from gateway.relay.leaving import Leaving
from gateway.relay.live import Live
from gateway.relay.opening_watch import OpeningWatch
from gateway.relay.peeking import peek
from gateway.relay.racing import Race
from gateway.relay.relaying import relay
from gateway.relay.turn import Turn
from gateway.relay.unsent import Unsent
from gateway.relay.upload import ClientUpload


class Opener(Protocol):
    """One upstream's way to open attempts."""

    def open(self, exchange: Exchange, attempt: Attempt, watch: OpeningWatch) -> Reply:
        """Connect, send, read the head; raise ``FailureError``."""


def _incomplete(exchange: Exchange, attempt: Attempt) -> None:
    """Stand in where no route has such credentials; the transport sends nothing that lacks one."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What the view needs, handed in by `gateway.app`."""

    spine: Spine
    forwarding: Forwarding
    openers: Mapping[str, Opener]
    """By upstream name."""
    live: Live
    complete: Callable[[Exchange, Attempt], None] = _incomplete
    """Completes an attempt's credential; may wait."""

    def relay(self) -> flask.Response:
        """Answer one request: from the question asked to the last octet of the reply."""
        environ: dict[str, Any] = flask.request.environ
        clock = time.monotonic
        exchange = exchange_of(environ, self.forwarding, clock())
        flask.g.exchange = exchange
        if isinstance(environ["gunicorn.socket"], ssl.SSLSocket):
            exchange.peer_certificate = environ["gunicorn.socket"].getpeercert
        exchange.unsent = Unsent(environ["gunicorn.socket"])
        interrupts = Interrupts(clock)
        leaving = Leaving(exchange, interrupts, clock, environ["gateway.hang_up"])
        finish = _Finish(self.spine, interrupts, leaving)
        try:
            exchange.at_finish(self.live.enter(exchange, interrupts))
            watch = leaving.watch = ClientWatch(environ["gunicorn.socket"], leaving.left)
            exchange.at_finish(watch.stop)
            self._take_body(exchange, environ, interrupts, watch)
            answer = self.spine.answer(
                exchange,
                self._open(exchange, environ, interrupts),
                pause=leaving.pause,
                wait=Turn(interrupts, clock).wait,
                routed=lambda exchange: keep_alive(self.spine, exchange, environ, interrupts),
                ask=Inquiry(interrupts).ask,
            )
            body = relay(exchange, answer.first, leaving.relayed(answer.first, answer.rest), interrupts, clock)
            return ExactResponse(answer.reply.head, Stream(exchange, stream_with_context(body), finish))
        except BaseException as error:
            exchange.fail(Failure(INTERNAL, type(error).__name__))  # An Abort has its reason already, which stays.
            finish(exchange)
            raise

    def _take_body(
        self, exchange: Exchange, environ: dict[str, Any], interrupts: Interrupts, watch: ClientWatch
    ) -> None:
        watch.start()
        if not exchange.request.has_body:
            exchange.upload_done = True
            if exchange.request.first("content-length") is None:
                return  # An announced length of 0 goes up as one.
        upload = ClientUpload(exchange, environ["gateway.request"].body, interrupts, watch.restart)
        exchange.upload = upload
        exchange.at_finish(upload.stop)

    def _open(
        self, exchange: Exchange, environ: dict[str, Any], interrupts: Interrupts
    ) -> Callable[[Exchange, Attempt], Reply]:
        def open_(exchange: Exchange, attempt: Attempt) -> Reply:
            assert exchange.route is not None
            timeouts: Timeouts = exchange.route.timeouts
            interrupts.limit_total(timeouts.total)
            watch = OpeningWatch(exchange, timeouts, interrupts, time.monotonic, environ["gateway.interim"])
            try:
                if attempt.hedge is None:
                    reply = self._open_one(exchange, attempt, watch)
                else:
                    race = Race(exchange, self._open_one, self.spine.rival, time.monotonic)
                    reply = race.run(attempt, attempt.hedge, environ["gateway.interim"])
                    attempt = exchange.attempts[-1]  # The one that counts.
                    watch.taken_over(attempt)
            except BaseException:
                interrupts.expect(None)  # There is no answer whose first frame could come.
                raise
            watched(exchange, reply, time.monotonic, interrupts.expect)
            peek(exchange, attempt, reply, interrupts, time.monotonic)
            return reply

        return open_

    def _open_one(self, exchange: Exchange, attempt: Attempt, watch: OpeningWatch) -> Reply:
        """Make one attempt, with the gateway's own credential where there is one."""
        if attempt.credential is not None:
            self.complete(exchange, attempt)
        assert exchange.route is not None
        return self.openers[exchange.route.upstream.name].open(exchange, attempt, watch)


class _Finish:
    """Ends an exchange. A closure would be six times as large, and every open stream has one."""

    __slots__ = ("_interrupts", "_leaving", "_spine")

    def __init__(self, spine: Spine, interrupts: Interrupts, leaving: Leaving) -> None:
        self._spine = spine
        self._interrupts = interrupts
        self._leaving = leaving

    def __call__(self, exchange: Exchange) -> None:
        try:
            if exchange.failure is not None:
                self._leaving.read_on()
        finally:
            self._interrupts.disarm()  # Law 5: nothing is thrown while things are given back.
            self._leaving.watch = None
            self._spine.finish(exchange)


class DataApp(flask.Flask):
    """The Flask application of the data listener: one view, and nothing of Flask's before or behind it.

    Each request has its context, to the last octet of the stream, in which ``flask.request`` and ``flask.g`` can be
    read. There is nothing to be found out in it that is the same for all of them, hence the short cuts.
    """

    def __init__(self, gate: Callable[[], Gate]) -> None:
        """``gate`` returns the gate that serves new exchanges at the moment."""
        super().__init__("gateway", static_folder=None, template_folder=None)
        self._gate = gate
        self.add_url_rule("/", "relay", lambda: gate().relay(), provide_automatic_options=False)

    def wsgi_app(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Call the view in its context. What Flask does around it is for hooks, handlers and debuggers: there are none.

        One frame instead of three: what lies below everything an exchange does should be flat: see docs/performance.md.
        """
        context = LeanRequestContext(self, environ)
        context.push()
        try:
            try:
                response = self._gate().relay()
            except Exception as error:
                response = self.handle_exception(error)  # a 500 of Flask's own
            return response(environ, start_response)
        finally:
            context.pop()
