"""Composition: compiled settings become upstreams, policies, routes and the two applications that serve them.

This module knows every room, so that no other has to; only `server` and `cli` import it.
"""

import itertools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.admin.views import admin_app
from gateway.downstream.accept import check
from gateway.downstream.views import DataApp, Gate
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import DRAINING, Failure, FailureError
from gateway.exchange.message import RequestHead
from gateway.exchange.route import GatewayPlan, Upstream
from gateway.exchange.target import Endpoint
from gateway.lifecycle import Spine, phases
from gateway.observe.line import LineLog
from gateway.policy import ORDER, request_id
from gateway.policy.hooks import Hooks
from gateway.policy.routing import RouteTable
from gateway.relay.live import Live
from gateway.upstream.opening import Opener

_log = logging.getLogger("gateway")


@dataclass(frozen=True, slots=True)
class Applications:
    """What a worker serves, and the exchanges that run in it."""

    data: DataApp
    admin: Any
    live: Live
    record_refusal: Callable[[Failure, str, str], None]
    """Records a request that was refused before it became an exchange: failure, its id, the client's address."""


def compose(plan: GatewayPlan, line_log: LineLog) -> Applications:
    """Build the applications of one worker. Call it after the fork: connections must not be shared."""
    live = Live()
    openers = {name: Opener(upstream) for name, upstream in plan.upstreams.items()}
    record = Hooks(finish=lambda exchange: line_log.finish(exchange, time.time()))  # noqa: TID251 - a date for people
    unrouted = Hooks(commit=request_id.tell_client(plan.forwarding.request_id_header))
    spine = Spine(
        accept=_accept(RouteTable(plan.routes), live),
        phases={route.name: phases([build(route) for build in ORDER] + [record]) for route in plan.routes},
        unrouted=phases([unrouted, record]),
        select=_select(plan.upstreams),
        clock=time.monotonic,
        report=_report,
    )
    gate = Gate(spine, plan.forwarding, openers, live)
    admin = admin_app(lambda: live.draining, lambda: len(live))
    return Applications(DataApp(gate), admin, live, _record_refusal(spine))


def _record_refusal(spine: Spine) -> Callable[[Failure, str, str], None]:
    """Give what could not be read as a request the record of an exchange all the same."""

    def record(failure: Failure, exchange_id: str, peer: str) -> None:
        head = RequestHead("-", "-", (1, 1), [], "http", "", peer, 0, 0)
        exchange = Exchange(exchange_id, head, time.monotonic())
        exchange.fail(failure)
        spine.finish(exchange)

    return record


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
