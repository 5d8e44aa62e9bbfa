"""From what several workers see to what is told."""

import json
from typing import Any

import pytest
from support.exchanges import a_route

from gateway.admin import figures
from gateway.admin.attention import MOST, attention
from gateway.admin.sight import Seen, together
from gateway.observe.failed import Failed


def an_endpoint(name: str = "http://a", state: str = "available", **changes: Any) -> dict[str, Any]:
    told = {
        "endpoint": name, "state": state, "why": None if state == "available" else "connect_refused", "in_flight": 1,
        "attempts": 10, "failures": 1, "last_failure": None, "last_failure_seconds_ago": None,
        "first_byte_p50_ms": 5.0, "first_byte_p95_ms": None, "breaker": None, "health": None,
    }  # fmt: skip
    return told | changes


def an_upstream(*endpoints: dict[str, Any], **changes: Any) -> dict[str, Any]:
    open_ = all(each["state"] != "available" for each in endpoints)
    told = {"name": "demo", "balance": "round_robin", "failing_open": open_, "failed_open": 0, "retries_refused": 0}
    return told | {"limit": None, "endpoints": list(endpoints)} | changes


def a_sight(worker: int, **parts: Any) -> dict[str, Any]:
    return {"worker": worker, "draining": False, "rejected": None, "began": 90, "window": 330.0, **parts}


def all_of(*sights: dict[str, Any]) -> Seen:
    """Return what all say together, the first one's own and the others' as they come over a line."""
    first, *others = ([{**each, "upstreams": []}, each] for each in sights)
    lines = [(told[0]["worker"], "\n".join(map(json.dumps, told)).encode()) for told in others]
    return together(first, lines, lambda: None)


def routes_of(found: Seen) -> list[dict[str, Any]]:
    return list(figures.routes([a_route()], found, figures.upstreams(found)))


def a_failure(time: float, failure: str = "connect_refused") -> Failed:
    return Failed(
        time,
        f"id{time}",
        "demo",
        "demo",
        "http://a",
        "GET",
        "/",
        502,
        "failed",
        failure,
        "upstream",
        "why",
        None,
        1,
        3.0,
    )


def test_a_route_that_a_reload_took_away_is_told_while_its_streams_run() -> None:
    """The sum over all routes is what runs."""
    old = a_sight(1, open={"old": {"relay": 3}, "demo": {"relay": 1}}, routes={"old": [1, 1, []], "older": [2, 0, []]})
    demo, gone, longer_gone = routes_of(all_of(old))
    assert (demo["name"], demo["open"]) == ("demo", 1)
    assert (gone["name"], gone["state"], gone["open"], gone["failed"]) == ("old", "gone", 3, 1)
    assert (longer_gone["name"], longer_gone["ended"], longer_gone["path"]) == ("older", 2, None)


def test_numbers_of_workers_add_up_and_the_worst_state_is_told_with_who_sees_it() -> None:
    """What one worker found out must not hide behind another that did not ask the endpoint yet."""
    well = an_upstream(an_endpoint(), limit={"allowed": 5, "running": 2, "waiting": 0})
    ill = an_upstream(
        an_endpoint(
            state="tripped", last_failure="connect_refused", last_failure_seconds_ago=3.0, first_byte_p50_ms=9.0
        ),
        limit={"allowed": 5, "running": 5, "waiting": 4},
    )
    (told,) = figures.upstreams(all_of(a_sight(1, upstreams=[well]), a_sight(2, upstreams=[ill])))

    (endpoint,) = told["endpoints"]
    assert told["limit"] == {"allowed": 10, "running": 7, "waiting": 4}
    assert (endpoint["state"], endpoint["workers"]["tripped"], endpoint["workers"]["available"]) == ("tripped", 1, 1)
    assert (endpoint["in_flight"], endpoint["attempts"], endpoint["failures"]) == (2, 20, 2)
    assert (endpoint["first_byte_p50_ms"], endpoint["first_byte_p95_ms"]) == (9.0, None)
    assert (endpoint["last_failure"], endpoint["last_failure_seconds_ago"]) == ("connect_refused", 3.0)


@pytest.mark.parametrize(
    ("states", "expected"),
    [(["available"] * 2, "ok"), (["available", "tripped"], "degraded"), (["unhealthy", "tripped"], "down")],
)
def test_a_route_is_as_well_as_its_upstream(states: list[str], expected: str) -> None:
    """Degraded as long as one endpoint is there, down when none is."""
    endpoints = [an_endpoint(f"http://{number}", state) for number, state in enumerate(states)]
    (told,) = routes_of(all_of(a_sight(1, upstreams=[an_upstream(*endpoints)])))
    assert told["state"] == expected


