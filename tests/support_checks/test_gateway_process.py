"""The configuration a test's gateway is started with, and what the kernel tells about processes."""

import os
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support import processes
from support.certificates import TlsFiles
from support.conditions import wait_until
from support.gateway_process import Gateway, route_to
from support.ports import free_port

_TESTS = Path(__file__).parents[1]


def test_configuration_holds_the_tables_of_server_admin_log_and_routes(tmp_path: Path, tls_files: TlsFiles) -> None:
    """What is asked of Gateway stands in the file, as TOML."""
    routes = route_to("http://127.0.0.1:1", timeouts={"idle": "1s"}, methods=["GET"])
    gateway = Gateway(routes, tmp_path / "g", server={"drain_timeout": "2s"}, tls=tls_files)
    values = tomllib.loads(gateway.file.read_text())
    assert values["server"] == {
        "listen": f"127.0.0.1:{gateway.address[1]}",
        "tls": {"certificate": str(tls_files.certificate), "key": str(tls_files.key)},
        "drain_timeout": "2s",
    }
    assert values["admin"] == {"listen": f"127.0.0.1:{gateway.admin_address[1]}"}
    assert values["log"] == {"format": "json"}
    assert values["upstreams"] == {"up": {"endpoints": ["http://127.0.0.1:1"]}}
    (route,) = values["routes"]
    assert route == {"name": "all", "path": "/", "upstream": "up", "timeouts": {"idle": "1s"}, "methods": ["GET"]}


def test_gateway_that_cannot_start_says_why(tmp_path: Path) -> None:
    """A start that fails shows the file and the output."""
    with pytest.raises(AssertionError, match="no_such_key"), Gateway("no_such_key = 1\n", tmp_path / "g"):
        pass


def test_ports_are_free_and_never_given_twice() -> None:
    """Two parties of one test never get the same port."""
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    with socket.create_server(("127.0.0.1", ports[0])):
        pass


def test_ports_of_a_run_are_left_alone_by_another() -> None:
    """A run's ports belong to it: they are none of another run's, and the kernel gives them to no connection."""
    port = free_port()
    dynamic = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]
    assert port < int(dynamic)
    ask = f"from support import ports; print(*filter(ports.claimed, ports.blocks())); print(ports.block_of({port}))"
    said = subprocess.run([sys.executable, "-c", ask], cwd=_TESTS, capture_output=True, text=True, check=True).stdout
    theirs, ours = said.splitlines()
    assert ours not in theirs.split()


def test_condition_that_stays_false_fails_with_its_name() -> None:
    """A wait in vain says what it waited for."""
    with pytest.raises(AssertionError, match=r"0\.02 s in vain for the moon; last seen: 0"):
        wait_until(lambda: 0, 0.02, "the moon")


def test_kernel_knows_descriptors_and_connections() -> None:
    """Counts change with what a process does."""
    fds = processes.open_fds(os.getpid())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), listener.accept()[0]:
            assert processes.established_connections(os.getpid(), remote_port=port) == 1
            assert processes.established_connections(os.getpid(), local_port=port) == 1
            assert processes.open_fds(os.getpid()) == fds + 3
        assert processes.established_connections(os.getpid(), remote_port=port) == 0


def test_connection_the_peer_has_ended_is_held_until_it_is_closed() -> None:
    """A leak shows as held, also where nothing is established any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        peer = socket.create_connection(("127.0.0.1", port))
        with listener.accept()[0]:
            peer.close()
            wait_until(lambda: not processes.established_connections(os.getpid(), local_port=port))
            assert processes.held_connections(os.getpid(), local_port=port) == 1
        assert processes.held_connections(os.getpid(), local_port=port) == 0


def test_kernel_knows_the_children_of_a_process() -> None:
    """A child is listed while it lives."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert child.pid in processes.children(os.getpid())
    assert processes.rss_kib(child.pid) > 1000
    assert processes.end(child) < 0
    assert child.stdin is not None
    child.stdin.close()
    assert child.pid not in processes.children(os.getpid())
