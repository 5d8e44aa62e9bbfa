"""Which streams are asked for, and what is refused because it says nothing clear."""

import pytest
from support.exchanges import a_route, an_exchange

from gateway.admin.wanted import BadFilter, Parameters, parse_wanted
from gateway.exchange.exchange import Exchange
from gateway.exchange.identity import Identity


def a_stream() -> Exchange:
    exchange = an_exchange(route=a_route(name="chat"))
    exchange.identity = Identity("tenant-a", "key")
    return exchange


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ([], True),
        ([("route", "chat")], True),
        ([("route", "other")], False),
        ([("route", "other"), ("route", "chat")], True),
        ([("principal", "tenant-a")], True),
        ([("principal", "tenant-b")], False),
        ([("upstream", "up")], None),
        ([("upstream", "none")], False),
        ([("phase", "admit")], True),
        ([("phase", "relay")], False),
        ([("older_than", "10s")], True),
        ([("older_than", "20s")], False),
        ([("route", "chat"), ("principal", "tenant-b")], False),
        ([("id", "none")], False),
        ([("limit", "1")], True),
    ],
)
def test_a_stream_is_wanted_if_all_conditions_hold(parameters: Parameters, expected: bool | None) -> None:
    """Of several values of one kind any one is enough; kinds must all hold."""
    exchange = a_stream()
    assert exchange.route is not None
    if expected is None:
        parameters, expected = [("upstream", exchange.route.upstream.name)], True

    assert parse_wanted(parameters).holds(exchange, exchange.started + 20.0) is expected


@pytest.mark.parametrize("name", ["route", "upstream", "principal"])
def test_what_has_no_route_and_no_caller_is_none_of_theirs(name: str) -> None:
    """Before it is known, no filter by it holds."""
    assert not parse_wanted([(name, "chat")]).holds(an_exchange(), 0.0)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ([("rout", "a")], "unknown parameter 'rout'; known are id, route"),
        ([("route", "")], "route needs a value"),
        ([("route", "x" * 257)], "route needs a value of 1 to 256"),
        ([("limit", "0")], "from 1 to 10000"),
        ([("by", "rate")], "unknown order 'rate'; known are age, silence"),
        ([("limit", "10001")], "from 1 to 10000"),
        ([("limit", "1"), ("limit", "2")], "limit may be given once"),
        ([("route", "a")] * 101, "route may be given 100 times"),
        ([("older_than", "soon")], "write one such as"),
        ([("phase", "relaying")], "unknown phase 'relaying'; known are accept, "),
    ],
)
def test_what_is_not_understood_is_refused_with_what_would_be(parameters: Parameters, words: str) -> None:
    """A misspelt filter must not choose everything."""
    with pytest.raises(BadFilter, match=words):
        parse_wanted(parameters)


@pytest.mark.parametrize(
    ("parameters", "some"),
    [([], False), ([("limit", "3")], False), ([("older_than", "0s")], True), ([("id", "x")], True)],
)
def test_a_limit_alone_asks_nothing_of_a_stream(parameters: Parameters, some: bool) -> None:
    """What ends streams needs a condition that is about them."""
    assert parse_wanted(parameters).some is some
