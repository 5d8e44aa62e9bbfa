"""What callers show is taken off before the upstream, whichever way told who asks."""

import pytest
from support.callers import a_guarded_route, a_known, a_rule, a_token, callers_with
from support.exchanges import a_request, a_route, an_attempt, an_exchange

from gateway.exchange.callers import ForwardRule, Place
from gateway.exchange.identity import Identity
from gateway.exchange.message import Fields
from gateway.exchange.target import parse_endpoint
from gateway.policy.caller_credential import hooks

FORWARD = ForwardRule("sso", Place(parse_endpoint("http://127.0.0.1:9"), "/"), "sso:", copy=("X-User",))
CALLERS = callers_with(a_known(), key_query="api_key", forwards={"sso": FORWARD}, tokens={"login": a_rule()})
KEY_FIELDS: Fields = [("x-api-key", "the-key"), ("Accept", "*/*"), ("X-API-Key", "b")]


def sent(
    fields: Fields, *ways: str, target: str = "/x", identity: Identity | None = None, **other: object
) -> tuple[str, Fields]:
    """Return target and fields of an attempt, as they go up."""
    route = a_guarded_route(CALLERS, *ways, **other)
    exchange, attempt = an_exchange(a_request(target=target), route), an_attempt(list(fields))
    exchange.identity, attempt.target = identity, target
    prepare = hooks(route).prepare
    if prepare is not None:
        prepare(exchange, attempt)
    assert attempt.fields is not None
    return attempt.target, attempt.fields


@pytest.mark.parametrize(
    ("ways", "fields", "left"),
    [
        (("keys",), KEY_FIELDS, [("Accept", "*/*")]),
        (("keys",), [("Authorization", "Bearer the-key")], []),
        (("keys",), [("Authorization", "Bearer of-the-upstream")], [("Authorization", "Bearer of-the-upstream")]),
        (("jwt:login",), [("authorization", f"bearer {a_token()}")], []),
        (("keys",), [("Authorization", "Basic abc")], [("Authorization", "Basic abc")]),
        (("keys", "basic"), [("Authorization", "Basic abc")], []),
        (("mtls",), KEY_FIELDS, KEY_FIELDS),
        (("keys",), [("X_API_Key", "the-key"), ("x_api-key", "b")], []),
        (("forward_auth:sso",), [("X_User", "admin"), ("x_user", "root"), ("B", "b")], [("B", "b")]),
        (("anonymous",), [("Authorization", "Bearer the-key")], [("Authorization", "Bearer the-key")]),
        (("forward_auth:sso",), [("Cookie", "a"), ("Authorization", "x"), ("X-User", "me"), ("B", "b")], [("B", "b")]),
    ],
)
def test_what_the_ways_read_ends_here(ways: tuple[str, ...], fields: Fields, left: Fields) -> None:
    """And nothing else: what is meant for the upstream goes up."""
    assert sent(fields, *ways) == ("/x", left)


def test_key_in_the_query_is_taken_off_octet_by_octet() -> None:
    """What stands around it stays as it came."""
    assert sent([], "keys", target="/x?a=%2F&api_key=the-key&b")[0] == "/x?a=%2F&b"
    assert sent([], "jwt:login", target="/x?api_key=1")[0] == "/x?api_key=1"


def test_route_that_passes_credentials_on_changes_nothing() -> None:
    """It was asked for."""
    assert sent(KEY_FIELDS, "keys", target="/x?api_key=1", pass_credential=True) == ("/x?api_key=1", KEY_FIELDS)


def test_fields_of_the_check_are_its_own_words() -> None:
    """What a client sends under these names never goes up, passed credentials or not."""
    identity = Identity("sso:alice", "forward_auth", claims={"X-User": "alice"})

    assert sent([("x-user", "root")], "forward_auth:sso", identity=identity)[1] == [("X-User", "alice")]
    assert sent([("x-user", "root")], "forward_auth:sso", pass_credential=True)[1] == []
    other = Identity("login:x", "jwt", claims={"X-User": "root"})
    assert sent([], "jwt:login", "forward_auth:sso", identity=other)[1] == []


def test_route_that_asks_nobody_costs_nothing() -> None:
    """There is no hook."""
    assert hooks(a_route()).prepare is None
