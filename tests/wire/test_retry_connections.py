"""On which connections a retry is made."""

import threading

import pytest
from conftest import StartGateway
from support.gateway_process import route_to
from support.rig import DATE, request
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import ScriptedUpstream, response

_OK = response(b"ok", DATE)
_BUSY = response(b"busy", DATE, status="503 Service Unavailable")


@pytest.mark.parametrize(("method", "connections"), [("GET", 2), ("POST", 3)])
def test_retry_uses_a_kept_connection_where_its_close_would_be_repaired(
    gateway: StartGateway, method: str, connections: int
) -> None:
    """What may not be repaired by itself takes a new one."""
    together, busy_left = threading.Barrier(2, timeout=10), [_BUSY]

    def serve(connection: ScriptedConnection) -> None:
        while connection.is_open:
            if connection.read_request().target == "/warm":
                together.wait()
                connection.send(_OK)
            else:
                connection.send(busy_left.pop() if busy_left else _OK)

    with ScriptedUpstream(serve) as upstream:
        retry = {"attempts": 2, "on": [503], "methods": ["GET", "POST"]}
        started = gateway(route_to(upstream.url, upstream={"keepalive": "30s"}, retry=retry))

        def warm() -> None:
            with RudeClient(started.address) as client:
                assert client.get("/warm").read_response().status == 200

        pair = [threading.Thread(target=warm) for _ in range(2)]
        for each in pair:
            each.start()
        for each in pair:
            each.join(10)
        with RudeClient(started.address) as client:
            answer = client.send(request(f"{method} /a HTTP/1.1")).read_response()

        assert answer.status == 200
        line = started.wait_for_line(lambda line: line["target"] == "/a")
        assert (line["attempts"], line["retried"]) == (2, "503")
        assert upstream.connections == connections
