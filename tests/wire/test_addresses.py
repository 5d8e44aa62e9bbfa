"""Who may come, by address: at the door of the server, and on routes by what trusted peers say."""

from collections.abc import Iterator

import pytest
from support.conditions import wait_until
from support.gateway_process import Line
from support.rig import Rig, problem_code, request

ROUTES = [
    {"name": "all", "path": "/"},
    {"name": "some", "path": "/some", "addresses": {"allow": ["192.0.2.0/24"], "deny": ["192.0.2.66"]}},
]
SERVER = {"addresses": {"deny": ["127.0.0.66"]}, "max_connections_per_address": 3}
FORWARDING = {"trusted_peers": ["127.0.0.9"]}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    directory = tmp_path_factory.mktemp("rig")
    with Rig(directory, server=SERVER, forwarding=FORWARDING, routes=ROUTES) as rig:
        rig.answers()
        yield rig


def refusals(rig: Rig, code: str) -> list[Line]:
    return [line for line in rig.gateway.log_lines() if line["failure"] == code]


def test_denied_address_is_closed_before_anything_is_read(rig: Rig) -> None:
    """Not one octet comes back, none is waited for, and the log has a line."""
    with rig.client(source="127.0.0.66") as client:
        assert client.wait_closed(2) in ("eof", "reset")
    line = wait_until(
        lambda: [line for line in refusals(rig, "address_denied") if line["peer"] == "127.0.0.66"], 2, "the line"
    )[0]
    assert (line["outcome"], line["status"]) == ("rejected", None)


def test_route_believes_trusted_peers_only(rig: Rig) -> None:
    """The address that decides is the client's, as the nearest trusted peer tells it."""
    cases = [
        ("127.0.0.9", "192.0.2.1", 200),
        ("127.0.0.9", "192.0.2.66", 403),
        ("127.0.0.9", "192.0.2.1, 198.51.100.1", 403),
        ("127.0.0.1", "192.0.2.1", 403),
    ]
    for source, told, status in cases:
        with rig.client(source=source) as client:
            client.send(request("GET /some HTTP/1.1", f"X-Forwarded-For: {told}"))
            answer = client.read_response()
            assert answer.status == status, (source, told)
            if status == 403:
                assert problem_code(answer) == "address_denied"


def test_one_address_gets_so_many_connections(rig: Rig) -> None:
    """Further ones are closed at once; other addresses are served, and so is this one when it has left."""
    source = "127.0.0.2"
    clients = [rig.client(source=source) for _ in range(3)]
    try:
        for client in clients:
            assert client.get("/x").read_response().status == 200
        with rig.client(source=source) as further:
            assert further.wait_closed(2) in ("eof", "reset")
        line = wait_until(lambda: refusals(rig, "address_crowded"), 2, "the line")[0]
        assert (line["peer"], line["outcome"]) == (source, "rejected")
        with rig.client(source="127.0.0.3") as other:
            assert other.get("/x").read_response().status == 200
    finally:
        for client in clients:
            client.socket.close()

    def served() -> bool:
        with rig.client(source=source) as again:
            try:
                return again.get("/x").read_response().status == 200
            except (OSError, AssertionError, EOFError):
                return False

    wait_until(served, 2, "a place for the address")


def test_trusted_peer_is_not_counted(rig: Rig) -> None:
    """Behind a proxy are many clients."""
    clients = [rig.client(source="127.0.0.9") for _ in range(6)]
    try:
        assert [client.get("/x").read_response().status for client in clients] == [200] * 6
    finally:
        for client in clients:
            client.socket.close()
