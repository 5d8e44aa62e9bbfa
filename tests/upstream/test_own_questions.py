"""What the gateway itself asks, for tokens, keys and checks: it goes where it is told, and nowhere else."""

import contextlib
from collections.abc import Callable

import pytest
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import ScriptedUpstream, response

from gateway.exchange.callers import Place
from gateway.exchange.credential import TokenSource
from gateway.exchange.failure import ADDRESS_REFUSED, FailureError
from gateway.exchange.route import Upstream
from gateway.exchange.target import Endpoint, parse_endpoint
from gateway.upstream.consulting import consulted, fetched, upstream_of
from gateway.upstream.opening import Opener
from gateway.upstream.own_questions import answer_to
from gateway.upstream.token import fetch_token, token_opener

METADATA = ("http://169.254.169.254", "http://[::ffff:169.254.169.254]", "http://[fe80::1]")


def ask_for_token(endpoint: Endpoint) -> None:
    source = TokenSource(endpoint, "/token", "gateway", "sk-client")
    fetch_token(token_opener(source), source)


def ask_for_keys(endpoint: Endpoint) -> None:
    place = Place(endpoint, "/keys")
    try:
        fetched(Opener(upstream_of(place)), place)
    except ValueError as error:
        assert isinstance(error.__cause__, FailureError)
        raise error.__cause__ from None


def ask_a_check(endpoint: Endpoint) -> None:
    place = Place(endpoint, "/check")
    consulted(Opener(upstream_of(place)), place, [])


@pytest.mark.parametrize("url", METADATA)
@pytest.mark.parametrize("ask", [ask_for_token, ask_for_keys, ask_a_check])
def test_no_question_goes_to_the_metadata_of_a_cloud(ask: object, url: str) -> None:
    """Whatever a name in the configuration resolves to: there is no setting that would allow it here."""
    with pytest.raises(FailureError) as caught:
        ask(parse_endpoint(url))  # type: ignore[operator]
    assert caught.value.failure.kind is ADDRESS_REFUSED


@pytest.mark.parametrize("body", [None, b"form"])
@pytest.mark.parametrize("fresh", [True, False])
def test_question_on_a_kept_connection_that_was_just_closed_is_asked_once_more(
    scripted_upstream: Callable[..., ScriptedUpstream], body: bytes | None, fresh: bool
) -> None:
    """On a new one, whole; a question that wants a new connection anyway is asked once each time."""

    def once_then_gone(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(response(b"yes"))
        connection.read_some()
        connection.reset()

    upstream = scripted_upstream(once_then_gone)
    endpoint = parse_endpoint(upstream.url)
    with contextlib.closing(Opener(Upstream("asked", (endpoint,)))) as opener:
        for _ in range(2):
            reply = answer_to(opener, "test", endpoint, "/x?y", [("Accept", "*/*")], body=body, fresh=fresh)
            assert (reply.head.status, b"".join(reply.chunks)) == (200, b"yes")
            reply.chunks.close()
        method = "GET" if body is None else "POST"
        assert [request.request_line for request in upstream.requests] == [f"{method} /x?y HTTP/1.1"] * 2
        assert [request.body for request in upstream.requests] == [body or b""] * 2
        assert all(request.first("host") == endpoint.authority for request in upstream.requests)
    assert upstream.connections == 2


def test_question_that_is_never_answered_is_given_up(scripted_upstream: Callable[..., ScriptedUpstream]) -> None:
    """Behind a closed kept connection comes one more attempt, not one after the other."""

    def gone(connection: ScriptedConnection) -> None:
        if connection.number == 0:
            connection.read_request()
            connection.send(response(b"yes"))
        connection.read_some()
        connection.reset()

    upstream = scripted_upstream(gone)
    endpoint = parse_endpoint(upstream.url)
    with contextlib.closing(Opener(Upstream("asked", (endpoint,)))) as opener:
        first = answer_to(opener, "test", endpoint, "/", [], fresh=False)
        assert b"".join(first.chunks) == b"yes"
        first.chunks.close()
        with pytest.raises(FailureError):
            answer_to(opener, "test", endpoint, "/", [], fresh=False)
    assert upstream.connections == 2
