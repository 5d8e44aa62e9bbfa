"""Which route serves a request."""

import time
from dataclasses import replace

import pytest
from support.exchanges import a_request, a_route

from gateway.exchange.failure import (
    BAD_REQUEST,
    METHOD_NOT_ALLOWED,
    METHOD_UNSUPPORTED,
    NO_ROUTE,
    TARGET_REFUSED,
    Failure,
    FailureError,
)
from gateway.exchange.message import RequestHead
from gateway.exchange.route import Cors, Route
from gateway.policy.routing import RouteTable, bare_host


def refused(table: RouteTable, request: RequestHead) -> Failure:
    with pytest.raises(FailureError) as caught:
        table.match(request)
    return caught.value.failure


BY_PATH = RouteTable(
    [a_route("/", "all"), a_route("/v1/", "v1"), a_route("/v1/private", "private"), a_route("/v1/%78", "x")]
)


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/", "all"),
        ("/v2", "all"),
        ("/v1", "v1"),
        ("/v1/", "v1"),
        ("/v1/privateer", "v1"),
        ("/v1/private", "private"),
        ("/v1/private/", "private"),
        ("/v1/private/x?y", "private"),
        ("/v1/%70rivate", "private"),
        ("/v1/%50rivate", "v1"),
        ("/v1/x", "x"),
        ("/v1?/private", "v1"),
        ("//v1", "all"),
        ("/v1/a/../b", "v1"),
        ("/v1/private/./", "private"),
    ],
)
def test_longest_prefix_of_whole_segments_wins(target: str, name: str) -> None:
    """Part of a segment is no prefix, and no spelling of unreserved characters slips past the narrower route."""
    assert BY_PATH.match(a_request(target=target)).route.name == name


@pytest.mark.parametrize(
    "target", ["/v2/../v1/private", "/a/%2e%2e/v1/x", "/v1/a%2f..%2fprivate", "/v1/..;/v1/private"]
)
def test_dot_segments_that_lead_into_another_route_are_refused(target: str) -> None:
    """A path that is one route's here and another one's behind us is served by neither."""
    assert refused(BY_PATH, a_request(target=target)).kind is TARGET_REFUSED


BY_HOST = RouteTable(
    [
        a_route("/", "none"),
        a_route("/", "wild", hosts=("*.example.com",)),
        a_route("/", "deep", hosts=("*.b.example.com",)),
        a_route("/", "exact", hosts=("A.example.com:8080", "other.example")),
        a_route("/", "v6", hosts=("[::1]",)),
        a_route("/long", "long"),
    ]
)


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        ("a.example.com", "exact"),
        ("A.EXAMPLE.com:443", "exact"),
        ("a.example.com.", "exact"),
        ("other.example", "exact"),
        ("b.example.com", "wild"),
        ("x.b.example.com", "deep"),
        ("y.x.b.example.com", "deep"),
        ("example.com", "none"),
        (".example.com", "none"),
        ("notexample.com", "none"),
        ("[::1]:80", "v6"),
        ("[::1]", "v6"),
        ("", "none"),
    ],
)
def test_exact_host_wins_over_wildcard_over_none(authority: str, name: str) -> None:
    """Letters' case, port and a last dot play no part; a wildcard stands for one label or more."""
    assert BY_HOST.match(a_request(authority=authority)).route.name == name


def test_path_decides_before_host() -> None:
    """A longer prefix without host wins over a shorter one with the exact host."""
    assert BY_HOST.match(a_request(target="/long/x", authority="a.example.com")).route.name == "long"


BY_REST = RouteTable(
    [
        a_route("/", "first"),
        a_route("/", "second"),
        a_route("/", "header", headers=(("x-a", "1"),)),
        a_route("/", "headers", headers=(("x-a", "1"), ("x-b", None))),
        a_route("/", "put", methods=frozenset({"PUT"})),
        a_route("/", "put-header", methods=frozenset({"PUT"}), headers=(("x-a", "1"),)),
    ]
)


