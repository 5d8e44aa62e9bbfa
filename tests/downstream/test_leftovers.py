"""What is left of an exchange that has ended: nothing that only a search for rings would find.

Such a search holds everybody up, and what a ring holds stays until one comes by.
"""

import gc
import time
from collections.abc import Callable, Iterator

import gevent.socket
import pytest
import responses
from support.exchanges import a_route
from support.wsgi import ServedRequest, Started, environ_of

from gateway.downstream.answer import Stream
from gateway.downstream.views import DataApp, Gate
from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CONNECT_REFUSED, Failure, FailureError
from gateway.exchange.message import Reply
from gateway.exchange.route import Forwarding
from gateway.lifecycle import Spine, phases
from gateway.policy import ORDER
from gateway.policy.endpoints import Endpoints
from gateway.relay.live import Live
from gateway.relay.opening_watch import OpeningWatch
from gateway.upstream.opening import Opener

ROUTE = a_route(strip_prefix="/demo")
UP = "http://127.0.0.1:9000/base"


class Refusing:
    """An upstream that cannot be connected to."""

    def open(self, exchange: Exchange, attempt: Attempt, watch: OpeningWatch) -> Reply:
        attempt.failure = Failure(CONNECT_REFUSED)
        raise FailureError(attempt.failure)


def the_application(refuses: bool) -> DataApp:
    """The data application with one route and all that keeps account of its upstream."""
    account = Endpoints(ROUTE.upstream, time.monotonic()).hooks(time.monotonic)
    spine = Spine(
        accept=lambda exchange: setattr(exchange, "route", ROUTE),
        phases={ROUTE.name: phases([account, *(build(ROUTE) for build in ORDER)])},
        unrouted=phases([]),
        select=lambda exchange: ROUTE.upstream.endpoints[0],
        clock=time.monotonic,
        report=lambda exchange, error: None,
    )
    gate = Gate(spine, Forwarding(), {ROUTE.upstream.name: Refusing() if refuses else Opener(ROUTE.upstream)}, Live())
    return DataApp(lambda: gate)


def read_whole(stream: Stream) -> None:
    for _ in stream:
        pass


def read_nothing(stream: Stream) -> None:
    """Leave it as it is."""


def read_one(stream: Stream) -> None:
    next(iter(stream))


def exchanges() -> int:
    return sum(type(each) is Exchange for each in gc.get_objects())


@pytest.fixture
def nobody_searches() -> Iterator[None]:
    """Keep the collector from finding what this is about."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("nobody_searches")
@pytest.mark.parametrize("read", [read_whole, read_nothing, read_one])
@pytest.mark.parametrize("answer", ["whole", "refused", "large"])
def test_exchange_that_has_ended_is_gone(read: Callable[[Stream], None], answer: str) -> None:
    """However it ended, its memory is free at once, with all that it held."""
    application = the_application(answer == "refused")
    with responses.RequestsMock(assert_all_requests_are_fired=False) as up:
        up.add("GET", f"{UP}/text", body=b"x" * (10 if answer == "whole" else 300_000))
        client, server = gevent.socket.socketpair()
        with client, server:
            before = exchanges()
            stream = application(environ_of(ServedRequest(), server), Started())
            assert exchanges() == before + 1
            read(stream)
            stream.close()
            del stream
    assert exchanges() == before
