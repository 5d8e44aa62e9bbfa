"""``gateway explain``: what would become of one request, phase by phase, and which line of the file says so."""

import contextlib
import importlib
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.masking import Masking
from gateway.cli.reading import config_option, read_checked
from gateway.cli.request import given_request, header_option

if TYPE_CHECKING:
    from gateway.assemble import Checked
    from gateway.exchange.exchange import Exchange
    from gateway.settings.effective import Effective

_PHASES = (
    "admit",
    "meter",
    "queue",
    "select",
    "prepare",
    "open",
    "judge",
    "stage",
    "commit",
    "relay",
    "finish",
    "throughout",
)


@click.command()
@config_option
@header_option
@click.option("--from", "peer", metavar="ADDRESS", default="", help="Address that the request comes from.")
@click.argument("method")
@click.argument("target", metavar="PATH")
def explain(path: Path, headers: tuple[str, ...], peer: str, method: str, target: str) -> None:
    """Say what becomes of a request: its route, what each endpoint would be asked, the policies and their values.

    Status 1 if it would be refused.
    """
    from gateway.exchange.exchange import Exchange
    from gateway.exchange.failure import FailureError
    from gateway.policy.routing import RouteTable

    request = given_request(method, target, headers)
    found = read_checked(path)
    request.peer = peer
    exchange = Exchange("-", request, 0.0, trusted_peer=bool(peer) and peer in found.plan.forwarding.trusted)
    masked = Masking(found)
    try:
        exchange.route = RouteTable(found.plan.routes).match(request).route
    except FailureError as error:
        _refuse(error, masked)
    explanation = Explanation(found, exchange)
    for line in explanation.lines():
        click.echo(masked(line))
    if explanation.refusal is not None:
        _refuse(explanation.refusal, masked)


def _refuse(error: Exception, masked: Masking) -> None:
    from gateway.exchange.failure import FailureError

    assert isinstance(error, FailureError)
    kind = error.failure.kind
    sys.stderr.write(f"refused with {kind.status} {kind.code}: {masked(error.failure.detail)}\n")
    sys.exit(1)


