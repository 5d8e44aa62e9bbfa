"""What the upstream is told about codings."""

from dataclasses import replace

from support.exchanges import a_route, an_attempt, an_exchange

from gateway.exchange.route import Compression
from gateway.policy.plain_coding import hooks, needs_plain


def test_route_that_compresses_asks_for_plain_bodies() -> None:
    """The client's own wish stays between it and the gateway: exactly one line goes up."""
    route = replace(a_route(), compression=Compression(("gzip",)))
    prepare = hooks(route).prepare
    assert needs_plain(route) and prepare is not None
    attempt = an_attempt([("accept-encoding", "gzip"), ("Accept", "*/*"), ("Accept-Encoding", "br")])
    prepare(an_exchange(), attempt)
    assert attempt.fields == [("Accept-Encoding", "identity"), ("Accept", "*/*")]
    prepare(an_exchange(), silent := an_attempt())
    assert silent.fields == [("Accept-Encoding", "identity")]


def test_route_that_only_relays_does_not_interfere() -> None:
    """Where nobody reads the body, what the client accepts goes up untouched."""
    assert not needs_plain(a_route())
    assert hooks(a_route()).prepare is None
