"""What an export may be asked for."""

import pytest

from gateway.store.filters import BadFilter, Filters, parse_filters

NOW = 1_700_000_000.0
MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ([], Filters()),
        ([("since", "1h30m")], Filters(since=MS - 5_400_000)),
        ([("until", "250ms")], Filters(until=MS - 250)),
        ([("since", "2023-11-14T22:13:20Z")], Filters(since=MS)),
        ([("since", "2023-11-14T22:13:20")], Filters(since=MS)),
        ([("since", "2023-11-14T23:13:20.5 01:00")], Filters(since=MS + 500)),
        ([("since", "2023-11-14")], Filters(since=1_699_920_000_000)),
        ([("route", "a"), ("route", "b")], Filters(routes=("a", "b"))),
        ([("principal", "x y")], Filters(principals=("x y",))),
        ([("outcome", "client_gone"), ("outcome", "drained")], Filters(outcomes=("client_gone", "drained"))),
        ([("status", "503"), ("status", "4xx"), ("status", "none")], Filters(statuses=((503, 503), (400, 499), None))),
        ([("limit", "5")], Filters(limit=5)),
    ],
)
def test_parameters_become_conditions(parameters: list[tuple[str, str]], expected: Filters) -> None:
    """Times are moments or durations ago, in UTC where nothing else is said; the rest is taken as it stands."""
    assert parse_filters(parameters, NOW) == expected


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ([("rout", "a")], "known are since, until, limit, route, principal, outcome, status"),
        ([("since", "yesterday")], "ISO 8601"),
        ([("since", "3600")], "a duration ago"),
        ([("until", "0000-13-01T00:00:00Z")], "until is no time"),
        ([("since", "1h"), ("since", "2h")], "since may be given once"),
        ([("outcome", "fine")], "known are complete, local, rejected"),
        ([("status", "5x")], '"5xx"'),
        ([("status", "99")], '"5xx"'),
        ([("limit", "0")], "from 1 on"),
        ([("limit", "many")], "from 1 on"),
        ([("route", "a\0")], "a character that is none"),
        ([("route", "a")] * 101, "100 times"),
    ],
)
def test_bad_parameter_is_refused_with_what_would_do(parameters: list[tuple[str, str]], told: str) -> None:
    """Nothing that was asked for is silently left out."""
    with pytest.raises(BadFilter, match=told.replace('"', '"')):
        parse_filters(parameters, NOW)
