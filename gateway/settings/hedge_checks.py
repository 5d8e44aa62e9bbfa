"""Hedge settings that cannot act. All of it is told as a warning."""

from collections.abc import Iterator

from gateway.config.positions import Path
from gateway.config.problem import Problem
from gateway.config.sources import Sources
from gateway.policy.hedge import HedgeSettings
from gateway.policy.timeouts import TimeoutsSettings
from gateway.settings import Settings
from gateway.settings.policies import nearest

Problems = Iterator[Problem]


def hedges_can_act(settings: Settings, sources: Sources) -> Problems:
    """What a route or an upstream says about hedging does something there.

    Told where it is set. What `[defaults]` says, and an upstream whose routes say more, may be meant for others.
    """
    extended = {route.upstream for route in settings.routes if route.hedge.model_fields_set}
    for name, upstream in settings.upstreams.items():
        if name not in extended and upstream.hedge.model_fields_set:
            hedge = nearest(upstream.hedge, settings.defaults.hedge)
            timeouts = nearest(upstream.timeouts, settings.defaults.timeouts)
            at: Path = ("upstreams", name, "hedge")
            yield from _told(sources, at, upstream.hedge, hedge, timeouts, len(upstream.endpoints), ())
    for index, route in enumerate(settings.routes):
        below = settings.upstreams.get(route.upstream)
        if below is not None and route.hedge.model_fields_set:
            hedge = nearest(route.hedge, below.hedge, settings.defaults.hedge)
            timeouts = nearest(route.timeouts, below.timeouts, settings.defaults.timeouts)
            at = ("routes", index, "hedge")
            yield from _told(sources, at, route.hedge, hedge, timeouts, len(below.endpoints), tuple(route.methods))


def _told(
    sources: Sources,
    at: Path,
    said: HedgeSettings,
    hedge: HedgeSettings,
    timeouts: TimeoutsSettings,
    endpoints: int,
    served: tuple[str, ...],
) -> Problems:
    if hedge.after is None:
        if said.after is None and "after" in said.model_fields_set:
            return  # Turned off on purpose, whatever else stands there.
        yield sources.warning((*at, "methods"), 'cannot act: after is "off"')
        return
    why = _hindrance(hedge, timeouts, endpoints, served)
    if why is not None:
        key, reason = why
        said_here = said.model_fields_set
        yield sources.warning((*at, key if key in said_here else min(said_here)), f"cannot act: {reason}")


def _hindrance(
    hedge: HedgeSettings, timeouts: TimeoutsSettings, endpoints: int, served: tuple[str, ...]
) -> tuple[str, str] | None:
    """Return the setting that is about it, and why nothing is ever hedged; None where something may be."""
    if endpoints < 2:
        return "after", "with one endpoint there is no other to ask"
    if not hedge.methods:
        return "methods", "methods is empty"
    if served and not set(served) & set(hedge.methods):
        return "methods", "the route serves none of its methods"
    if isinstance(hedge.after, float):
        for name, limit in (("first_byte", timeouts.first_byte), ("total", timeouts.total)):
            if limit is not None and hedge.after >= limit:
                return "after", f"timeouts.{name} is not longer"
    return None
