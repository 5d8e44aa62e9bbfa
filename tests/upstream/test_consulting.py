"""Requests of the gateway's own about callers."""

import contextlib
from collections.abc import Callable, Iterator

import pytest
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import Script, ScriptedUpstream, for_each_request, read_request, reset, response

from gateway.exchange.callers import Place
from gateway.exchange.failure import FailureError
from gateway.exchange.target import parse_endpoint
from gateway.upstream.consulting import MOST_OCTETS, consulted, fetched, upstream_of
from gateway.upstream.opening import Opener

Asked = Callable[[Script], tuple[ScriptedUpstream, Opener, Place]]


@pytest.fixture
def asked(scripted_upstream: Callable[..., ScriptedUpstream]) -> Iterator[Asked]:
    """Start whoever is asked; the connections to it end with the test."""
    with contextlib.ExitStack() as stack:

        def start(script: Script) -> tuple[ScriptedUpstream, Opener, Place]:
            upstream = scripted_upstream(script)
            place = Place(parse_endpoint(upstream.url), "/keys?x")
            opener = Opener(upstream_of(place))
            stack.callback(opener.close)
            return upstream, opener, place

        yield start


def test_keys_are_what_the_answer_holds(asked: Asked) -> None:
    """The request is a plain GET of the URL, for octets as they are."""
    upstream, opener, place = asked([read_request, response(b'{"keys": []}')])

    assert fetched(opener, place) == b'{"keys": []}'
    assert upstream.requests[0].request_line == "GET /keys?x HTTP/1.1"
    assert b"Accept-Encoding: identity" in upstream.requests[0].head_octets


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (response(b"{}", status="404 Not Found"), "status 404"),
        (response(b"", "Location: /x", status="302 Found"), "status 302"),
        (response(b"{}", "Content-Encoding: gzip"), "compressed"),
        (response(b"x" * (MOST_OCTETS + 1)), "larger"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "body_cut"),
        (b"", "head_missing"),
    ],
)
def test_answer_that_holds_no_keys_is_told_in_words(asked: Asked, answer: bytes, why: str) -> None:
    """Redirects are not followed, and nothing is read without a bound."""
    _, opener, place = asked([read_request, answer])

    with pytest.raises(ValueError, match=why):
        fetched(opener, place)


def test_connection_of_a_check_is_used_again(asked: Asked) -> None:
    """The answer's body is read, if it is short, and thrown away."""
    upstream, opener, place = asked(for_each_request(response(b"ok", "X-User: a")))

    for _ in range(3):
        assert consulted(opener, place, [("Cookie", "c")]).first("x-user") == "a"
    assert upstream.connections == 1


def test_check_whose_connection_was_closed_meanwhile_is_asked_once_more(asked: Asked) -> None:
    """The race with an idle connection's close is nobody's outage."""

    def script(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(response(b"ok"))
        if connection.number == 0:
            connection.read_request()

    upstream, opener, place = asked(script)
    assert consulted(opener, place, []).status == 200
    assert consulted(opener, place, []).status == 200
    assert upstream.connections == 2


def test_check_that_breaks_off_is_a_failure(asked: Asked) -> None:
    """On a new connection it is not asked again."""
    upstream, opener, place = asked([read_request, reset])

    with pytest.raises(FailureError):
        consulted(opener, place, [])
    assert upstream.connections == 1