def test_routes_have_what_all_workers_counted_and_what_met_none() -> None:
    """First bytes are ranked together, which quantiles of each could not be."""
    mine = a_sight(
        1, upstreams=[an_upstream(an_endpoint())], routes={"demo": [10, 1, [(20, 10)]]}, open={"demo": {"relay": 2}}
    )
    other = a_sight(2, routes={"demo": [10, 2, [(40, 10)]], "": [3, 0, []]}, open={"demo": {"relay": 1, "await": 1}})
    demo, unrouted = routes_of(all_of(mine, other))

    assert (demo["open"], demo["phases"], demo["ended"], demo["failed"]) == (4, {"relay": 3, "await": 1}, 20, 3)
    assert demo["first_byte_p50_ms"] < demo["first_byte_p95_ms"]
    assert (unrouted["name"], unrouted["ended"]) == (None, 3)


def test_traffic_has_a_row_for_each_ten_seconds_and_none_for_what_is_not_known() -> None:
    """Points of the same moment add up; before the oldest worker nothing is known."""
    mine = a_sight(1, points=[[98, 1000, 2, 5, 1, [(20, 5)]]])
    other = a_sight(2, points=[[98, 500, 1, 5, 0, [(20, 5)]], [99, 10, 1, 0, 0, []]])
    told = figures.traffic(all_of(mine, other), 1003.0, 5003.0)

    assert {len(column) for column in told.values() if isinstance(column, list)} == {360}
    assert told["time"][-2:] == [4980, 4990]
    assert told["bytes_per_second"][-3:] == [0, 150, 1]
    assert told["ended_per_second"][-3:] == [0, 1, 0]
    assert told["open"][-11:-9] == [None, 0]
    assert told["first_byte_p50_ms"][-1] is None


def test_the_table_of_the_plot_says_the_same_in_steps_of_five_minutes() -> None:
    """The newest first, and no row of which nothing is known."""
    rows = figures.five_minutes(all_of(a_sight(1, points=[[98, 1000, 2, 5, 1, [(20, 5)]]])), 1003.0, 5003.0)
    assert [(row["ended"], row["failed"], row["bytes"]) for row in rows] == [(5, 1, 1000)]


def test_failures_of_one_kind_are_one_row_with_the_newest_of_them() -> None:
    """How many, since when, and an id to look for in the log."""
    told = figures.grouped([a_failure(30.0), a_failure(20.0, "body_cut"), a_failure(10.0)])
    assert [(each["failure"], each["count"], each["id"], each["first_time"]) for each in told] == [
        ("connect_refused", 2, "id30.0", 10.0),
        ("body_cut", 1, "id20.0", 20.0),
    ]


def said_of(*sights: dict[str, Any], silent: tuple[int, ...] = ()) -> list[tuple[str, str]]:
    found = all_of(*sights)
    found.silent += silent
    return attention(found, routes_of(found), list(figures.upstreams(found)))


def test_a_quiet_gateway_wants_no_attention() -> None:
    """Nothing is said where nothing is wrong, and two failures are no news."""
    assert said_of(a_sight(1, upstreams=[an_upstream(an_endpoint())], routes={"demo": [2, 2, []]})) == []


def test_what_wants_attention_is_said_the_worst_first() -> None:
    """Workers that are silent, endpoints that are missing, routes that fail; then drains, queues, refused files."""
    upstream = an_upstream(
        an_endpoint("http://a", "tripped"),
        an_endpoint("http://b", "probing"),
        limit={"allowed": 1, "running": 1, "waiting": 7},
    )
    told = said_of(
        a_sight(
            1, upstreams=[upstream], routes={"demo": [10, 3, []]}, rejected="1 problem, see the log", draining=True
        ),
        silent=(77,),
    )
    assert [level for level, _ in told] == ["bad"] * 4 + ["warn"] * 4
    for text, (_, said) in zip(
        [
            "Worker 77",
            "no endpoint",
            "http://a is tripped",
            "3 of 10",
            "refused",
            "1 of 1",
            "http://b is probing",
            "7 wait",
        ],
        told,
        strict=True,
    ):
        assert text in said


def test_of_many_findings_some_are_told_and_how_many_are_not() -> None:
    """The page stays a page."""
    many = an_upstream(*(an_endpoint(f"http://{number}", "tripped") for number in range(40)))
    told = said_of(a_sight(1, upstreams=[many]))
    assert len(told) == MOST + 1
    assert told[-1] == ("warn", "29 more findings are not shown")
