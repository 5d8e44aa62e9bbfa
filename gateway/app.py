"""Composition: compiled settings become upstreams, policies, routes and the two applications that serve them.

This module knows every room, so that no other has to; only `server` and `cli` import it.
"""

import logging
import platform
import time
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from gateway import __version__
from gateway.admin import guard
from gateway.admin.all_streams import AllStreams, Alone, Colleagues
from gateway.admin.dashboard import add_dashboard
from gateway.admin.metrics import add_metrics
from gateway.admin.overview import Overview
from gateway.admin.overview_pages import Configured, add_overview
from gateway.admin.sight import Worker
from gateway.admin.status import Status
from gateway.admin.views import admin_app
from gateway.callers import CallerDesk
from gateway.downstream.accept import check
from gateway.downstream.crediting import Crediting
from gateway.downstream.views import DataApp, Gate
from gateway.exchange.credential import TokenSource
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import DRAINING, Failure, FailureError
from gateway.exchange.message import RequestHead
from gateway.exchange.route import GatewayPlan, HealthRule, Route, Upstream
from gateway.exchange.target import Endpoint
from gateway.lifecycle import Phases, Spine, phases
from gateway.observe.collecting import Collector, Ledger, States
from gateway.observe.line import LineLog
from gateway.policy import ORDER, callers, hedge, request_id, retry
from gateway.policy.concurrency import Concurrency
from gateway.policy.endpoints import Endpoints
from gateway.policy.hooks import Hooks
from gateway.policy.quotas import Meter
from gateway.policy.retry_budget import Budget
from gateway.policy.routing import RouteTable
from gateway.records import Records
from gateway.relay.health_checks import Check, HealthChecks
from gateway.relay.live import Live
from gateway.relay.readable import wait_readable
from gateway.relay.renewal import Renewal
from gateway.shared.sharing import Sharing
from gateway.states import Process, states
from gateway.upstream.checking import fault
from gateway.upstream.opening import Opener
from gateway.upstream.posting import posted, posting_opener
from gateway.upstream.token import fetch_token, token_opener

if TYPE_CHECKING:
    from gateway.store.keeping import Store  # not loaded where nothing is stored
    from gateway.tracing.tracer import Tracer  # nor where nothing is traced

_log = logging.getLogger("gateway")


