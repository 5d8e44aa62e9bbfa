"""The command line as people and scripts meet it: what it says where, and with which exit status."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import processes
from support.conditions import wait_until
from support.ports import free_port
from support.rude_client import RudeClient
from support.scripted_upstream import ScriptedUpstream, read_request, response

from gateway import __version__

PROJECT = Path(__file__).parents[2]
GOOD = """
[server]
listen = "127.0.0.1:{port}"
[admin]
listen = "off"
[upstreams.up]
endpoints = ["http://127.0.0.1:9"]
[[routes]]
name = "api"
path = "/api/"
methods = ["GET"]
upstream = "up"
[[routes]]
name = "rest"
path = "/"
upstream = "up"
"""
BROKEN = """
[server]
listen = "127.0.0.1:0x"
wrkers = 2
[upstreams.up]
endpoints = ["http://127.0.0.1:9"]
[[routes]]
name = "api"
path = "/api/"
upstream = "nowhere"
timeouts = { idle = "5 parsecs" }
[[routes]]
name = "rest"
path = "rest"
upstream = "up"
"""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "gateway", *arguments]


def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("GATEWAY")}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=30, cwd=PROJECT, env=environment(), check=False
    )


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.toml"
    path.write_text(GOOD.replace("{port}", str(free_port())))
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.toml"
    path.write_text(BROKEN)
    return path


def test_version_is_told() -> None:
    """``--version`` is 0 and one line on stdout."""
    done = run("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip().endswith(__version__)


def test_good_file_is_called_good(good: Path) -> None:
    """``check`` is 0, counts routes and upstreams, and has nothing to complain about."""
    done = run("check", "-c", str(good))
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 routes to 1 upstreams" in done.stdout


@pytest.mark.parametrize(("verb", "status"), [("check", 1), ("serve", 78), ("routes", 1)])
def test_broken_file_is_told_with_every_problem_at_its_place(broken: Path, verb: str, status: int) -> None:
    """All problems at once on stderr, each with line and column; stdout stays empty, and no traceback comes."""
    done = run(verb, "-c", str(broken))
    assert (done.returncode, done.stdout) == (status, "")
    assert "Traceback" not in done.stderr
    for line, word in {3: "listen", 4: "wrkers", 10: "nowhere", 11: "idle", 14: "path"}.items():
        assert re.search(rf"broken\.toml:{line}:\d+: [^\n]*{word}", done.stderr), (line, word, done.stderr)


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"[server"], ids=["missing", "not-text", "not-toml"])
def test_unreadable_file_is_78_and_named(tmp_path: Path, content: bytes | None) -> None:
    """A file that is not there, or is no TOML, is said to be so."""
    path = tmp_path / "some.toml"
    if content is not None:
        path.write_bytes(content)
    done = run("serve", "-c", str(path))
    assert done.returncode == 78
    assert "some.toml" in done.stderr and "Traceback" not in done.stderr


def test_unit_does_not_start_again_what_a_bad_file_ended() -> None:
    """It would end the same way every two seconds."""
    unit = (PROJECT / "deploy" / "slowgate.service").read_text()
    (statuses,) = re.findall(r"^RestartPreventExitStatus=(.*)$", unit, re.M)
    assert {"2", "78"} <= set(statuses.split())


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["serve", "--nonsense"], ["routes", "GET"], ["proxy"], ["check", "extra"]]
)
def test_wrong_usage_is_2_with_a_hint(arguments: list[str]) -> None:
    """Usage errors go to stderr and say how it is meant."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: gateway" in done.stderr and "Error: " in done.stderr


@pytest.mark.parametrize("with_file", [True, False])
def test_address_that_is_taken_is_69_at_once(good: Path, with_file: bool) -> None:
    """Another program listens there: the status of sysexits for it, and the address in the message."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        if with_file:
            good.write_text(GOOD.replace("{port}", str(port)))
            done = run("serve", "-c", str(good))
        else:
            done = run("proxy", "--to", "http://127.0.0.1:9", "--listen", f"127.0.0.1:{port}", "--admin", "off")
    assert done.returncode == 69
    assert f"127.0.0.1:{port}" in done.stderr and "already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_second_gateway_on_one_address_is_69(good: Path) -> None:
    """Also with several workers two gateways never share an address by accident."""
    good.write_text(good.read_text().replace("[server]", "[server]\nworkers = 2"))
    with started("serve", "-c", str(good)) as first:
        wait_until(lambda: "is ready" in first.errors(), 15, "the first gateway")
        assert run("serve", "-c", str(good)).returncode == 69


def test_routes_are_listed_and_explained(good: Path) -> None:
    """Without a request all routes; with one, which serves it, why the others do not, and 1 where none does."""
    listed = run("routes", "-c", str(good))
    assert listed.returncode == 0 and [line.split()[0] for line in listed.stdout.splitlines()] == ["api", "rest"]
    explained = run("routes", "-c", str(good), "GET", "/api/x?y")
    assert explained.returncode == 0
    (chosen,) = (line for line in explained.stdout.splitlines() if line.startswith("->"))
    assert chosen.split()[1] == "api"
    other = run("routes", "-c", str(good), "POST", "/other")
    assert "-> rest" in other.stdout
    refused = run("routes", "-c", str(good), "GET", "/api/../../etc/passwd")
    assert refused.returncode == 1 and "refused with 400" in refused.stderr


class Started:
    """A command that runs on, its output in files."""

    def __init__(self, process: subprocess.Popen[bytes], directory: Path) -> None:
        self.process = process
        self._directory = directory

    def errors(self) -> str:
        return (self._directory / "err").read_text()


@contextmanager
def started(*arguments: str) -> Iterator[Started]:
    """Start a command; end it and what it started."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with (directory / "out").open("wb") as out, (directory / "err").open("wb") as err:
            process = subprocess.Popen(
                command(*arguments), stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=PROJECT, env=environment()
            )
        try:
            yield Started(process, directory)
        finally:
            processes.end(process, signal.SIGTERM, 15)


def test_proxy_needs_no_file() -> None:
    """``proxy --to`` relays everything to one address, says so on stderr, and ends with 0 on SIGTERM."""
    port = free_port()
    with (
        ScriptedUpstream([read_request, response(b"through")]) as upstream,
        started("proxy", "--to", upstream.url, "--listen", f"127.0.0.1:{port}", "--admin", "off") as proxy,
    ):
        wait_until(lambda: "is ready" in proxy.errors(), 15, "the proxy to be ready")
        assert f"http://127.0.0.1:{port} -> {upstream.url}" in proxy.errors()
        with RudeClient(("127.0.0.1", port)) as client:
            assert client.get("/any/path?q").read_response().body == b"through"
        assert upstream.requests[0].target == "/any/path?q"
        assert processes.end(proxy.process) == 0


def test_proxy_to_something_that_is_no_address_is_1() -> None:
    """The message names what was given."""
    done = run("proxy", "--to", "ftp://example.com")
    assert done.returncode == 1 and "ftp://example.com" in done.stderr and "Traceback" not in done.stderr
