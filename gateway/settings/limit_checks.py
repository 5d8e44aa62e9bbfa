"""What a model cannot see in one value of `limits`: limits that hide each other, and words about queues without one."""

from collections.abc import Iterator

from gateway.config.model import Model
from gateway.config.positions import Path
from gateway.config.problem import Problem
from gateway.config.sources import Sources
from gateway.exchange.route import Limit
from gateway.policy.concurrency import limit_of
from gateway.settings import Settings
from gateway.settings.policies import nearest

Problems = Iterator[Problem]
_LIMITING = ("max_concurrent", "adaptive")


def limits_hold_for_each_worker(settings: Settings, sources: Sources) -> Problems:
    """Limits are counted by each worker for itself."""
    workers = settings.server.workers
    if workers == 1:
        return
    for at, table in settings.tables():
        for key in _LIMITING:
            if key in table.limits.model_fields_set and getattr(table.limits, key) is not None:
                message = f"holds for each worker: {workers} workers allow {workers} times as many together"
                yield sources.warning((*at, "limits", key), message)


def limits_do_not_hide_each_other(settings: Settings, sources: Sources) -> Problems:
    """Of a limit that stands and one that finds itself only one can hold; a route's must be reached before its
    upstream's."""
    for at, table in settings.tables():
        limits = table.limits
        if limits.adaptive is not None and limits.max_concurrent is not None:
            yield sources.warning((*at, "limits", "max_concurrent"), "cannot act: adaptive finds the limit")
    for index, route in enumerate(settings.routes):
        own, upstream = limit_of(route.limits), _of_upstream(settings, route.upstream)
        if own is None or upstream is None or route.limits.max_concurrent is None or own.adaptive is not None:
            continue
        together = upstream.max_concurrent + upstream.max_queued
        if own.max_concurrent >= together:
            message = f"cannot act: its upstream lets no more than {together} run and wait"
            yield sources.warning(("routes", index, "limits", "max_concurrent"), message)


def queues_have_a_limit(settings: Settings, sources: Sources) -> Problems:
    """A queue stands before a limit of the same table, or one that an upstream has by inheritance."""
    for at, table in settings.tables():
        if not _says(table.limits, "max_queued"):
            continue
        if at[0] == "routes":
            limited = limit_of(table.limits) is not None
        elif at[0] == "upstreams":
            limited = _of_upstream(settings, str(at[1])) is not None
        else:
            limited = any(_of_upstream(settings, name) is not None for name in settings.upstreams)
        if not limited:
            message = "cannot act: nothing limits how many may run; set max_concurrent or adaptive beside it"
            yield sources.warning((*at, "limits", "max_queued"), message)


def waiting_can_happen(settings: Settings, sources: Sources) -> Problems:
    """Who sets how requests wait has a queue in which they can."""
    for at, table in settings.tables():
        said: list[Path] = [("limits", key) for key in ("priority", "fair_by") if _says(table.limits, key)]
        said += [("timeouts", "queue")] if _says(table.timeouts, "queue") else []
        if said and not any(limit.max_queued for limit in _that_meet(settings, at)):
            for path in said:
                yield sources.warning((*at, *path), "cannot act: no limit lets requests wait here")


def _says(table: Model, key: str) -> bool:
    """Say whether ``key`` is set to something else than what holds anyway."""
    return key in table.model_fields_set and getattr(table, key) != type(table).model_fields[key].default


def _that_meet(settings: Settings, at: Path) -> Iterator[Limit]:
    """Yield the limits that exchanges can meet for which the table ``at`` says something."""
    for index, route in enumerate(settings.routes):
        if at in (("routes", index), ("upstreams", route.upstream), ("defaults",)):
            found = (limit_of(route.limits), _of_upstream(settings, route.upstream))
            yield from (limit for limit in found if limit is not None)


def _of_upstream(settings: Settings, name: str) -> Limit | None:
    upstream = settings.upstreams.get(name)
    return None if upstream is None else limit_of(nearest(upstream.limits, settings.defaults.limits))
