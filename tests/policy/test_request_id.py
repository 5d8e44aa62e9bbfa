"""The id under which an exchange is known."""

import pytest
from support.exchanges import a_route, an_attempt, an_exchange

from gateway.exchange.message import ReplyHead
from gateway.exchange.route import Forwarding
from gateway.policy.request_id import hooks, request_id


@pytest.mark.parametrize("incoming", ["a", "7f3c-4e:x/1=", "x" * 128])
def test_id_of_a_trusted_peer_is_kept(incoming: str) -> None:
    """One id goes through all gateways on the way."""
    assert request_id(incoming, True, "fresh") == incoming


@pytest.mark.parametrize("incoming", [None, "", "x" * 129, "a b", "a\tb", "a\n", "é", "\x7f"])
def test_id_that_is_none_is_replaced(incoming: str | None) -> None:
    """Nothing that could harm a log becomes an id."""
    assert request_id(incoming, True, "fresh") == "fresh"


def test_id_of_a_stranger_is_replaced() -> None:
    """A client cannot choose under which id it is known."""
    assert request_id("a", False, "fresh") == "fresh"


def test_upstream_is_told_the_id_once() -> None:
    """Whatever the client sent under that name is replaced."""
    prepare, attempt = hooks(a_route()).prepare, an_attempt([("x-request-id", "theirs"), ("X-Request-ID", "2")])
    assert prepare is not None

    prepare(an_exchange(), attempt)

    assert attempt.fields == [("X-Request-Id", "0f1e")]


def test_attempt_without_fields_gets_the_id() -> None:
    """The id needs no other line."""
    prepare, attempt = hooks(a_route()).prepare, an_attempt()
    attempt.fields = None
    assert prepare is not None

    prepare(an_exchange(), attempt)

    assert attempt.fields == [("X-Request-Id", "0f1e")]


def test_client_is_told_the_id_unless_the_upstream_answered_with_its_own() -> None:
    """The upstream's id is what its support asks for."""
    commit = hooks(a_route()).commit
    assert commit is not None
    ours, theirs = ReplyHead(200, "", []), ReplyHead(200, "", [("x-request-ID", "up")])

    commit(an_exchange(), ours)
    commit(an_exchange(), theirs)

    assert ours.fields == [("X-Request-Id", "0f1e")]
    assert theirs.fields == [("x-request-ID", "up")]


def test_name_of_the_field_is_the_routes() -> None:
    """Another name is used both ways; without a name nothing is said."""
    prepare, attempt = hooks(a_route(forwarding=Forwarding(request_id_header="X-Trace"))).prepare, an_attempt()
    assert prepare is not None
    silent = hooks(a_route(forwarding=Forwarding(request_id_header="")))

    prepare(an_exchange(), attempt)

    assert attempt.fields == [("X-Trace", "0f1e")]
    assert (silent.prepare, silent.commit) == (None, None)
