"""Endpoints that nobody listens on, without any setting about retries."""

from collections.abc import Callable

from support.gateway_process import Gateway, route_to
from support.ports import free_port
from support.rig import ask, request
from support.scripted_upstream import ScriptedUpstream, read_request, response

StartUpstream = Callable[..., ScriptedUpstream]
StartGateway = Callable[..., Gateway]


def test_dead_endpoint_beside_a_living_one_is_not_noticed(
    scripted_upstream: StartUpstream, gateway: StartGateway
) -> None:
    """Without any setting, and for a POST of any size too: nothing was sent to the dead one."""
    upstream = scripted_upstream([read_request, response(b"ok")])
    endpoints = [f"http://127.0.0.1:{free_port()}", upstream.url]
    started = gateway(route_to("", upstream={"endpoints": endpoints, "keepalive": "0s"}))
    body = b"x" * 1_000_000
    post = request("POST / HTTP/1.1", f"Content-Length: {len(body)}", body=body)

    lines = [ask(started, octets) for octets in (request("GET / HTTP/1.1"), post) * 3]

    assert [status for status, _ in lines] == [200] * 6
    assert {line["attempts"] for _, line in lines} == {1, 2}
    assert {line["retried"] for _, line in lines} == {None, "connect_refused"}
    assert {len(seen.body) for seen in upstream.requests} == {0, len(body)}


def test_all_endpoints_dead_is_a_502_after_one_try_at_each(gateway: StartGateway) -> None:
    """The two tries go to two endpoints, and the client hears of the last."""
    endpoints = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    started = gateway(route_to("", upstream={"endpoints": endpoints}))

    status, line = ask(started)

    assert (status, line["failure"], line["attempts"]) == (502, "connect_refused", 2)
    assert (line["retried"], line["not_retried"]) == ("connect_refused", "attempts")


def test_single_dead_endpoint_is_asked_once_by_default(gateway: StartGateway) -> None:
    """There is nowhere else to go."""
    status, line = ask(gateway(route_to(f"http://127.0.0.1:{free_port()}")))

    assert (status, line["failure"], line["attempts"]) == (502, "connect_refused", 1)
