"""Bodies that the gateway itself brings somewhere."""

import contextlib
from collections.abc import Callable, Iterator

import pytest
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import Script, ScriptedUpstream, for_each_request, response

from gateway.exchange.callers import Place
from gateway.exchange.failure import FailureError
from gateway.exchange.target import parse_endpoint
from gateway.upstream.opening import Opener
from gateway.upstream.posting import posted, posting_opener

Receiver = Callable[[Script], tuple[ScriptedUpstream, Opener, Place]]


@pytest.fixture
def receiver(scripted_upstream: Callable[..., ScriptedUpstream]) -> Iterator[Receiver]:
    """Start a receiver; the connections to it end with the test."""
    with contextlib.ExitStack() as stack:

        def start(script: Script) -> tuple[ScriptedUpstream, Opener, Place]:
            upstream = scripted_upstream(script)
            place = Place(parse_endpoint(upstream.url), "/v1/traces")
            opener = posting_opener(place)
            stack.callback(opener.close)
            return upstream, opener, place

        yield start


def test_body_goes_up_whole_and_the_answer_comes_back(receiver: Receiver) -> None:
    """By POST, with its length, and the fields that were given."""
    upstream, opener, place = receiver(for_each_request(response(b"thanks", "Retry-After: 3", status="429 Slow")))

    answer = posted(opener, place, [("Content-Type", "x/y")], b"octets")

    assert answer == (429, "3", b"thanks")
    (request,) = upstream.requests
    assert request.request_line == "POST /v1/traces HTTP/1.1"
    assert (request.body, request.first("content-length"), request.first("content-type")) == (b"octets", "6", "x/y")


def test_connection_is_used_again_and_its_close_is_survived(receiver: Receiver) -> None:
    """A receiver that closes between two messages gets the second one on a new connection, once."""

    def once_then_gone(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(response(b""))
        connection.read_some()
        connection.reset()

    upstream, opener, place = receiver(once_then_gone)
    for body in (b"one", b"two"):
        assert posted(opener, place, [], body).status == 200
    assert [request.body for request in upstream.requests] == [b"one", b"two"]
    assert upstream.connections == 2


def test_answer_without_end_is_not_read_for_ever(receiver: Receiver) -> None:
    """At most 64 KiB of it are kept."""
    _, opener, place = receiver(for_each_request(response(b"x" * 1_000_000)))

    assert len(posted(opener, place, [], b"").body) == 64 * 1024


def test_receiver_that_says_nothing_is_a_failure(receiver: Receiver) -> None:
    """Also where it hangs up in the middle of its answer."""
    for answer in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"):
        _, opener, place = receiver([lambda connection: connection.read_request(), answer])
        with pytest.raises(FailureError):
            posted(opener, place, [], b"octets")