@pytest.mark.parametrize(
    ("method", "fields", "name"),
    [
        ("GET", [], "first"),
        ("GET", [("X-A", "1")], "header"),
        ("GET", [("X-A", "2"), ("x-a", "1")], "header"),
        ("GET", [("X-A", "2")], "first"),
        ("GET", [("X-A", "1"), ("X-B", "")], "headers"),
        ("PUT", [], "put"),
        ("put", [], "first"),
        ("PUT", [("x-a", "1"), ("x-b", "2")], "put-header"),
    ],
)
def test_methods_then_headers_then_file_order_decide(method: str, fields: list[tuple[str, str]], name: str) -> None:
    """Named methods win over none, more conditions over fewer, the earlier over the later."""
    assert BY_REST.match(a_request(method, fields=fields)).route.name == name


def test_request_that_no_route_matches_is_told_so() -> None:
    """Path, host and headers all have to fit."""
    table = RouteTable([a_route("/v1", hosts=("a.example",)), a_route("/v2", "v2", headers=(("x-key", None),))])

    assert refused(table, a_request(target="/v1", authority="b.example")).kind is NO_ROUTE
    assert refused(table, a_request(target="/v2")).kind is NO_ROUTE
    assert refused(table, a_request(target="/")).kind is NO_ROUTE
    assert refused(RouteTable([]), a_request()).kind is NO_ROUTE


def test_method_that_no_route_serves_is_told_with_those_that_are() -> None:
    """Allow lists what every otherwise matching route serves."""
    table = RouteTable(
        [
            a_route("/", "root", methods=frozenset({"HEAD"})),
            a_route("/v1", "post", methods=frozenset({"POST"})),
            a_route("/v1", "get", methods=frozenset({"GET"})),
            a_route("/v1", "other", methods=frozenset({"PUT"}), hosts=("other.example",)),
        ]
    )

    failure = refused(table, a_request("DELETE", "/v1/x"))

    assert (failure.kind, failure.fields) == (METHOD_NOT_ALLOWED, (("Allow", "GET, HEAD, POST"),))


def test_shorter_prefix_serves_the_method_that_the_longer_does_not() -> None:
    """Methods are part of the match, so a route for everything takes what narrower ones leave."""
    table = RouteTable([a_route("/", "all"), a_route("/v1", "get", methods=frozenset({"GET"}))])

    assert table.match(a_request("PUT", "/v1")).route.name == "all"


@pytest.mark.parametrize(
    ("methods", "kind"), [(frozenset(), METHOD_UNSUPPORTED), (frozenset({"GET"}), METHOD_UNSUPPORTED)]
)
def test_trace_is_refused_unless_a_route_names_it(methods: frozenset[str], kind: object) -> None:
    """TRACE sends credentials back to the client, so "all methods" does not mean it."""
    assert refused(RouteTable([a_route("/", methods=methods)]), a_request("TRACE")).kind is kind


def test_trace_is_served_where_a_route_names_it() -> None:
    """Who asks for TRACE by name gets it."""
    table = RouteTable([a_route("/", "all"), a_route("/", "trace", methods=frozenset({"TRACE"}))])

    assert table.match(a_request("TRACE")).route.name == "trace"


def test_connect_is_refused_even_if_a_route_names_it() -> None:
    """A gateway is no tunnel."""
    table = RouteTable([a_route("/", methods=frozenset({"CONNECT"}))])

    assert refused(table, a_request("CONNECT", "a.example:443")).kind is METHOD_UNSUPPORTED


def test_options_for_the_server_goes_to_the_route_of_everything() -> None:
    """``*`` belongs to no prefix but the empty one."""
    assert BY_PATH.match(a_request("OPTIONS", "*")).route.name == "all"
    assert refused(RouteTable([a_route("/v1")]), a_request("OPTIONS", "*")).kind is NO_ROUTE


@pytest.mark.parametrize(
    ("method", "target"), [("GET", "*"), ("OPTIONS", "*?x"), ("GET", "v1"), ("GET", ""), ("GET", "?x")]
)
def test_target_that_is_no_path_is_a_bad_request(method: str, target: str) -> None:
    """No path is guessed."""
    assert refused(BY_PATH, a_request(method, target)).kind is BAD_REQUEST


