"""What a model cannot see in one value of an upstream: endpoints that are the same, and choices among too few.

Each check yields problems; an error where exchanges would go wrong, a warning where something is without effect. Their
order does not matter.
"""

import socket
from collections import Counter
from collections.abc import Iterator

from gateway.config.positions import Path
from gateway.config.problem import Problem, Severity
from gateway.config.sources import Sources
from gateway.config.units import format_duration
from gateway.exchange.link_local import on_own_link
from gateway.exchange.target import Endpoint, parse_endpoint
from gateway.settings import Settings

Problems = Iterator[Problem]


def endpoints_differ(settings: Settings, sources: Sources) -> Problems:
    """What is known of an endpoint is known by its address: twice the same would be two truths about one."""
    for name, upstream in settings.upstreams.items():
        seen: set[Endpoint] = set()
        for index, each in enumerate(upstream.endpoints):
            endpoint = parse_endpoint(each.url)
            if endpoint in seen:
                message = "is there twice; to give it more, write one table with url and weight"
                yield sources.problem(("upstreams", name, "endpoints", index), message)
            seen.add(endpoint)


def choices_can_act(settings: Settings, sources: Sources) -> Problems:
    """With one endpoint there is nothing to choose: it is used whatever is known of it."""
    for name, upstream in settings.upstreams.items():
        at: Path = ("upstreams", name)
        given = upstream.model_fields_set
        if len(upstream.endpoints) == 1:
            for key in ("balance", "hash_on", "breaker", "health", "slow_start"):
                if key in given and getattr(upstream, key) not in (None, "round_robin"):
                    message = "cannot act: with one endpoint there is no other to use instead"
                    yield sources.problem((*at, key), message, at="key", severity=Severity.WARNING)
        groups = Counter(each.priority for each in upstream.endpoints)
        for index, each in enumerate(upstream.endpoints):
            if each.weight != 1 and groups[each.priority] == 1:
                message = "cannot act: no other endpoint has the same priority"
                yield sources.problem((*at, "endpoints", index, "weight"), message, severity=Severity.WARNING)
        if len(groups) > 1 and upstream.breaker is None and upstream.health is None:
            message = "several priorities cannot act: without breaker and health no endpoint is ever unavailable"
            yield sources.problem((*at, "endpoints"), message, at="key", severity=Severity.WARNING)


def hashing_is_whole(settings: Settings, sources: Sources) -> Problems:
    """A hash needs something to look at, and what to look at needs a hash."""
    for name, upstream in settings.upstreams.items():
        if upstream.balance == "hash" and upstream.hash_on is None:
            message = 'needs hash_on = "path", or "header:NAME"'
            yield sources.problem(("upstreams", name, "balance"), message)
        if upstream.balance != "hash" and upstream.hash_on is not None:
            message = 'cannot act: balance is not "hash"'
            yield sources.problem(("upstreams", name, "hash_on"), message, severity=Severity.WARNING)


def breakers_can_grow(settings: Settings, sources: Sources) -> Problems:
    """The longest time that an endpoint is left alone is not shorter than the first."""
    for name, upstream in settings.upstreams.items():
        breaker = upstream.breaker
        if breaker is None or breaker.max_open >= breaker.open:
            continue
        key = "max_open" if "max_open" in breaker.model_fields_set else "open"
        message = f"open is longer than max_open, which is {format_duration(breaker.max_open)}"
        yield sources.problem(("upstreams", name, "breaker", key), message)


def workers_know_for_themselves(settings: Settings, sources: Sources) -> Problems:
    """What is known of endpoints is not shared."""
    workers = settings.server.workers
    for name, upstream in settings.upstreams.items() if workers > 1 else ():
        if upstream.breaker is not None:
            message = f"holds for each worker: each of the {workers} must meet the failures by itself"
            yield sources.problem(("upstreams", name, "breaker"), message, at="key", severity=Severity.WARNING)
        if upstream.health is not None:
            message = f"holds for each worker: every endpoint is asked by each of the {workers}"
            yield sources.problem(("upstreams", name, "health"), message, at="key", severity=Severity.WARNING)
        if upstream.balance == "least_outstanding":
            message = f"holds for each worker: each of the {workers} counts its own exchanges"
            yield sources.problem(("upstreams", name, "balance"), message, severity=Severity.WARNING)


def link_local_is_meant(settings: Settings, sources: Sources) -> Problems:
    """An address of the own link is used only by who says so."""
    for name, upstream in settings.upstreams.items():
        for index, each in enumerate(upstream.endpoints):
            if not upstream.allow_link_local and on_own_link(_literal(parse_endpoint(each.url).host)):
                message = "an address of the own link or of a cloud's metadata; to use it, set allow_link_local = true"
                yield sources.problem(("upstreams", name, "endpoints", index), message)
        unix = [parse_endpoint(each.url).unix for each in upstream.endpoints]
        if upstream.allow_link_local and unix and all(unix):
            message = "cannot act: all endpoints are unix sockets"
            yield sources.problem(("upstreams", name, "allow_link_local"), message, severity=Severity.WARNING)


def _literal(host: str) -> str:
    """Return the address that ``host`` is, also in the odd forms that a resolver takes, such as 0xa9fea9fe."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return host
