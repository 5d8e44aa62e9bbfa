"""Who asks: the ways of a route in their order, what lets in, what keeps out, and what has to be asked first."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from support.callers import NOW, OTHER_RSA, RSA, a_guarded_route, a_known, a_rule, a_set, a_token, callers_with
from support.exchanges import a_request, a_route, an_exchange

from gateway.exchange.callers import Callers, CertificateRule, ForwardRule, Place
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import AUTH_UNAVAILABLE, FORBIDDEN, UNAUTHENTICATED, Failure, FailureError
from gateway.exchange.message import Fields, ReplyHead
from gateway.exchange.question import Question
from gateway.exchange.route import Route
from gateway.exchange.target import parse_endpoint
from gateway.policy.caller_jwks import KeyCache, keys_of_set
from gateway.policy.callers import Reach, hooks

KEY: Fields = [("X-API-Key", "the-key")]
BASIC: Fields = [("Authorization", f"Basic {base64.b64encode(b'bob:the-key').decode()}")]
FORWARD = ForwardRule("sso", Place(parse_endpoint("http://127.0.0.1:9"), "/"), "sso:", principal="X-User")
JWKS = Place(parse_endpoint("https://login.example.com"), "/keys")


def everything(**known: Any) -> Callers:
    """Return callers of each kind."""
    return callers_with(
        a_known(**known),
        users={"bob": a_known("bob")},
        certificates=(CertificateRule(a_known("machine"), (("commonName", "machine"),)),),
        tokens={"login": a_rule(), "other": a_rule(name="other", issuer="other", prefix="other:")},
        forwards={"sso": FORWARD},
    )


def reach(**other: Any) -> Reach:
    keys = keys_of_set(a_set(RSA))
    return Reach(lambda: NOW, lambda: 0.0, **{"given": {"login": keys, "other": keys}, **other})


def admitted(route: Route, fields: Fields, reached: Reach | None = None, *, certificate: Any = None) -> Exchange:
    """Return the exchange after its admission, every question asked."""
    exchange = an_exchange(a_request(fields=fields), route)
    exchange.peer_certificate = None if certificate is None else lambda: certificate
    admit = hooks(route, reached or reach()).admit
    assert admit is not None
    found = admit(exchange)
    while isinstance(found, Question):
        found = found.ask()
    assert found is None
    return exchange


def refused(route: Route, fields: Fields, reached: Reach | None = None, **other: Any) -> Failure:
    with pytest.raises(FailureError) as caught:
        admitted(route, fields, reached, **other)
    return caught.value.failure


def who(*args: Any, **other: Any) -> tuple[str, str]:
    identity = admitted(*args, **other).identity
    assert identity is not None
    return identity.principal, identity.method


def test_route_that_asks_nobody_costs_nothing() -> None:
    """There is no hook."""
    assert hooks(a_route()).admit is None


def test_each_way_tells_who_asks() -> None:
    """A key, a password, a certificate, a token."""
    callers = everything()
    machine = {"subject": ((("commonName", "machine"),),)}
    bearer: Fields = [("Authorization", f"Bearer {a_token()}")]

    assert who(a_guarded_route(callers, "keys"), KEY) == ("app", "key")
    assert who(a_guarded_route(callers, "basic"), BASIC) == ("bob", "basic")
    assert who(a_guarded_route(callers, "mtls"), [], certificate=machine) == ("machine", "mtls")
    assert who(a_guarded_route(callers, "jwt:other", "jwt:login"), bearer) == ("login:alice", "jwt")
    assert who(a_guarded_route(callers, "keys", "anonymous"), []) == ("anonymous", "anonymous")


def test_first_way_that_recognizes_the_caller_decides() -> None:
    """The order is the route's."""
    both = KEY + BASIC
    assert who(a_guarded_route(everything(), "keys", "basic"), both) == ("app", "key")
    assert who(a_guarded_route(everything(), "basic", "keys"), both) == ("bob", "basic")


