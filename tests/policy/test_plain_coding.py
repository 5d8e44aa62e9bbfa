"""Which content coding the upstream is asked for, on routes that read or change what they relay."""

from dataclasses import replace

import pytest
from support.exchanges import a_route, an_attempt, an_exchange

from gateway.exchange.message import Fields
from gateway.exchange.route import Compression, Route, Stream
from gateway.policy.plain_coding import hooks, narrowed, needs_plain

WATCHING = a_route(stream=Stream(format="sse", complete="terminal"))
FRAMING = a_route(stream=Stream(format="sse", complete="terminal", on_error="frame"))
PINGING = a_route(stream=Stream(format="sse", keepalive=15.0))
COMPRESSING = replace(a_route(), compression=Compression(("gzip",)))


def asked(route: Route, fields: Fields) -> Fields:
    """Return what a request with ``fields`` asks the upstream for."""
    prepare, attempt = hooks(route).prepare, an_attempt(fields)
    assert prepare is not None
    prepare(an_exchange(route=route), attempt)
    assert attempt.fields is not None
    return attempt.fields


@pytest.mark.parametrize(
    ("accepted", "asked"),
    [
        ([], "identity"),
        ([""], "identity"),
        (["gzip"], "gzip"),
        (["gzip, deflate, br"], "gzip, deflate"),
        (["br;q=1.0, gzip;q=0.8", "x-gzip"], "gzip;q=0.8, x-gzip"),
        (["br"], "identity"),
        (["*"], "identity"),
        (["GZIP ; q=0.5"], "GZIP ; q=0.5"),
        (["gzip;q=0"], "identity"),
        (["gzip;q=0, deflate;q=0.000"], "identity"),
        (["gzip;q=0.001"], "gzip;q=0.001"),
        (["gzip, identity;q=0"], "gzip, identity;q=0"),
        (["br, identity;q=0"], "identity"),
        (["identity"], "identity"),
        (["gzipped"], "identity"),
    ],
)
def test_only_codings_that_can_be_decoded_are_asked_for(accepted: list[str], asked: str) -> None:
    """With the client's own qualities; never one that the client did not name."""
    assert narrowed(accepted) == asked


@pytest.mark.parametrize("route", [FRAMING, PINGING, COMPRESSING])
@pytest.mark.parametrize("fields", [[], [("accept-encoding", "gzip"), ("Accept-Encoding", "br")]])
def test_route_that_injects_or_compresses_asks_for_no_coding(route: Route, fields: Fields) -> None:
    """Nothing can be put into what somebody else has compressed."""
    assert needs_plain(bool(route.compression.codings), route.stream)
    assert asked(route, fields) == [("Accept-Encoding", "identity")]


def test_route_that_only_watches_leaves_what_it_can_decode() -> None:
    """All lines of the client count, and one goes out in the place of the first."""
    assert not needs_plain(False, WATCHING.stream)
    fields = [("accept-encoding", "br"), ("X", "1"), ("Accept-Encoding", "gzip")]
    assert asked(WATCHING, fields) == [("Accept-Encoding", "gzip"), ("X", "1")]


@pytest.mark.parametrize("stream", [Stream(), Stream(format="sse"), Stream(keepalive=1.0, on_error="frame")])
def test_other_routes_ask_for_what_their_clients_ask_for(stream: Stream) -> None:
    """Also those that watch for the record alone: what they cannot read they do not count."""
    assert not needs_plain(False, stream)
    assert hooks(a_route(stream=stream)).prepare is None