class Explanation:
    """One exchange that has its route, taken through the phases without any I/O."""

    def __init__(self, found: "Checked", exchange: "Exchange") -> None:
        from gateway.policy import ORDER, callers
        from gateway.policy.callers import Reach
        from gateway.policy.concurrency import Concurrency
        from gateway.policy.hooks import Hooks
        from gateway.policy.quotas import Meter

        assert exchange.route is not None
        self.found = found
        self.exchange = exchange
        self.route = exchange.route
        self.index = next(at for at, route in enumerate(found.plan.routes) if route is exchange.route)
        # Nobody is asked, so that callers who can only be known by asking are neither let in nor refused here.
        reach = Reach(wall_clock=time.time)  # noqa: TID251 - when a key expires is a date
        self.hooks = [
            (build.__module__, callers.hooks(self.route, reach) if build is callers.hooks else build(self.route))
            for build in ORDER
        ]
        concurrency = Concurrency(time.monotonic)
        concurrency.adopt(found.plan)
        limits = concurrency.hooks(exchange.route)  # One of each limit; what one of them does, the policy does.
        queue, commit = ([each for hooks in limits if (each := getattr(hooks, phase))] for phase in ("queue", "commit"))
        both = Hooks(queue=next(iter(queue), None), commit=next(iter(commit), None))
        self.hooks.append((Concurrency.__module__, both))
        quotas = Meter(time.monotonic, time.monotonic).hooks(exchange.route)
        self.hooks.append((Meter.__module__, next(quotas, Hooks())))
        self.refusal = self._refusal()

    def lines(self) -> Iterator[str]:
        """Yield what there is to say."""
        sources = self.found.sources
        where = sources.where(("routes", self.index))
        upstream = sources.where(("upstreams", self.route.upstream.name))
        yield f"route     {self.route.name:<44}  # {where}"
        yield f"upstream  {self.route.upstream.name:<44}  # {upstream}"
        for phase in _PHASES:
            told = [*self._policies(phase), *self._stream(phase), *self._timeouts(phase)]
            if phase == "select":
                told = [*self._choice()]
            if phase == "prepare":
                told += self._targets()
            if told:
                yield ""
                yield phase
                yield from told
        idle = [module for module, hooks in self.hooks if not any(_acts(hooks))]
        if idle:
            yield ""
            yield "without effect here"
            for module in idle:
                yield from self._policy(module)
        if idle and not self._looks_into_streams():
            yield "  stream"
            yield _shown("stream.format", self._value("stream.format"))
            yield _shown("stream.on_disconnect", self._value("stream.on_disconnect"))

    def _policies(self, phase: str) -> Iterator[str]:
        for module, hooks in self.hooks:
            if getattr(hooks, phase, None) is not None:
                yield from self._policy(module)

    def _policy(self, module: str) -> Iterator[str]:
        answer = "  refuses" if self.refusal is not None and module == self._refusing else ""
        yield f"  {module.rpartition('.')[2]}{answer}"
        for setting in getattr(importlib.import_module(module), "ACTS_ON"):  # noqa: B009 - modules have no types
            yield _shown(setting, self._value(setting))

    def _looks_into_streams(self) -> bool:
        return self.route.stream.format is not None or self.route.stream.on_disconnect != "cancel"

    def _stream(self, phase: str) -> Iterator[str]:
        from gateway.policy.stream import HOLDS_IN

        held = [key for key, where in HOLDS_IN.items() if where == phase] if self._looks_into_streams() else []
        if held:
            yield "  stream"
        for key in held:
            yield _shown(f"stream.{key}", self._value(f"stream.{key}"))

    def _timeouts(self, phase: str) -> Iterator[str]:
        from gateway.policy.timeouts import HOLDS_IN

        if phase == "queue" and not any(hooks.queue is not None for _, hooks in self.hooks):
            return  # Without a limit nobody waits, however long one might.
        held = [key for key, where in HOLDS_IN.items() if where == phase]
        if held:
            yield "  timeouts"
        for key in held:
            yield _shown(f"timeouts.{key}", self._value(f"timeouts.{key}"))

    def _choice(self) -> Iterator[str]:
        """Yield how an endpoint is chosen, and what may rule one out."""
        if len(self.route.upstream.endpoints) == 1:
            yield "  the only endpoint"
            return
        yield "  one of the endpoints below"
        yield _shown("upstream.balance", self._value("upstream.balance"))
        if self.route.upstream.hash_on is not None:
            yield _shown("upstream.hash_on", self._value("upstream.hash_on"))
        for key in ("breaker", "health"):
            if getattr(self.route.upstream, key) is None:
                continue
            where = self.found.sources.where(("upstreams", self.route.upstream.name, key))
            yield f"    {f'upstream.{key} may rule some out':<50}  # {where}"

    def _value(self, setting: str) -> "Effective":
        """Return what holds for a setting, named as a route sees it."""
        from gateway.settings.effective import layers_of_route, of_policy, of_table

        settings, sources = self.found.settings, self.found.sources
        table, _, name = setting.rpartition(".")
        own = settings.routes[self.index]
        if table == "route.limits":
            values = of_policy(settings, (("routes", self.index),), "limits", sources)
        elif table == "upstream.limits":
            values = of_policy(settings, (("upstreams", own.upstream), ("defaults",)), "limits", sources)
        elif table == "upstream":
            values = of_table(settings.upstreams[own.upstream], ("upstreams", own.upstream), sources)
        elif table == "forwarding":
            values = of_table(settings.forwarding, ("forwarding",), sources)
        elif table == "tracing":
            values = of_table(settings.tracing, ("tracing",), sources)
        elif table:
            values = of_policy(settings, layers_of_route(settings, self.index), table, sources)
        else:
            values = of_table(own, ("routes", self.index), sources)
        return next(each for each in values if each.name == name)

    def _targets(self) -> Iterator[str]:
        """Yield what each endpoint would be asked."""
        from gateway.config.secrets import MASK
        from gateway.exchange.attempt import Attempt
        from gateway.exchange.failure import FailureError
        from gateway.exchange.fields import request_fields

        sources, name = self.found.sources, self.route.upstream.name
        hidden = any(sources.hides(("routes", self.index, key)) for key in ("strip_prefix", "rewrite"))
        for number, endpoint in enumerate(self.route.upstream.endpoints):
            attempt = Attempt(endpoint, fields=request_fields(self.exchange.request.fields))
            for _, hooks in self.hooks:
                if hooks.prepare is not None:
                    # Nobody asks here: who must have credentials of its own would be refused.
                    with contextlib.suppress(FailureError):
                        hooks.prepare(self.exchange, attempt)
            at = ("upstreams", name, "endpoints", number)
            masked = hidden or sources.hides(at) or sources.hides((*at, "url"))
            origin = f"unix:{endpoint.host} " if endpoint.unix else f"{endpoint.scheme}://{endpoint.authority}"
            asked = MASK if masked else f"{origin}{attempt.target}"
            where = sources.where(at) or sources.where(("upstreams", name))
            yield f"  {f'-> {self.exchange.request.method} {asked}':<52}  # {where}"

    def _refusal(self) -> Exception | None:
        from gateway.exchange.failure import FailureError
        from gateway.policy import addresses

        for module, hooks in self.hooks:
            if module == addresses.__name__ and not self.exchange.request.peer:
                continue  # Nobody said where it comes from.
            try:
                if hooks.admit is not None:
                    hooks.admit(self.exchange)
            except FailureError as error:
                self._refusing = module
                return error
        return None


def _acts(hooks: object) -> Iterator[bool]:
    return (getattr(hooks, field.name) is not None for field in fields(hooks))  # type: ignore[arg-type]


def _shown(setting: str, value: "Effective") -> str:
    text = f"{setting} = {value.value}" if value.value is not None else f"{setting} is not set"
    return f"    {text:<50}  # {value.origin}"
