"""Retry settings that cannot act, or that say something else than they seem to. All of it is told as a warning."""

from collections.abc import Iterator

from gateway.config.positions import Path
from gateway.config.problem import Problem
from gateway.config.sources import Sources
from gateway.config.units import format_duration
from gateway.policy.retry import RetrySettings, sends_twice, tries
from gateway.policy.retry_budget import ALWAYS_ALLOWED
from gateway.settings import Settings
from gateway.settings.policies import Policies, nearest

Problems = Iterator[Problem]


def retries_can_act(settings: Settings, sources: Sources) -> Problems:
    """What a route or an upstream says about retries does something there.

    Told where it is set. What `[defaults]` says, and an upstream with routes that say more, may be meant for others.
    """
    for at, whole, inherited, endpoints in _tables(settings):
        # What only repeats what it would inherit is no mistake.
        given = {key for key in whole.model_fields_set if getattr(whole, key) != getattr(inherited, key)}
        retry = whole.retry()
        if tries(retry, endpoints) < 2:
            why = "attempts is 1" if whole.attempts is not None else "with one endpoint, attempts is 1 by default"
            for key in sorted(given - {"attempts"}):
                yield sources.warning((*at, key), f"cannot act: {why}")
        elif not whole.on:
            for key in sorted(given):
                yield sources.warning((*at, key), "cannot act: on is empty")
        else:
            yield from _single_settings(sources, at, given, whole)


def _single_settings(sources: Sources, at: Path, given: set[str], whole: RetrySettings) -> Problems:
    retry = whole.retry()
    for key in sorted(given & {"methods", "buffer"}):
        if not sends_twice(retry):
            yield sources.warning((*at, key), "cannot act: on names nothing that happens once a request is sent")
    if "retry_after_max" in given and not retry.statuses:
        yield sources.warning((*at, "retry_after_max"), "cannot act: on names no status")
    if given & {"backoff", "backoff_max"} and whole.backoff > whole.backoff_max:
        key = "backoff" if "backoff" in given else "backoff_max"
        yield sources.warning((*at, key), "cannot act: backoff_max is shorter than backoff")


def waits_fit_the_total(settings: Settings, sources: Sources) -> Problems:
    """A Retry-After as long as the whole exchange may take is never waited for; told where the longest one is set."""
    everywhere = settings.defaults
    tables: list[tuple[Path, tuple[Policies, ...]]] = []
    for name, upstream in settings.upstreams.items():
        tables.append((("upstreams", name), (upstream, everywhere)))
    for index, route in enumerate(settings.routes):
        if route.upstream in settings.upstreams:
            tables.append((("routes", index), (route, settings.upstreams[route.upstream], everywhere)))
    for at, layers in tables:
        if "retry_after_max" not in layers[0].retry.model_fields_set:
            continue
        retry = nearest(*(layer.retry for layer in layers))
        total = nearest(*(layer.timeouts for layer in layers)).total
        if total is not None and retry.retry_after_max >= total and retry.retry().statuses:
            message = f"longer waits than timeouts.total, which is {format_duration(total)}, cannot happen"
            yield sources.warning((*at, "retry", "retry_after_max"), message)


def budgets_hold_for_each_worker(settings: Settings, sources: Sources) -> Problems:
    """A share is the same in each worker and in all together; what is always allowed is not."""
    workers = settings.server.workers
    if workers < 2:
        return
    layers: list[tuple[Path, Policies]] = [(("defaults",), settings.defaults)]
    layers += [(("upstreams", name), upstream) for name, upstream in settings.upstreams.items()]
    layers += [(("routes", index), route) for index, route in enumerate(settings.routes)]
    for path, layer in layers:
        if "budget" in layer.retry.model_fields_set and layer.retry.budget is not None:
            message = f"holds for each worker: {workers} workers may always make {workers * ALWAYS_ALLOWED} retries"
            yield sources.warning((*path, "retry", "budget"), message)


def _tables(settings: Settings) -> Iterator[tuple[Path, RetrySettings, RetrySettings, int]]:
    """Yield each table that is about one upstream: its place, what holds there and below, the number of endpoints."""
    built_in = RetrySettings()
    everywhere = nearest(settings.defaults.retry, built_in)
    extended = {route.upstream for route in settings.routes if route.retry.model_fields_set}
    for name, upstream in settings.upstreams.items():
        if name in extended:
            continue
        here = nearest(upstream.retry, everywhere)
        yield ("upstreams", name, "retry"), here, everywhere, len(upstream.endpoints)
    for index, route in enumerate(settings.routes):
        below = settings.upstreams.get(route.upstream)
        if below is not None:
            inherited = nearest(below.retry, everywhere)
            yield ("routes", index, "retry"), nearest(route.retry, inherited), inherited, len(below.endpoints)
