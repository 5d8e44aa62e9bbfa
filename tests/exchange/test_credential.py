"""Credentials as values: put onto a request last, and never shown."""

import pickle
from dataclasses import replace

import pytest
from support.exchanges import a_route, an_attempt

from gateway.exchange.credential import Credential, Credentials, Hmac, Injected, SigV4, TokenSource
from gateway.exchange.target import parse_endpoint

SOURCE = TokenSource(parse_endpoint("https://idp.example"), "/token", "id", "sk-secret")
EVERYTHING = Credential(
    Injected((("Authorization", "Bearer sk-secret"),), "key=sk-secret"),
    token=SOURCE,
    sigv4=SigV4("r", "s", "id", "sk-secret", "sk-secret"),
    hmac=Hmac(b"sk-secret"),
)


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("/a", "/a?key=1"),
        ("/a?", "/a?key=1"),
        ("/a?b", "/a?b&key=1"),
        ("/a?b&", "/a?b&key=1"),
        ("/a%3F?x=%26", "/a%3F?x=%26&key=1"),
        ("*", "*"),
    ],
)
def test_parameter_comes_behind_the_query_octet_for_octet(target: str, sent: str) -> None:
    """Nothing of the target changes but what is put at its end."""
    assert Injected(query="key=1").onto(target, []) == (sent, [])


def test_lines_come_behind_those_of_the_request_which_stay_as_they_were() -> None:
    """The attempt's own list, which may be shown, does not get them."""
    fields = [("Host", "a")]
    assert Injected((("X-Key", "1"),)).onto("/", fields) == ("/", [("Host", "a"), ("X-Key", "1")])
    assert fields == [("Host", "a")]


def test_nothing_shows_what_it_holds() -> None:
    """Neither a value by itself nor one that holds it, as a traceback or a debugger would print them."""
    credentials = Credentials(EVERYTHING, {"a": EVERYTHING})
    attempt = an_attempt()
    attempt.credential, attempt.injected = EVERYTHING, EVERYTHING.injected
    route = replace(a_route(), credentials=(credentials,))
    for value in (
        EVERYTHING.injected,
        SOURCE,
        EVERYTHING.sigv4,
        EVERYTHING.hmac,
        EVERYTHING,
        credentials,
        attempt,
        route,
    ):
        assert "sk-secret" not in repr(value)
        assert "***" in repr(value)


def test_it_reaches_the_workers_of_a_reload() -> None:
    """The master hands plans to its workers as octets; what is the same stays the same."""
    credentials = Credentials(EVERYTHING, {"a": EVERYTHING})
    assert pickle.loads(pickle.dumps(credentials)) == credentials  # noqa: S301 - as between master and workers
    assert hash(pickle.loads(pickle.dumps(SOURCE))) == hash(SOURCE)  # noqa: S301