@pytest.mark.parametrize(
    ("authority", "host"),
    [("A.b:80", "a.b"), ("a.", "a"), ("a:", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("a:b", "a:b"), ("", "")],
)
def test_hosts_are_compared_bare(authority: str, host: str) -> None:
    """Only what tells hosts apart is compared."""
    assert bare_host(authority) == host


def test_every_route_is_explained_the_most_specific_first() -> None:
    """The first that matches serves; each of the others says what is missing."""
    routes = [
        a_route("/", "all"),
        a_route("/v1", "v1"),
        a_route("/v1", "host", hosts=("x.example", "*.y.example")),
        a_route("/v1", "exact", hosts=("api.example.com",), headers=(("x-key", None), ("x-b", "1"))),
        a_route("/v1", "get", methods=frozenset({"GET", "HEAD"})),
        a_route("/v2", "v2"),
    ]

    explained = RouteTable(routes).explain(a_request("POST", "/v1/x"))

    assert [(item.route.name, item.matched, item.why) for item in explained] == [
        ("exact", False, "needs the fields x-key, x-b"),
        ("get", False, "serves GET, HEAD"),
        ("v1", True, "serves it"),
        ("v2", False, "the path is not below /v2"),
        ("host", False, "the host is none of x.example, *.y.example"),
        ("all", True, "matches, but a more specific one serves it"),
    ]


def test_explanation_without_a_match_says_why_for_all() -> None:
    """TRACE is missing from "all methods"."""
    explained = RouteTable([a_route("/")]).explain(a_request("TRACE"))

    assert [(item.matched, item.why) for item in explained] == [(False, "serves every method but TRACE")]


@pytest.mark.parametrize("table", [BY_PATH, BY_HOST, BY_REST])
@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("target", ["/", "/v1", "/v1/private", "/long"])
@pytest.mark.parametrize("authority", ["", "a.example.com", "x.b.example.com", "b.example.com"])
def test_explanation_agrees_with_the_match(table: RouteTable, method: str, target: str, authority: str) -> None:
    """What the command line says is what the gateway does."""
    request = a_request(method, target, [("X-A", "1")], authority=authority)

    chosen = next(item.route for item in table.explain(request) if item.matched)

    assert chosen is table.match(request).route


def microseconds_a_match(routes: list[Route]) -> float:
    table, request = RouteTable(routes), a_request(target="/tenant-7/v1/x", authority="t7.example")
    best = 1.0
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(200):
            table.match(request)
        best = min(best, (time.perf_counter() - started) / 200)
    return best * 1e6


def test_ten_thousand_routes_cost_as_much_as_ten() -> None:
    """Looking a route up does not walk the table, by path or by host."""

    def routes(count: int) -> list[Route]:
        by_path = [a_route(f"/tenant-{n}/v1", f"p{n}") for n in range(count // 2)]
        return by_path + [a_route("/", f"h{n}", hosts=(f"t{n}.example",)) for n in range(count // 2)]

    assert microseconds_a_match(routes(10_000)) < 5 * microseconds_a_match(routes(20)) + 20


def test_preflight_finds_the_route_of_the_method_it_asks_for() -> None:
    """Where that route answers preflights; others need OPTIONS among their methods, as ever."""
    cors = Cors(frozenset({"https://app.example.com"}))
    reading = replace(a_route("/x", "reading", methods=frozenset({"GET"})), cors=cors)
    writing = replace(a_route("/x", "writing", methods=frozenset({"PUT"})), cors=cors)
    closed = a_route("/x", "closed", methods=frozenset({"DELETE"}))
    table = RouteTable([reading, writing, closed])

    def asked(method: str, *more: tuple[str, str]) -> str:
        fields = [("Origin", "https://app.example.com"), ("Access-Control-Request-Method", method), *more]
        return table.match(a_request("OPTIONS", "/x/y", fields)).route.name

    assert (asked("GET"), asked("PUT")) == ("reading", "writing")
    for method in ("DELETE", "POST"):
        with pytest.raises(FailureError) as caught:
            asked(method)
        assert caught.value.failure.kind is METHOD_NOT_ALLOWED
    with pytest.raises(FailureError):
        table.match(a_request("OPTIONS", "/x/y"))
