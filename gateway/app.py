"""Composition: compiled settings become upstreams, policies, routes and the two applications that serve them.

This module knows every room, so that no other has to; only `server` and `cli` import it.
"""

import itertools
import logging
import time
from collections.abc import Callable

from gateway.admin.status import Status
from gateway.admin.views import admin_app
from gateway.downstream.accept import check
from gateway.downstream.views import DataApp, Gate
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import DRAINING, Failure, FailureError
from gateway.exchange.message import RequestHead
from gateway.exchange.route import GatewayPlan, Route, Upstream
from gateway.exchange.target import Endpoint
from gateway.lifecycle import Phases, Spine, phases
from gateway.observe.line import LineLog
from gateway.policy import ORDER, request_id
from gateway.policy.concurrency import Concurrency
from gateway.policy.hooks import Hooks
from gateway.policy.routing import RouteTable
from gateway.relay.live import Live
from gateway.relay.readable import wait_readable
from gateway.upstream.opening import Opener

_log = logging.getLogger("gateway")


class Applications:
    """What a worker serves, and the exchanges that run in it. `adopt` changes what new exchanges get.

    A running exchange keeps the gate it began with: its route, its policies, its upstream's connections (law 7).
    """

    def __init__(self, plan: GatewayPlan, line_log: LineLog) -> None:
        """Raises ValueError for an upstream whose TLS files cannot be used."""
        self.live = Live()
        self.status = Status(lambda: self.live.draining, lambda: len(self.live))
        self._plan = plan
        self._openers = {name: Opener(upstream, wait_readable) for name, upstream in plan.upstreams.items()}
        self._concurrency = Concurrency(time.monotonic)
        self._gate = self._make_gate(plan, line_log)
        self.data = DataApp(lambda: self._gate)
        self.admin = admin_app(self.status)

    def adopt(self, plan: GatewayPlan, line_log: LineLog) -> None:
        """Serve ``plan`` from now on; connections to upstreams that did not change are kept.

        Raises ValueError, and changes nothing, where an upstream's TLS files cannot be used.
        """
        openers = {
            name: self._openers[name] if self._plan.upstreams.get(name) == upstream else Opener(upstream, wait_readable)
            for name, upstream in plan.upstreams.items()
        }
        before, self._openers = self._openers, openers
        self._plan = plan
        self._gate = self._make_gate(plan, line_log)
        for name, opener in before.items():
            if openers.get(name) is not opener:
                opener.close()

    def prune(self) -> None:
        """Close connections to upstreams that have been idle for too long. To be called every second or so."""
        for opener in self._openers.values():
            opener.prune()

    def record_refusal(self, failure: Failure, exchange_id: str, peer: str) -> None:
        """Give a request that could not be read as one the record of an exchange all the same."""
        head = RequestHead("-", "-", (1, 1), [], "http", "", peer, 0, 0)
        exchange = Exchange(exchange_id, head, time.monotonic())
        exchange.fail(failure)
        self._gate.spine.finish(exchange)

    def _make_gate(self, plan: GatewayPlan, line_log: LineLog) -> Gate:
        record = Hooks(finish=lambda exchange: line_log.finish(exchange, time.time()))  # noqa: TID251 - a date for people
        unrouted = Hooks(commit=request_id.tell_client(plan.forwarding.request_id_header))
        self._concurrency.adopt(plan)
        spine = Spine(
            accept=_accept(RouteTable(plan.routes), self.live),
            phases={route.name: self._phases(route, record) for route in plan.routes},
            unrouted=phases([unrouted, record]),
            select=_select(plan.upstreams),
            clock=time.monotonic,
            report=_report,
        )
        return Gate(spine, plan.forwarding, self._openers, self.live)

    def _phases(self, route: Route, record: Hooks) -> Phases:
        stateless = [build(route) for build in ORDER]
        return phases([*stateless, *self._concurrency.hooks(route), record])


def _accept(table: RouteTable, live: Live) -> Callable[[Exchange], None]:
    def accept(exchange: Exchange) -> None:
        if live.draining:
            raise FailureError(Failure(DRAINING, "this gateway is shutting down"))
        check(exchange)
        exchange.route = table.match(exchange.request).route

    return accept


def _select(upstreams: dict[str, Upstream]) -> Callable[[Exchange], Endpoint]:
    """Take the endpoints of an upstream in turn; the next attempt of an exchange gets the next endpoint."""
    turns = {name: itertools.cycle(upstream.endpoints) for name, upstream in upstreams.items()}

    def select(exchange: Exchange) -> Endpoint:
        assert exchange.route is not None
        return next(turns[exchange.route.upstream.name])

    return select


def _report(exchange: Exchange, error: BaseException) -> None:
    _log.error("exchange %s met a defect", exchange.id, exc_info=error)
