"""Which credential an attempt gets, what of the client's it replaces, and when a token is tried anew."""

from dataclasses import replace

import pytest
from support.exchanges import a_request, a_route, an_exchange

from gateway.exchange.attempt import Attempt
from gateway.exchange.credential import Credential, Credentials, Injected, TokenSource
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CREDENTIALS_MISSING, FailureError
from gateway.exchange.identity import Identity
from gateway.exchange.message import Fields
from gateway.exchange.route import Route, Upstream
from gateway.exchange.target import parse_endpoint
from gateway.policy.credentials import hooks, without_parameters
from gateway.policy.hooks import Verdict

A, B = parse_endpoint("https://a.example"), parse_endpoint("https://b.example")
TOKEN = Credential(token=TokenSource(A, "/token", "id", "secret"), replaces=frozenset({"authorization"}))


def bearer(key: str) -> Credential:
    return Credential(Injected((("Authorization", f"Bearer {key}"),)), replaces=frozenset({"authorization"}))


def routed(*credentials: Credentials | None) -> Route:
    return replace(a_route(), upstream=Upstream("up", (A, B)[: len(credentials)]), credentials=credentials)


def prepared(route: Route, exchange: Exchange, endpoint: object = A, fields: Fields | None = None) -> Attempt:
    attempt = Attempt(A if endpoint is A else B, "/x", fields or [])
    exchange.attempts.append(attempt)
    prepare = hooks(route).prepare
    assert prepare is not None
    prepare(exchange, attempt)
    return attempt


def sent(attempt: Attempt) -> Fields:
    assert attempt.injected is not None
    return attempt.injected.onto(attempt.target, attempt.fields or [])[1]


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_exactly_one_authorization_goes_up(name: str) -> None:
    """The client's lines of that name go, however many and however written; its other fields stay."""
    route = routed(Credentials(bearer("ours")))
    attempt = prepared(route, an_exchange(), fields=[(name, "theirs"), ("Cookie", "c"), (name, "more")])
    assert sent(attempt) == [("Cookie", "c"), ("Authorization", "Bearer ours")]


def test_line_that_a_reader_could_take_for_ours_goes() -> None:
    """CGI and WSGI read an underscore as a hyphen."""
    key = Credential(Injected((("X-Api-Key", "ours"),)), replaces=frozenset({"x-api-key"}))
    attempt = prepared(
        routed(Credentials(key)), an_exchange(), fields=[("X_Api-Key", "theirs"), ("Authorization", "t")]
    )
    assert sent(attempt) == [("Authorization", "t"), ("X-Api-Key", "ours")]


def test_credential_is_not_written_into_what_is_shown() -> None:
    """Logs and commands may print an attempt's target and fields."""
    key = Credential(Injected((("X-Api-Key", "ours"),), "key=ours"), parameters=frozenset({"key"}))
    attempt = prepared(routed(Credentials(key)), an_exchange())
    assert "ours" not in f"{attempt.target} {attempt.fields} {attempt}"


@pytest.mark.parametrize(
    ("target", "left"),
    [
        ("/a", "/a"),
        ("/a?", "/a?"),
        ("/a?key=1", "/a"),
        ("/a?x&key=1&y=%20", "/a?x&y=%20"),
        ("/a?k%65y=1&KEY=2&key", "/a"),
        ("/key?keys=1", "/key?keys=1"),
        ("/a?&key=1&", "/a?&"),
    ],
)
def test_parameters_of_the_client_are_taken_out_whatever_their_escapes(target: str, left: str) -> None:
    """The rest keeps its octets."""
    assert without_parameters(target, frozenset({"key"})) == left


def test_each_endpoint_gets_its_own() -> None:
    """A key for one never goes to another, and an endpoint without gets none."""
    route = routed(Credentials(bearer("a")), Credentials(bearer("b")))
    exchange = an_exchange()
    assert sent(prepared(route, exchange)) == [("Authorization", "Bearer a")]
    assert sent(prepared(route, exchange, B)) == [("Authorization", "Bearer b")]
    other = prepared(routed(Credentials(bearer("a")), None), exchange, B, [("Authorization", "theirs")])
    assert (other.injected, other.fields) == (None, [("Authorization", "theirs")])


def of(principal: str | None) -> Exchange:
    exchange = an_exchange()
    exchange.identity = None if principal is None else Identity(principal, "key")
    return exchange


@pytest.mark.parametrize(
    ("principal", "refuses", "key"),
    [
        ("a", True, "a"),
        ("b", True, None),
        (None, True, None),
        ("a", False, "a"),
        ("b", False, "all"),
        (None, False, "all"),
    ],
)
def test_each_caller_gets_its_own_and_others_are_refused_unless_told_otherwise(
    principal: str | None, refuses: bool, key: str | None
) -> None:
    """Nobody uses the key of somebody else by being unknown."""
    route = routed(Credentials(bearer("all"), {"a": bearer("a")}, refuses))
    if key is None:
        with pytest.raises(FailureError) as raised:
            prepared(route, of(principal))
        assert raised.value.failure.kind is CREDENTIALS_MISSING
    else:
        assert sent(prepared(route, of(principal))) == [("Authorization", f"Bearer {key}")]


def answered(exchange: Exchange, attempt: Attempt, status: int, refused: bool = True) -> Attempt:
    attempt.injected = Injected(refused=lambda: refused)
    attempt.status = status
    return attempt


@pytest.mark.parametrize(("status", "refused", "again"), [(401, True, True), (401, False, False), (403, True, False)])
def test_token_that_is_not_accepted_is_tried_anew_once(status: int, refused: bool, again: bool) -> None:
    """Only for 401, only where there will be another token, and a second 401 is the upstream's word."""
    route = routed(Credentials(TOKEN))
    judge, exchange = hooks(route).judge, an_exchange(a_request("POST"))
    assert judge is not None
    first = answered(exchange, prepared(route, exchange), status, refused)
    assert judge(exchange, first) is (Verdict.RETRY if again else Verdict.TAKE)
    assert first.counted is not again
    second = answered(exchange, prepared(route, exchange), 401)
    if again:
        assert judge(exchange, second) is Verdict.TAKE


def test_body_is_kept_for_the_new_token_only_where_there_is_one() -> None:
    """Other credentials cost no memory."""
    for credential, kept in ((TOKEN, 9), (bearer("k"), 0)):
        route = routed(Credentials(credential))
        route = replace(route, retry=replace(route.retry, buffer_bytes=9))
        small, large = (an_exchange(a_request("POST", body_length=length)) for length in (9, 10))
        prepared(route, small)
        prepared(route, large)
        assert (small.replay_bytes, large.replay_bytes) == (kept, 0)


def test_route_without_credentials_asks_nothing_of_a_request() -> None:
    """Neither does one whose credentials say nothing; only tokens are judged."""
    assert hooks(a_route()).prepare is None
    assert hooks(routed(None)).prepare is None
    assert hooks(routed(Credentials(bearer("k")))).judge is None