class Applications:
    """What a worker serves, and the exchanges that run in it. `adopt` changes what new exchanges get.

    A running exchange keeps the gate it began with: its route, its policies, its upstream's connections (law 7).
    """

    def __init__(
        self,
        plan: GatewayPlan,
        line_log: LineLog,
        read_again: Callable[[], bool | None] | None = None,
        *,
        store: "Store | None" = None,
        colleagues: Colleagues | None = None,
        ledger: Ledger | None = None,
        breathe: Callable[[], object] = lambda: None,
        connections: Callable[[], int] = lambda: 0,
        configured: Configured = lambda: None,
    ) -> None:
        """``read_again`` lets the configuration be read again, see ``admin_app``; None where it cannot be.

        ``store`` gets the record of every exchange. ``colleagues`` are the other workers, which may ask `streams`.
        ``ledger`` is where the workers' metrics meet; without it nothing is counted. ``breathe`` lets others run where
        much is to be done for them, ``connections`` returns how many clients are connected, ``configured`` yields the
        tables of the configuration.

        Raises ValueError for an upstream whose TLS files, or a Redis whose URL, cannot be used.
        """
        self.live = Live()
        self.streams = AllStreams(self.live, time.monotonic, colleagues or Alone(), breathe)
        self.status = Status(lambda: self.live.draining, lambda: len(self.live))
        self._plan = plan
        self._openers = {name: Opener(upstream, wait_readable) for name, upstream in plan.upstreams.items()}
        self._endpoints = _endpoints(plan, {})
        self._checks = HealthChecks()
        self._budgets = {name: Budget() for name in plan.upstreams}
        self._concurrency = Concurrency(time.monotonic)
        self._desk = CallerDesk(time.monotonic, time.time)  # noqa: TID251 - when a key or token expires is a date
        self._desk.adopt(plan.callers)
        self._tokens = _tokens(plan, {})
        self._sharing = Sharing(time.monotonic)
        self.records = Records(store, _tracer_maker(plan, _receiver(plan))(), _report)
        self._meter = Meter(time.monotonic, time.time)  # noqa: TID251 - windows of budgets begin by the calendar
        self._connections = connections
        self._breathe = breathe
        wall_clock = time.time  # noqa: TID251 - a date for people
        self._worker = Worker(self.status, self.live.exchanges, self._snapshots, time.monotonic, wall_clock)
        self.overview = Overview(self._worker, self.streams, colleagues or Alone(), breathe)
        self.metrics = None if ledger is None else self._collector(ledger, breathe)
        if self.metrics is not None:
            self.records.count, self.records.failures = self._count, self._worker.failures
        self._gate = self._make_gate(plan, line_log)
        self.data = DataApp(lambda: self._gate)
        self.admin = admin_app(self.status, self._snapshots, self.streams, read_again, lambda: self.records.store)
        add_overview(self.admin, self.overview, lambda: self._plan.routes, configured, breathe)
        add_dashboard(self.admin, self.overview, self.streams, lambda: self._plan.routes, configured)
        if self.metrics is not None:
            self.metrics.adopt(_known(plan), _series(plan))
            add_metrics(self.admin, self.metrics.page)
        guard.install(self.admin, lambda: self._plan.admin)
        self._checks.adopt(self._wanted_checks(plan))

    def adopt(self, plan: GatewayPlan, line_log: LineLog) -> None:
        """Serve ``plan`` from now on; connections to upstreams that did not change are kept.

        So are tokens whose settings are the same, what is known of endpoints that stay, and checks of their health
        where their settings are the same.

        Raises ValueError, and changes nothing, where an upstream's TLS files or the URL of Redis cannot be used.
        """
        self.records.flush()  # What has ended goes where it was meant to.
        openers = {
            name: self._openers[name]
            if name in self._openers and _connects(self._plan.upstreams[name]) == _connects(upstream)
            else Opener(upstream, wait_readable)
            for name, upstream in plan.upstreams.items()
        }
        tokens = _tokens(plan, self._tokens)
        make_tracer = _tracer_maker(plan, _receiver(plan))
        self._sharing.prepare(plan)
        close_checks = self._desk.adopt(plan.callers)  # The last that may refuse, for it is what changes something.
        if plan.tracing != self._plan.tracing:
            retired, self.records.tracer = self.records.tracer, make_tracer()
            if retired is not None:
                retired.retire()
        before, self._openers = self._openers, openers
        self._tokens = tokens
        self._plan = plan
        self._endpoints = _endpoints(plan, self._endpoints)
        self._budgets = {name: self._budgets.get(name) or Budget() for name in plan.upstreams}
        self._gate = self._make_gate(plan, line_log)
        self._checks.adopt(self._wanted_checks(plan))
        if self.metrics is not None:
            self.metrics.adopt(_known(plan), _series(plan))
        for name, opener in before.items():
            if openers.get(name) is not opener:
                opener.close()
        close_checks()

    def prune(self) -> None:
        """Close connections to upstreams that have been idle for too long. To be called every second or so."""
        for opener in self._openers.values():
            opener.prune()
        self._desk.prune()

    def stop_checks(self) -> None:
        """Ask no endpoint for its health any more. To be called when the worker is about to leave."""
        self._checks.stop()

    def settle(self) -> None:
        """Record what has ended, and send what it left to be sent to the shared store. To be called when the worker
        leaves."""
        self.records.flush()
        self._sharing.settle()

    def close_tracer(self, seconds: float) -> None:
        """Send the spans that wait, for at most ``seconds``. To be called when no exchange runs any more."""
        if self.records.tracer is not None:
            self.records.tracer.close(seconds)

    def record_refusal(self, failure: Failure, exchange_id: str, peer: str) -> None:
        """Give a request that could not be read as one the record of an exchange all the same."""
        head = RequestHead("-", "-", (1, 1), [], "http", "", peer, 0, 0)
        exchange = Exchange(exchange_id, head, time.monotonic())
        exchange.fail(failure)
        self._gate.spine.finish(exchange)

    def _collector(self, ledger: Ledger, breathe: Callable[[], object]) -> Collector:
        build = (__version__, platform.python_version())
        return Collector(ledger, self.live.waits, self._states, time.monotonic, breathe=breathe, build=build)

    def _states(self) -> States:
        process = Process(self.live.draining, self.status.rejected is not None, self._connections())
        return states(process, self._endpoints, self._openers, self._budgets, self._concurrency, time.monotonic())

    def tick(self) -> None:
        """Tell the other workers what was counted. To be called every second."""
        self.records.flush()
        if self.metrics is not None:
            self.metrics.tick()
            self._worker.tick(self.metrics.octets)

    def _count(self, exchange: Exchange) -> None:
        assert self.metrics is not None
        self.metrics.metrics.finish(exchange)
        self._worker.finish(exchange)

    def _snapshots(self) -> Iterator[dict[str, object]]:
        for name in list(self._endpoints):
            if (each := self._endpoints.get(name)) is not None:  # A reload may have come in between.
                yield each.snapshot(time.monotonic()) | self._pressure(name)
                self._breathe()

    def _pressure(self, upstream: str) -> dict[str, object]:
        """Return how full an upstream is by its own limit, and how many retries its budget refused."""
        slots = self._concurrency.of("upstream", upstream)
        limit = None
        if slots is not None:
            limit = {"allowed": slots.allowed, "running": slots.running, "waiting": slots.waiting}
        return {"limit": limit, "retries_refused": self._budgets[upstream].refused}

    def _wanted_checks(self, plan: GatewayPlan) -> dict[Hashable, Check]:
        """Return a check for each endpoint that is to be asked, by all that makes it another one when it changes."""
        wanted: dict[Hashable, Check] = {}
        for name, upstream in plan.upstreams.items():
            rule = upstream.health
            for endpoint in upstream.endpoints if rule is not None else ():
                assert rule is not None
                wanted[name, endpoint, rule] = Check(
                    rule.interval_seconds,
                    rule.timeout_seconds,
                    # By name: a reload may put another opener, and other knowledge, in the place of today's.
                    ask=partial(self._ask, name, endpoint, rule),
                    tell=partial(self._checked, name, endpoint),
                )
        return wanted

    def _ask(self, upstream: str, endpoint: Endpoint, rule: HealthRule) -> str | None:
        opener = self._openers.get(upstream)
        return None if opener is None else fault(opener, endpoint, rule.path, rule.statuses)

    def _checked(self, upstream: str, endpoint: Endpoint, why: str | None) -> None:
        # A reload may take the upstream away in the very moment in which a check of it ends.
        if upstream in self._endpoints:
            self._endpoints[upstream].checked(endpoint, why, time.monotonic())

    def _make_gate(self, plan: GatewayPlan, line_log: LineLog) -> Gate:
        record = self.records.hooks(line_log)
        endpoints = self._endpoints
        unrouted = Hooks(commit=request_id.tell_client(plan.forwarding.request_id_header))
        self._concurrency.adopt(plan)
        self._meter.adopt(plan, self._sharing.adopt(plan))
        spine = Spine(
            accept=_accept(RouteTable(plan.routes), self.live),
            phases={route.name: self._phases(route, record) for route in plan.routes},
            unrouted=phases([unrouted, record]),
            select=_select(endpoints),
            another=_another(endpoints),
            clock=time.monotonic,
            report=_report,
        )
        crediting = Crediting(self._tokens, time.time)  # noqa: TID251 - signatures tell the date
        return Gate(spine, plan.forwarding, self._openers, self.live, crediting.complete)

    def _phases(self, route: Route, record: Hooks) -> Phases:
        # The account of the endpoints stands before all policies: it must hear of every attempt.
        account = self._endpoints[route.upstream.name].hooks(time.monotonic)
        quotas = self._meter.hooks(route)
        return phases([account, *self._policies(route), *quotas, *self._concurrency.hooks(route), record])

    def _policies(self, route: Route) -> Iterator[Hooks]:
        """Yield the hooks of a route; policies that remember across exchanges get what this worker remembers."""
        budget, endpoints = self._budgets[route.upstream.name], self._endpoints[route.upstream.name]
        remembering: dict[Callable[[Route], Hooks], Callable[[Route], Hooks]] = {
            retry.hooks: lambda route: retry.hooks(route, budget),
            hedge.hooks: lambda route: hedge.hooks(route, budget, endpoints.first_bytes),
            callers.hooks: lambda route: callers.hooks(route, self._desk.reach()),
        }
        for build in ORDER:
            yield remembering.get(build, build)(route)


