"""A name with a dead address and a living one, through the real server."""

import threading
from pathlib import Path

import pytest
from support.conditions import patience, wait_until
from support.gateway_process import Gateway, toml_table
from support.kernel import attempts_at, blackhole
from support.rude_client import RudeClient
from support.scripted_upstream import ScriptedUpstream, for_each_request, response

RESOLVER = """
import _socket

known = _socket.getaddrinfo


def getaddrinfo(host, port, *rest, **named):
    if host in ("two.test", b"two.test"):
        return [(_socket.AF_INET, _socket.SOCK_STREAM, 6, "", (each, port)) for each in ("127.0.0.2", "127.0.0.1")]
    return known(host, port, *rest, **named)


_socket.getaddrinfo = getaddrinfo
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What makes the gateway's process find two addresses for ``two.test``."""
    folder = tmp_path / "resolver"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(RESOLVER)
    return {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize("dead", ["refuses", "swallows"])
def test_dead_address_of_a_name_is_passed_by(dead: str, environment: dict[str, str], tmp_path: Path) -> None:
    """At once where it refuses, a quarter of a second later where it says nothing; other exchanges run meanwhile."""
    with ScriptedUpstream(for_each_request(response(b"ok"))) as upstream:
        toml = toml_table("upstreams.up", {"endpoints": [f"http://two.test:{upstream.port}"], "keepalive": "0s"})
        toml += toml_table("[routes]", {"name": "all", "path": "/", "upstream": "up"})
        with Gateway(toml, tmp_path / "g", environment=environment) as gateway:
            if dead == "refuses":
                heads = _ask_together(gateway, 4)
                assert max(heads) < 1000 * patience(0.24)
                return
            with blackhole("127.0.0.2", upstream.port):
                tried = attempts_at(upstream.port)
                heads = _ask_together(gateway, 4)
                assert min(heads) >= 250
                assert max(heads) < 1000 * patience(0.9)
                wait_until(lambda: attempts_at(upstream.port) == tried, 2, "the end of the attempts that lost")
                wait_until(lambda: gateway.open_upstream_connections(upstream.port) == 0, 2, "their sockets to go")


def _ask_together(gateway: Gateway, count: int) -> list[float]:
    """Ask so many times at once; return when each had its head, in milliseconds."""

    def ask() -> None:
        with RudeClient(gateway.address) as client:
            assert client.get("/").read_response().body == b"ok"

    clients = [threading.Thread(target=ask) for _ in range(count)]
    for each in clients:
        each.start()
    for each in clients:
        each.join(10)
    wait_until(lambda: len(gateway.log_lines()) == count, 5, "the lines")
    return [line["head_ms"] for line in gateway.log_lines()]


def test_client_that_leaves_during_the_connecting_leaves_no_socket(environment: dict[str, str], tmp_path: Path) -> None:
    """Every attempt under way is given up."""
    with blackhole("127.0.0.2") as port, blackhole("127.0.0.1", port):
        tried = attempts_at(port)
        toml = toml_table("upstreams.up", {"endpoints": [f"http://two.test:{port}"]})
        toml += toml_table("[routes]", {"name": "all", "path": "/", "upstream": "up"})
        with Gateway(toml, tmp_path / "g", environment=environment) as gateway:
            before = gateway.open_fds()
            with RudeClient(gateway.address) as client:
                client.get("/")
                wait_until(lambda: attempts_at(port) == tried + 2, 5, "both attempts")
            assert gateway.wait_for_line()["outcome"] == "client_gone"
            wait_until(lambda: attempts_at(port) == tried, 2, "the end of both attempts")
            wait_until(lambda: gateway.open_fds() <= before, 2, "the end of all descriptors")
