"""Which Host an attempt carries."""

import pytest
from support.exchanges import a_request, a_route, an_attempt, an_exchange

from gateway.exchange.message import Fields
from gateway.policy.host import hooks

X = ("X-A", "1")


@pytest.mark.parametrize(
    ("keep_host", "authority", "host"),
    [
        (False, "api.example.com", "127.0.0.1:9000"),
        (True, "api.example.com", "api.example.com"),
        (True, "", "127.0.0.1:9000"),
    ],
)
@pytest.mark.parametrize("before", [[], [X, ("host", "a")], [("HOST", "a"), X, ("Host", "b")]])
def test_attempt_has_exactly_one_host_and_first(keep_host: bool, authority: str, host: str, before: Fields) -> None:
    """It is the endpoint's, or with keep_host what the client named; never both, never none."""
    prepare, attempt = hooks(a_route(keep_host=keep_host)).prepare, an_attempt(list(before))
    assert prepare is not None

    prepare(an_exchange(a_request(authority=authority)), attempt)

    assert attempt.fields == [("Host", host), *([X] if X in before else [])]


def test_attempt_without_fields_gets_its_host() -> None:
    """The first line needs no others."""
    prepare, attempt = hooks(a_route()).prepare, an_attempt()
    attempt.fields = None
    assert prepare is not None

    prepare(an_exchange(), attempt)

    assert attempt.fields == [("Host", "127.0.0.1:9000")]