def _accept(table: RouteTable, live: Live) -> Callable[[Exchange], None]:
    def accept(exchange: Exchange) -> None:
        if live.draining:
            raise FailureError(Failure(DRAINING, "this gateway is shutting down"))
        check(exchange)
        exchange.route = table.match(exchange.request).route

    return accept


def _select(endpoints: dict[str, Endpoints]) -> Callable[[Exchange], Endpoint]:
    def select(exchange: Exchange) -> Endpoint:
        assert exchange.route is not None
        return endpoints[exchange.route.upstream.name].select(exchange, time.monotonic())

    return select


def _another(endpoints: dict[str, Endpoints]) -> Callable[[Exchange], Endpoint | None]:
    def another(exchange: Exchange) -> Endpoint | None:
        assert exchange.route is not None
        return endpoints[exchange.route.upstream.name].another(exchange, time.monotonic())

    return another


def _known(plan: GatewayPlan) -> dict[str, frozenset[str]]:
    """Return the values that labels may have under ``plan``; the empty ones are of what met no route."""
    upstreams = plan.upstreams.values()
    return {
        "route": frozenset({"", *(route.name for route in plan.routes)}),
        "upstream": frozenset({"", *plan.upstreams}),
        "endpoint": frozenset(str(endpoint) for each in upstreams for endpoint in each.endpoints),
    }


