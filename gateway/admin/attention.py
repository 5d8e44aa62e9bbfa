"""What an operator should look at first, in words. Pure: read from what is told already."""

from typing import Any

from gateway.admin.sight import Seen

_LEAST_FAILED = 3
_LEAST_SHARE = 0.1
"""Of the exchanges of a route that ended in the last minutes; fewer failures are no news."""
MOST = 12

Row = dict[str, Any]


def attention(found: Seen, routes: list[Row], upstreams: list[Row]) -> list[tuple[str, str]]:
    """Return ``bad`` or ``warn`` with a sentence for each finding, the worst first."""
    findings = [*_of_workers(found), *_of_upstreams(upstreams, len(found.workers)), *_of_routes(routes)]
    findings.sort(key=lambda each: each[0] != "bad")
    left_out = len(findings) - MOST
    return findings if left_out <= 0 else [*findings[:MOST], ("warn", f"{left_out} more findings are not shown")]


def _of_workers(found: Seen) -> list[tuple[str, str]]:
    told: list[tuple[str, str]] = []
    for pid in found.silent:
        told.append(("bad", f"Worker {pid} does not answer: what runs there is missing on this page."))
    if found.rejected is not None:
        told.append(("warn", f"The newest configuration was refused, the one before stays: {found.rejected}."))
    if found.draining:
        of = f"{found.draining} of {len(found.workers)} workers"
        told.append(("warn", f"{of} end their streams and take no new ones."))
    return told


def _of_upstreams(upstreams: list[Row], workers: int) -> list[tuple[str, str]]:
    told: list[tuple[str, str]] = []
    for upstream in upstreams:
        name = upstream["name"]
        if upstream["failing_open"] and len(upstream["endpoints"]) > 1:
            told.append(("bad", f"Upstream {name}: no endpoint is available, so all of them are tried."))
        for each in upstream["endpoints"]:
            if each["state"] == "available":
                continue
            sees = sum(number for state, number in each["workers"].items() if state != "available")
            seen_by = f" in {sees} of {workers} workers" if workers > 1 else ""
            why = f": {each['why']}" if each["why"] else ""
            level = "warn" if each["state"] == "probing" else "bad"
            told.append((level, f"Upstream {name}: {each['endpoint']} is {each['state']}{seen_by}{why}."))
        limit = upstream["limit"]
        if limit is not None and limit["waiting"]:
            told.append(("warn", f"Upstream {name}: {limit['waiting']} wait for one of {limit['allowed']} slots."))
    return told


def _of_routes(routes: list[Row]) -> list[tuple[str, str]]:
    told: list[tuple[str, str]] = []
    for route in routes:
        ended, failed = route["ended"], route["failed"]
        if failed >= _LEAST_FAILED and failed >= _LEAST_SHARE * ended:
            name = f"Route {route['name']}" if route["name"] else "Without a route"
            told.append(("bad", f"{name}: {failed} of {ended} exchanges that ended in the last 5 minutes failed."))
    return told
