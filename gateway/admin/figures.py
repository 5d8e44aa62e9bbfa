"""From what all workers see to what is told: routes, upstreams, traffic and failures as JSON types. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

from gateway.admin.sight import Seen
from gateway.exchange.route import Route
from gateway.observe.failed import Failed
from gateway.observe.history import KEPT_POINTS, STEP_SECONDS, WINDOW_SECONDS, Tally, quantile_ms

WORST_FIRST = ("unhealthy", "tripped", "probing", "available")
"""The states of an endpoint, in the order in which they ask for attention."""
_ADDED_UP = ("in_flight", "attempts", "failures")
_SLOWEST = ("first_byte_p50_ms", "first_byte_p95_ms")

Row = dict[str, Any]


def routes(configured: Iterable[Route], found: Seen, known: Iterable[Row]) -> Iterator[Row]:
    """Yield each route with its state and the last minutes; behind them those that a reload took away and that still
    have something to tell, and without a name what met no route.

    ``known`` is what `upstreams` yields.
    """
    there = {""}
    states = {each["name"]: _state_of(each["endpoints"]) for each in known}
    for route in configured:
        there.add(route.name)
        yield {
            "name": route.name,
            "path": route.path,
            "hosts": list(route.hosts),
            "methods": sorted(route.methods),
            "upstream": route.upstream.name,
            "state": states.get(route.upstream.name, "unknown"),
            **_lately(route.name, found),
        }
    nothing: Row = {"name": None, "path": None, "hosts": [], "methods": [], "upstream": None, "state": "unrouted"}
    for name in sorted({*found.routes, *found.open} - there):
        yield {**nothing, "name": name, "state": "gone", **_lately(name, found)}
    if found.routes.get("", Tally()).ended or found.open.get(""):
        yield {**nothing, **_lately("", found)}


def _lately(route: str, found: Seen) -> Row:
    tally = found.routes.get(route, Tally())
    return {
        "open": sum(found.open.get(route, {}).values()),
        "phases": found.open.get(route, {}),
        "window_seconds": max(round(found.window_seconds), 1),
        "ended": tally.ended,
        "failed": tally.failed,
        "first_bytes": sum(tally.first_bytes.values()),
        "first_byte_p50_ms": quantile_ms(tally.first_bytes, 0.5),
        "first_byte_p95_ms": quantile_ms(tally.first_bytes, 0.95),
    }


def _state_of(endpoints: list[Row]) -> str:
    """Return ``ok``, ``degraded`` where an endpoint is missing somewhere, ``down`` where all are."""
    if all(each["state"] == "available" for each in endpoints):
        return "ok"
    return "degraded" if any(each["workers"]["available"] for each in endpoints) else "down"


def upstreams(found: Seen) -> Iterator[Row]:
    """Yield each upstream as all workers see it: numbers add up, of states the worst one is told, with who sees it.

    Quantiles of several workers cannot be added: told are those of the slowest one.
    """
    by_name: dict[str, list[Row]] = {}
    for each in found.upstreams:
        by_name.setdefault(each["name"], []).append(each)
    yield from map(_upstream, by_name.values())


def _upstream(views: list[Row]) -> Row:
    first = views[0]
    endpoints: dict[str, list[Row]] = {}
    for view in views:
        for each in view["endpoints"]:
            endpoints.setdefault(each["endpoint"], []).append(each)
    limits = [view["limit"] for view in views if view["limit"] is not None]
    return {
        "name": first["name"],
        "balance": first["balance"],
        "failing_open": sum(view["failing_open"] for view in views),
        "failed_open": sum(view["failed_open"] for view in views),
        "retries_refused": sum(view["retries_refused"] for view in views),
        "limit": {key: sum(each[key] for each in limits) for key in limits[0]} if limits else None,
        "endpoints": [_endpoint(each) for each in endpoints.values()],
    }


def _endpoint(views: list[Row]) -> Row:
    worst = min(views, key=lambda each: WORST_FIRST.index(each["state"]))
    last = [each for each in views if each["last_failure"] is not None]
    newest = min(last, key=lambda each: each["last_failure_seconds_ago"], default=worst)
    return {
        **worst,
        "workers": {state: sum(each["state"] == state for each in views) for state in WORST_FIRST},
        **{key: sum(each[key] for each in views) for key in _ADDED_UP},
        **{key: max((each[key] for each in views if each[key] is not None), default=None) for key in _SLOWEST},
        "last_failure": newest["last_failure"],
        "last_failure_seconds_ago": newest["last_failure_seconds_ago"],
    }


def traffic(found: Seen, now: float, wall_clock: float) -> Row:
    """Return the last hour as columns, a row for each ten seconds that are over, the oldest first.

    ``now`` is of the clock that slots count, ``wall_clock`` the same moment in seconds since 1970. Before the oldest
    worker began nothing is known: None. So are times of ten seconds without a first byte.
    """
    end = int(now // STEP_SECONDS)
    slots = range(end - KEPT_POINTS, end)
    known = [found.points.get(slot) if slot >= found.began else None for slot in slots]
    counted = [slot >= found.began for slot in slots]

    def column(numbers: Iterable[float]) -> list[float | None]:
        return [number if known else None for number, known in zip(numbers, counted, strict=True)]

    tallies = [point.tally if point is not None else Tally() for point in known]
    return {
        "step_seconds": STEP_SECONDS,
        "time": [round(wall_clock - (now - slot * STEP_SECONDS)) for slot in slots],
        "ended_per_second": column(tally.ended / STEP_SECONDS for tally in tallies),
        "failed_per_second": column(tally.failed / STEP_SECONDS for tally in tallies),
        "bytes_per_second": column(point.octets / STEP_SECONDS if point else 0 for point in known),
        "open": column(point.open if point else 0 for point in known),
        "first_byte_p50_ms": [quantile_ms(tally.first_bytes, 0.5) for tally in tallies],
        "first_byte_p95_ms": [quantile_ms(tally.first_bytes, 0.95) for tally in tallies],
    }


def five_minutes(found: Seen, now: float, wall_clock: float) -> list[Row]:
    """Return the last hour as rows of five minutes, the newest first, as far as anything is known of them."""
    end, length = int(now // STEP_SECONDS) + 1, WINDOW_SECONDS // STEP_SECONDS
    rows: list[Row] = []
    for last in range(end, end - KEPT_POINTS, -length):
        slots = range(last - length, last)
        if slots[-1] < found.began:
            break
        whole, octets = Tally(), 0
        for slot in slots:
            if (point := found.points.get(slot)) is not None:
                whole.add(point.tally)
                octets += point.octets
        rows.append(
            {
                "time": wall_clock - (now - slots[0] * STEP_SECONDS),
                "ended": whole.ended,
                "failed": whole.failed,
                "bytes": octets,
                "first_byte_p50_ms": quantile_ms(whole.first_bytes, 0.5),
                "first_byte_p95_ms": quantile_ms(whole.first_bytes, 0.95),
            }
        )
    return rows


def grouped(failures: Iterable[Failed]) -> list[Row]:
    """Return failures, which come newest first, by route, endpoint and kind: the newest of each, and how many."""
    groups: dict[tuple[str | None, ...], Row] = {}
    for each in failures:
        key = (each.route, each.endpoint, each.failure, each.outcome)
        group = groups.setdefault(key, {**each._asdict(), "count": 0, "first_time": each.time})
        group["count"] += 1
        group["first_time"] = each.time
    return list(groups.values())