@pytest.mark.parametrize(
    ("ways", "fields", "why"),
    [
        (("keys",), [], "nothing says who asks"),
        (("keys",), [("X-API-Key", "wrong")], "the key is not known"),
        (("keys", "anonymous"), [("X-API-Key", "wrong")], "the key is not known"),
        (("basic",), [("Authorization", "Basic ???")], "the Basic credentials cannot be read"),
        (("basic",), [("Authorization", "Basic Ym9iOng=")], "the user or the password is not known"),
        (("jwt:login",), [("Authorization", "Bearer x")], "the token is not a signed JWT"),
        (("jwt:other", "keys"), [("Authorization", "Bearer x")], "the key is not known"),
        (("jwt:login",), [("Authorization", f"Bearer {a_token(exp=1)}")], "the token has expired"),
        (("keys", "jwt:login", "jwt:other"), [("Authorization", f"Bearer {a_token(exp=1)}")], "the token has expired"),
        (("keys",), KEY + KEY, "more than one key is shown"),
    ],
)
def test_who_shows_nothing_or_something_wrong_is_refused(ways: tuple[str, ...], fields: Fields, why: str) -> None:
    """The reason that says most is told; anonymous callers show nothing."""
    failure = refused(a_guarded_route(everything(), *ways), fields)

    assert failure.kind is UNAUTHENTICATED
    assert failure.detail == why
    assert failure.fields and all(name == "WWW-Authenticate" for name, _ in failure.fields)


def test_challenges_say_what_can_be_shown() -> None:
    """RFC 6750 section 3: the error is named only where something was shown."""
    route = a_guarded_route(everything(), "keys", "basic", "mtls")

    assert [value for _, value in refused(route, []).fields] == [
        'Bearer realm="slowgate"',
        'Basic realm="slowgate", charset="UTF-8"',
    ]
    assert refused(route, [("X-API-Key", "x")]).fields[0][1] == 'Bearer realm="slowgate", error="invalid_token"'
    assert refused(a_guarded_route(everything(), "mtls"), []).fields[0][1] == 'ClientCertificate realm="slowgate"'


def test_key_ends_at_its_expiry() -> None:
    """Not a moment later."""
    assert who(a_guarded_route(everything(expires=NOW + 1), "keys"), KEY) == ("app", "key")
    failure = refused(a_guarded_route(everything(expires=NOW), "keys"), KEY)
    assert (failure.kind, failure.detail) == (UNAUTHENTICATED, "what the caller shows has expired")


def test_key_is_for_its_routes() -> None:
    """Who is known but may not is told so, and recorded by name."""
    callers = everything(routes=frozenset({"demo"}))
    assert who(a_guarded_route(callers, "keys"), KEY) == ("app", "key")

    route = a_guarded_route(callers, "keys", name="admin")
    exchange = an_exchange(a_request(fields=KEY), route)
    admit = hooks(route, reach()).admit
    assert admit is not None
    with pytest.raises(FailureError) as caught:
        admit(exchange)
    assert caught.value.failure.kind is FORBIDDEN
    assert exchange.identity is not None and exchange.identity.principal == "app"


def test_scopes_are_needed_all() -> None:
    """RFC 6750 section 3.1: what is missing is named in the challenge."""
    asks = {"scopes": frozenset({"read", "write"})}
    assert who(a_guarded_route(everything(scopes=frozenset({"read", "write", "x"})), "keys", **asks), KEY)
    failure = refused(a_guarded_route(everything(scopes=frozenset({"read"})), "keys", **asks), KEY)

    assert failure.kind is FORBIDDEN
    assert failure.fields == (
        ("WWW-Authenticate", 'Bearer realm="slowgate", error="insufficient_scope", scope="read write"'),
    )


def test_ten_thousand_wrong_keys_let_nobody_in() -> None:
    """And nothing is remembered of them."""
    route = a_guarded_route(everything(), "keys")
    admit = hooks(route, reach()).admit
    assert admit is not None
    for number in range(10_000):
        with pytest.raises(FailureError):
            admit(an_exchange(a_request(fields=[("X-API-Key", f"the-key{number}")]), route))


class Issuer:
    """Fetches as told."""

    def __init__(self, *answers: bytes | None) -> None:
        self.cache = KeyCache(a_rule(jwks=JWKS))
        self.answers = list(answers)
        self.fetches = 0
        self.now = 0.0

    def reach(self) -> Reach:
        return Reach(lambda: NOW, lambda: self.now, {}, {"login": self.cache}, self.fetch, lambda rule: None)

    def fetch(self, rule: object) -> None:
        self.fetches += 1
        self.cache.begin(self.now)
        self.cache.end(self.answers.pop(0), None, self.now)


