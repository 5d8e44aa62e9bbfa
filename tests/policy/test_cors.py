"""CORS: who may, what a preflight is told, and what every answer says."""

from dataclasses import replace
from typing import Any

import pytest
from support.exchanges import a_request, a_route, an_attempt, an_exchange

from gateway.exchange.message import Fields, ReplyHead
from gateway.exchange.route import Cors, Route
from gateway.policy.cors import CorsSettings, allows, hooks, preflight_for

APP = "https://app.example.com"


def compiled(*origins: str, **more: Any) -> Cors:
    cors = CorsSettings(origins=origins or (APP,), **more).compiled()["cors"]
    assert isinstance(cors, Cors)
    return cors


def route(*origins: str, methods: frozenset[str] = frozenset(), **more: Any) -> Route:
    return replace(a_route(methods=methods), cors=compiled(*origins, **more))


def preflight(of: Route, origin: str = APP, method: str = "PUT", *more: tuple[str, str]) -> Fields:
    """Return all fields of the answer to a preflight."""
    fields = [("Origin", origin), ("Access-Control-Request-Method", method), *more]
    exchange, found = an_exchange(a_request("OPTIONS", fields=fields), of), hooks(of)
    assert found.admit is not None and found.commit is not None
    reply = found.admit(exchange)
    assert reply is not None and reply.head.status == 204
    found.commit(exchange, reply.head)
    return reply.head.fields


def answered(of: Route, origin: str | None, *theirs: tuple[str, str], attempted: bool = True) -> Fields:
    """Return the fields of an answer, which came with ``theirs``."""
    exchange = an_exchange(a_request(fields=[] if origin is None else [("Origin", origin)]), of)
    if attempted:
        exchange.attempts.append(an_attempt())
    head, found = ReplyHead(200, "OK", list(theirs)), hooks(of)
    assert found.admit is not None and found.commit is not None
    assert found.admit(exchange) is None
    found.commit(exchange, head)
    return head.fields


@pytest.mark.parametrize(
    ("listed", "origin", "allowed"),
    [
        (APP, APP, True),
        (APP, "http://app.example.com", False),
        (APP, f"{APP}:8443", False),
        (APP, f"{APP}.evil.example", False),
        (APP, "null", False),
        (APP, "", False),
        ("https://*.example.com", APP, True),
        ("https://*.example.com", "https://a.b.example.com", True),
        ("https://*.example.com", "https://example.com", False),
        ("https://*.example.com", "https://.example.com", False),
        ("https://*.example.com", "https://evilexample.com", False),
        ("https://*.example.com", "https://evil.com/.example.com", False),
        ("https://*.example.com", "https://evil.com?.example.com", False),
        ("https://*.example.com", "https://evil.com:1.example.com", False),
        ("https://*.example.com", "http://app.example.com", False),
        ("https://*.example.com:8443", f"{APP}:8443", True),
        ("https://*.example.com:8443", APP, False),
        ("*", "https://anything.test", True),
        ("*", "null", False),
        ("null", "null", True),
    ],
)
def test_origin_is_allowed_as_a_whole_or_not_at_all(listed: str, origin: str, allowed: bool) -> None:
    """No part of a name passes for the whole, and null only where it is named."""
    assert allows(compiled(listed), origin) is allowed


def test_route_without_origins_leaves_cors_to_its_upstream() -> None:
    """And costs nothing."""
    assert CorsSettings(methods=("GET",)).compiled() == {"cors": None}
    assert hooks(a_route()).admit is None
    assert hooks(a_route()).commit is None


def test_preflight_is_told_what_is_allowed() -> None:
    """Methods, fields and how long to remember; the origin itself, for the answer is another one for each."""
    assert preflight(route(methods=frozenset({"POST", "GET"}))) == [
        ("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers"),
        ("Access-Control-Allow-Methods", "GET, POST"),
        ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
        ("Access-Control-Max-Age", "600"),
        ("Access-Control-Allow-Origin", APP),
        ("Vary", "Origin"),
    ]


