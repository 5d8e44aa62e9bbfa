"""Connections to an upstream that nobody uses: kept for `keepalive`, then given back without waiting for a request."""

from collections.abc import Callable

from support.gateway_process import Gateway, route_to
from support.rude_client import RudeClient
from support.scripted_upstream import ScriptedUpstream, for_each_request, response


def test_idle_upstream_connection_is_closed_after_its_time_without_another_request(
    scripted_upstream: Callable[..., ScriptedUpstream], gateway: Callable[..., Gateway]
) -> None:
    """An upstream does not keep waiting on a gateway that has nothing more to ask."""
    upstream = scripted_upstream(for_each_request(response(b"x")))
    running = gateway(route_to(upstream.url, upstream={"keepalive": "1s"}))
    with RudeClient(running.address) as client:
        assert client.get("/").read_response().complete
        assert upstream.open_connections == 1
        upstream.wait_until(lambda seen: seen.open_connections == 0, timeout=4.0)
        assert client.get("/").read_response().complete
    assert upstream.connections == 2
