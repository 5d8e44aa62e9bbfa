"""`gateway streams` against a gateway that runs: the table, the list, and how streams are ended from a shell."""

import contextlib
import hashlib
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path

import pytest
from conftest import StartGateway
from support.gateway_process import Gateway, route_to
from support.ports import free_port
from support.rude_client import RudeClient
from support.scripted_upstream import ScriptedUpstream

PROJECT = Path(__file__).parents[2]
READER, OPERATOR = "reader-" + "4711" * 8, "operator-" + "4712" * 8
TOKENS = [
    {"name": "reader", "sha256": hashlib.sha256(READER.encode()).hexdigest()},
    {"name": "operator", "sha256": hashlib.sha256(OPERATOR.encode()).hexdigest(), "rights": ["control"]},
]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """An upstream that begins every answer and leaves it there."""
    with ScriptedUpstream([lambda c: c.read_head(), HEAD + b"begun", lambda c: c.hang()]) as upstream:
        yield upstream


def command(running: Gateway, *arguments: str, token: str = "") -> list[str]:
    return [sys.executable, "-m", "gateway", "streams", *arguments, "-c", str(running.file)]


def ran(running: Gateway, *arguments: str, token: str = READER, answer: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(running, *arguments),
        cwd=PROJECT,
        env={**os.environ, "GATEWAY_ADMIN_TOKEN": token},
        input=answer,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@contextlib.contextmanager
def streams(running: Gateway, count: int) -> Iterator[list[RudeClient]]:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(RudeClient(running.address)) for _ in range(count)]
        for client in clients:
            client.get("/long").read_until_head()
        yield clients


def ids(running: Gateway, token: str = READER) -> list[str]:
    return [each["id"] for each in json.loads(ran(running, "--json", token=token).stdout)["streams"]]


def test_the_table_is_printed_once_where_nobody_looks_at_a_terminal(
    gateway: StartGateway, upstream: ScriptedUpstream
) -> None:
    """A line of titles, a line for each stream with its rate, and a line about the whole."""
    running = gateway(route_to(upstream.url), admin={"tokens": TOKENS})
    with streams(running, 3):
        done = ran(running, "--by", "silence")
        chosen = ran(running, "--route", "other", "--older-than", "0s")
        bad = ran(running, "--phase", "relaying")

    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr, len(lines)) == (0, "", 5)
    assert lines[0].split()[:3] == ["ID", "AGE", "ROUTE"]
    assert all("relay" in line and "0B" in line for line in lines[1:4])
    assert lines[4] == "3 streams in 1 worker"
    assert "\x1b" not in done.stdout
    assert chosen.stdout.splitlines()[-1] == "3 streams in 1 worker, 0 match"
    assert bad.returncode == 1
    assert "unknown phase 'relaying'" in bad.stderr


def test_streams_are_ended_by_id_or_by_what_they_have_in_common(
    gateway: StartGateway, upstream: ScriptedUpstream
) -> None:
    """One at once; many only after a question, or with --yes."""
    running = gateway(route_to(upstream.url), admin={"tokens": TOKENS})
    with streams(running, 4) as clients:
        first = ids(running)[0]
        one = ran(running, "cancel", first, token=OPERATOR)
        assert (one.returncode, one.stdout) == (0, f"{first}: 1 ended\n")
        gone = ran(running, "cancel", first, token=OPERATOR)
        assert (gone.returncode, "none like this runs" in gone.stderr) == (1, True)
        refused = ran(running, "cancel", "--all", "--route", "all", token=OPERATOR, answer="n\n")
        assert refused.returncode == 1
        assert len(ids(running)) == 3
        asked = ran(running, "cancel", *ids(running)[:2], token=OPERATOR, answer="y\n")
        assert asked.stdout.count("1 ended") == 2
        rest = ran(running, "cancel", "--all", "--route", "all", "--yes", token=OPERATOR)
        assert rest.stdout == "what the filters choose: 1 ended\n"
        for client in clients:
            assert client.wait_closed() in ("eof", "reset")


def test_each_right_is_asked_for_by_its_name(gateway: StartGateway, upstream: ScriptedUpstream) -> None:
    """Who may read cannot cancel, and the other way round."""
    running = gateway(route_to(upstream.url), admin={"tokens": TOKENS})
    with streams(running, 1):
        (only,) = ids(running)
        cannot_end = ran(running, "cancel", only, token=READER)
        cannot_see = ran(running, token=OPERATOR)
        assert ids(running) == [only]
    assert (cannot_end.returncode, "a token that may control" in cannot_end.stderr) == (1, True)
    assert (cannot_see.returncode, "a token that may read" in cannot_see.stderr) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("cancel",),
        ("cancel", "--all"),
        ("cancel", "--all", "--yes"),
        ("cancel", "x", "--all"),
        ("cancel", "x", "--route", "all"),
        ("--route", "all", "cancel", "x"),
        ("--by", "colour"),
    ],
)
def test_what_is_not_said_clearly_is_a_wrong_use(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """It ends with status 2 before anybody is asked."""
    running = Gateway(route_to("http://127.0.0.1:9"), tmp_path)
    assert ran(running, *arguments).returncode == 2


def test_without_a_gateway_the_status_says_so(tmp_path: Path) -> None:
    """As with the other commands that need one."""
    running = Gateway(route_to("http://127.0.0.1:9"), tmp_path, admin={"listen": f"127.0.0.1:{free_port()}"})
    for arguments in ((), ("cancel", "x")):
        done = ran(running, *arguments)
        assert (done.returncode, done.stdout) == (69, "")
        assert "no gateway to ask on 127.0.0.1" in done.stderr


def test_on_a_terminal_the_table_refreshes_until_it_is_interrupted(
    gateway: StartGateway, upstream: ScriptedUpstream
) -> None:
    """Written over the one before, as wide as the terminal; interrupting it is no error."""
    running = gateway(route_to(upstream.url))
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 60, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    with streams(running, 12):
        process = subprocess.Popen(
            command(running, "--every", "0.5"),
            cwd=PROJECT,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            # What a shell runs in the background ignores interrupts, and so does all that it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            os.close(theirs)
            screens = _read_until(ours, b"\x1b[J", 2).decode().split("\x1b[H")[1:]
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait()
            os.close(ours)
    lines = screens[0].replace("\x1b[K", "").split("\r\n")
    assert lines[0] == "12 streams in 1 worker, 7 shown"
    assert lines[1].split() == ["ID", "AGE", "ROUTE", "PHASE", "LAST"]
    assert max(map(len, lines)) <= 60
    assert len(lines) == 10


def _read_until(terminal: int, mark: bytes, times: int) -> bytes:
    read, until = b"", time.monotonic() + 15
    while read.count(mark) < times:
        assert time.monotonic() < until, read
        if select.select([terminal], [], [], 0.2)[0]:
            read += os.read(terminal, 65536)
    return read