def test_preflight_of_another_origin_is_told_nothing() -> None:
    """The browser takes that for a no; caches learn that others may get another answer."""
    names = {name for name, _ in preflight(route(), "https://evil.example")}
    assert names == {"Vary"}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("x-one, X-Two", "Authorization, Content-Type, x-one, x-two"),
        ("authorization,x-one", "Authorization, Content-Type, x-one"),
        ("x-one\t, bad name, , \x00, x:y", "Authorization, Content-Type, x-one"),
        ("x" * 9000, "Authorization, Content-Type"),
        (None, "Authorization, Content-Type"),
    ],
)
def test_any_field_is_allowed_by_its_name(asked: str | None, told: str) -> None:
    """A star in the answer would not count for Authorization; what is no name is not said again."""
    more = [] if asked is None else [("Access-Control-Request-Headers", asked)]
    fields = preflight(route(headers=("Authorization", "Content-Type", "*")), APP, "PUT", *more)
    assert [value for name, value in fields if name == "Access-Control-Allow-Headers"] == [told]


@pytest.mark.parametrize(
    ("allowed", "asked", "told"), [(True, "true", True), (True, "x", False), (False, "true", False)]
)
def test_private_network_is_opened_only_where_that_is_said(allowed: bool, asked: str, told: bool) -> None:
    """And only to who asks for it."""
    field = ("Access-Control-Request-Private-Network", asked)
    fields = preflight(route(private_network=allowed), APP, "PUT", field)
    assert (("Access-Control-Allow-Private-Network", "true") in fields) is told


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("GET", [("Origin", APP), ("Access-Control-Request-Method", "PUT")]),
        ("OPTIONS", [("Origin", APP)]),
        ("OPTIONS", [("Access-Control-Request-Method", "PUT")]),
    ],
)
def test_other_requests_are_no_preflights(method: str, fields: Fields) -> None:
    """They go up as ever."""
    assert preflight_for(a_request(method, fields=fields)) is None


def test_answer_of_the_upstream_has_our_word_alone() -> None:
    """Two answers to one question are none; what is not about CORS stays."""
    theirs = [("A", "b"), ("access-control-allow-origin", "*"), ("Access-Control-Allow-Credentials", "true")]
    fields = answered(route(expose_headers=("X-Request-Id",)), APP, *theirs)
    assert fields == [
        ("A", "b"),
        ("Access-Control-Allow-Origin", APP),
        ("Vary", "Origin"),
        ("Access-Control-Expose-Headers", "X-Request-Id"),
    ]


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null"])
def test_other_origins_get_no_permission_but_caches_are_told(origin: str | None) -> None:
    """What the upstream would have permitted goes, too."""
    theirs = ("Access-Control-Allow-Origin", "*")
    assert answered(route(credentials=True), origin, theirs) == [("Vary", "Origin")]
    assert answered(route(credentials=True), origin, attempted=False) == [("Vary", "Origin")]


@pytest.mark.parametrize(
    ("vary", "told"),
    [
        (["Accept-Encoding"], ["Accept-Encoding", "Origin"]),
        (["Accept-Encoding, origin"], ["Accept-Encoding, origin"]),
        (["*"], ["*"]),
        (["X-Origin"], ["X-Origin", "Origin"]),
    ],
)
def test_vary_names_the_origin_once(vary: list[str], told: list[str]) -> None:
    """Beside what else the answer varies by."""
    fields = answered(route(), APP, *(("Vary", value) for value in vary))
    assert [value for name, value in fields if name == "Vary"] == told


def test_every_origin_is_told_by_a_star() -> None:
    """The answer is the same for all, so that caches may keep one."""
    assert answered(route("*"), APP) == [("Access-Control-Allow-Origin", "*")]
    assert answered(route("*"), None) == []
    assert answered(route("*", "null"), "null") == [("Access-Control-Allow-Origin", "null"), ("Vary", "Origin")]


def test_credentials_are_allowed_to_named_origins() -> None:
    """By name, as browsers want it."""
    fields = answered(route(credentials=True), APP)
    assert ("Access-Control-Allow-Origin", APP) in fields
    assert ("Access-Control-Allow-Credentials", "true") in fields