def _series(plan: GatewayPlan) -> list[tuple[str, str]]:
    """Return route and upstream of each route, and of what met none."""
    return [("", ""), *((route.name, route.upstream.name) for route in plan.routes)]


def _connects(upstream: Upstream) -> tuple[object, ...]:
    """Return what decides how an upstream is connected to: where it stays the same, idle connections are kept."""
    return (
        upstream.endpoints,
        upstream.tls,
        upstream.keepalive_seconds,
        upstream.max_idle_connections,
        upstream.allow_link_local,
    )


def _endpoints(plan: GatewayPlan, before: dict[str, Endpoints]) -> dict[str, Endpoints]:
    now = time.monotonic()
    return {
        name: Endpoints(upstream, now, before=before.get(name), report=_log.warning)
        for name, upstream in plan.upstreams.items()
    }


def _tokens(plan: GatewayPlan, before: dict[TokenSource, Renewal]) -> dict[TokenSource, Renewal]:
    """Return where each token is held. Raises ValueError where authorities cannot be used."""
    sources = {
        credential.token
        for route in plan.routes
        for credentials in route.credentials
        if credentials is not None
        for credential in credentials.all()
        if credential.token is not None
    }
    return {source: before.get(source) or _renewal(source) for source in sources}


def _renewal(source: TokenSource) -> Renewal:
    where = str(source.endpoint)
    return Renewal(
        partial(fetch_token, token_opener(source), source),
        source.timeout_seconds,
        time.monotonic,
        lambda why: _log.warning("no token from %s: %s", where, why),
    )


def _receiver(plan: GatewayPlan) -> Opener | None:
    """Return what opens requests to the receiver of spans. Raises ValueError where its authorities cannot be used."""
    return None if plan.tracing is None else posting_opener(plan.tracing.place)


def _tracer_maker(plan: GatewayPlan, receiver: Opener | None) -> "Callable[[], Tracer | None]":
    """Return what makes the tracer. What could fail fails here: loading what it needs."""
    tracing = plan.tracing
    if tracing is None or receiver is None:
        return lambda: None
    # Loaded where it is wanted: nobody else pays for the library that writes the messages.
    from gateway.tracing.otlp import CONTENT_TYPE
    from gateway.tracing.tracer import Tracer

    fields = [("Content-Type", CONTENT_TYPE), *tracing.headers]
    return partial(Tracer, tracing, partial(posted, receiver, tracing.place, fields), receiver.close)


def _report(exchange: Exchange, error: BaseException) -> None:
    _log.error("exchange %s met a defect", exchange.id, exc_info=error)
