"""``gateway demo``: one command shows a slow stream arriving piece by piece."""

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support import processes
from support.conditions import wait_until
from support.rude_client import RudeClient

PROJECT = Path(__file__).parents[2]
PORTS = (8080, 8081, 9000)


def ports_are_free() -> bool:
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def test_demo_prints_lines_that_work_and_stops_both(tmp_path: Path) -> None:
    """The banner's addresses answer, a slow stream comes slowly, and Ctrl-C ends gateway and upstream with 0."""
    if not ports_are_free():
        pytest.skip("the demo's ports 8080, 8081 and 9000 are taken on this machine")
    errors = tmp_path / "err"
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "demo"],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            stdin=subprocess.DEVNULL,
            cwd=PROJECT,
            env={key: value for key, value in os.environ.items() if not key.startswith("GATEWAY")},
            start_new_session=True,
        )
    try:
        wait_until(lambda: "is ready" in errors.read_text(), 15, "the demo to be ready")
        banner = errors.read_text()
        assert "http://127.0.0.1:8080" in banner and "Ctrl-C" in banner
        commands = [shlex.split(line) for line in banner.splitlines() if line.strip().startswith("curl ")]
        assert len(commands) >= 5
        for words in commands:
            (url,) = (word for word in words if word.startswith("http://"))
            assert answered(url, b"POST" if "-d" in words else b"GET", words), url
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(10) == 0
        wait_until(ports_are_free, 5, "the upstream to be gone, too")
    finally:
        processes.end(process)


def test_demo_whose_upstream_address_is_taken_is_69() -> None:
    """It does not show somebody else's service behind its banner."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # Taken already: as good.
            stack.enter_context(socket.create_server(("127.0.0.1", 9000)))
        command = [sys.executable, "-m", "gateway", "demo"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=PROJECT, check=False)
    assert done.returncode == 69
    assert "127.0.0.1:9000" in done.stderr


def answered(url: str, method: bytes, words: list[str]) -> bool:
    """Return whether the gateway relays an answer whose first octets come before its end."""
    target = re.sub("^http://[^/]*", "", url)
    body = words[words.index("-d") + 1].encode() if "-d" in words else b""
    with RudeClient(("127.0.0.1", 8080)) as client:
        head = f" {target} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n".encode()
        client.send(method + head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        got, arriving = client.open_response()
        return got.first_line == "HTTP/1.1 200 OK" and bool(next(arriving))