def fetching_route() -> Route:
    return a_guarded_route(Callers(tokens={"login": a_rule(jwks=JWKS)}), "jwt:login")


def bearer(token: str) -> Fields:
    return [("Authorization", f"Bearer {token}")]


def test_first_token_waits_for_the_keys_and_later_ones_do_not() -> None:
    """One fetch for all of them."""
    issuer = Issuer(a_set(RSA))
    for _ in range(3):
        assert who(fetching_route(), bearer(a_token()), issuer.reach()) == ("login:alice", "jwt")
    assert issuer.fetches == 1


def test_rotated_key_is_found_and_unknown_ones_are_not_asked_for_again_and_again() -> None:
    """Within an interval an unknown key is simply unknown."""
    issuer = Issuer(a_set(RSA), a_set(RSA, OTHER_RSA), a_set(OTHER_RSA))
    admitted(fetching_route(), bearer(a_token()), issuer.reach())
    issuer.now = 31.0
    assert who(fetching_route(), bearer(a_token(OTHER_RSA)), issuer.reach()) == ("login:alice", "jwt")
    for number in range(100):
        assert (
            refused(fetching_route(), bearer(a_token(header={"kid": f"{number}"})), issuer.reach()).kind
            is UNAUTHENTICATED
        )
    assert issuer.fetches == 2


def test_token_that_cannot_be_ours_fetches_nothing() -> None:
    """Issuer and algorithm are looked at first."""
    issuer = Issuer()
    refused(fetching_route(), bearer(a_token(iss="https://evil.example/")), issuer.reach())
    assert issuer.fetches == 0


def test_issuer_that_was_never_reached_is_an_outage() -> None:
    """Nobody is let in, and nobody is told that the token is wrong."""
    issuer = Issuer(None, None)
    for _ in range(2):
        failure = refused(fetching_route(), bearer(a_token()), issuer.reach())
        assert failure.kind is AUTH_UNAVAILABLE
    assert issuer.fetches == 1


def test_where_nobody_can_be_asked_a_token_is_a_question() -> None:
    """`gateway explain` neither lets it in nor refuses it."""
    route = fetching_route()
    admit = hooks(route).admit
    assert admit is not None
    assert isinstance(admit(an_exchange(a_request(fields=bearer(a_token())), route)), Question)


def checked(status: int, *fields: tuple[str, str]) -> Reach:
    return replace(reach(), consult=lambda rule, sent: ReplyHead(status, "", list(fields)))


def test_external_check_decides() -> None:
    """What it says of the caller counts; its no is a no."""
    route = a_guarded_route(everything(), "keys", "forward_auth:sso")

    assert who(route, [], checked(200, ("X-User", "alice"))) == ("sso:alice", "forward_auth")
    assert who(route, KEY, checked(401)) == ("app", "key")
    assert refused(route, [], checked(401)).kind is UNAUTHENTICATED
    assert refused(route, [], checked(401)).fields
    assert refused(route, [], checked(403)).kind is FORBIDDEN
    assert refused(route, [], checked(500)).kind is AUTH_UNAVAILABLE


def test_no_of_the_check_leaves_the_next_way() -> None:
    """401 says that it does not know the caller; somebody else may."""
    route = a_guarded_route(everything(), "forward_auth:sso", "keys")

    assert who(route, KEY, checked(401)) == ("app", "key")
    assert refused(route, KEY, checked(403)).kind is FORBIDDEN


def test_check_is_not_asked_about_who_shows_nothing_where_anybody_may_pass() -> None:
    """Anonymous callers cost no request."""
    route = a_guarded_route(everything(), "forward_auth:sso", "anonymous")

    assert who(route, [], checked(500)) == ("anonymous", "anonymous")
    assert refused(route, [("Cookie", "a")], checked(401)).kind is UNAUTHENTICATED


def test_scopes_of_the_check_are_needed_too() -> None:
    """A yes without the scope is a no."""
    route = a_guarded_route(everything(), "forward_auth:sso", "keys", scopes=frozenset({"admin"}))

    assert refused(route, [], checked(200, ("X-User", "alice"))).kind is FORBIDDEN
