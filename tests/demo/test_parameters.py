"""A request that cannot be obeyed is a 400 that says why; the index says what can."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import processes
from support.conditions import wait_until
from support.rude_client import RawResponse, RudeClient

Ask = Callable[..., RawResponse]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/text?n=0", "n: expected a whole number from 1 to 1000000, found '0'"),
        ("/text?n=-1", "n: expected a whole number from 1 to 1000000, found '-1'"),
        ("/text?n=1_0", "n: expected a whole number from 1 to 1000000, found '1_0'"),
        ("/text?delay=600001", "delay: expected a whole number from 0 to 600000, found '600001'"),
        ("/text?framing=tape", "framing: expected one of chunked, length, close, found 'tape'"),
        ("/text?dealy=1", "dealy: unknown parameter; this endpoint takes: n, delay, framing"),
        ("/text?n=1&n=2", "n: given 2 times, expected once"),
        ("/download?size=65GiB", "size: expected a whole number from 0 to 68719476736, found '65GiB'"),
        ("/delay/600001", "/delay/<ms>: expected at most 600000, found 600001"),
        ("/status/100", "/status/<code>: expected a final status from 200 to 599, found 100"),
        ("/status/200?x=1", "x: unknown parameter; this endpoint takes: none"),
    ],
)
def test_parameter_that_cannot_be_obeyed_is_refused_with_a_reason(ask: Ask, target: str, message: str) -> None:
    """The message names the parameter, what was expected and what was found."""
    response = ask(target)
    assert (response.status, response.body.decode().splitlines()[0]) == (400, message)


@pytest.mark.parametrize(
    ("target", "method", "status"), [("/nothing", "GET", 404), ("/status//200", "GET", 404), ("/text", "POST", 405)]
)
def test_endpoint_that_is_not_there_is_told_in_plain_text(ask: Ask, target: str, method: str, status: int) -> None:
    """A wrong path or method gets a short answer that points to the index."""
    response = ask(target, method=method)
    assert (response.status, response.first("content-type")) == (status, "text/plain; charset=utf-8")
    assert b"See /" in response.body


def test_index_lists_every_endpoint_with_a_line_to_try(ask: Ask) -> None:
    """Each endpoint's ``curl`` line stands in the index, with the address the client used."""
    text = ask("/").body.decode()
    paths = set(re.findall(r"curl .*'http://demo\.test/([a-z0-9]+)", text))
    assert paths == {
        *("text", "csv", "ndjson", "gzip", "sse", "page", "v1", "download"),
        *("delay", "status", "cut", "stall", "echo", "upload", "headers"),
    }
    assert "{base}" not in text


def test_index_lines_that_only_read_are_answered(ask: Ask) -> None:
    """The lines to try are true: none is refused."""
    targets = re.findall(r"curl (?:-N |-i |--compressed )*'http://demo\.test(/[^']+)'$", ask("/").body.decode(), re.M)
    statuses = {target: ask(target, method="HEAD").status for target in targets}
    assert len(statuses) >= 10
    assert {target for target, status in statuses.items() if status >= 400} == {"/status/503"}


def test_unix_socket_can_be_listened_on(tmp_path: Path) -> None:
    """``--listen unix:PATH`` serves on a path, and SIGTERM ends it at once."""
    path = tmp_path / "demo.sock"
    with (tmp_path / "out").open("wb") as output:
        command = [sys.executable, "-m", "gateway.demo", "--listen", f"unix:{path}"]
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=Path(__file__).parents[2])
    try:
        wait_until(lambda: "listening" in (tmp_path / "out").read_text(), 15, "the demo upstream")
        with RudeClient(str(path)) as client:
            assert client.get("/text?n=1").read_response().complete
    finally:
        status = processes.end(process)
    assert (status, (tmp_path / "out").read_text()) == (0, f"demo upstream listening on unix:{path}\n")


@pytest.mark.parametrize(
    ("listen", "status", "message"),
    [
        ("9000", 2, "expected HOST:PORT"),
        ("127.0.0.1:x", 2, "expected HOST:PORT"),
        ("192.0.2.1:80", 69, "cannot listen"),
    ],
)
def test_address_that_cannot_be_listened_on_ends_with_a_reason(listen: str, status: int, message: str) -> None:
    """A wrong address is a usage error, one that cannot be bound is 69."""
    command = [sys.executable, "-m", "gateway.demo", "--listen", listen]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=Path(__file__).parents[2])
    assert (ended.returncode, message in ended.stderr) == (status, True)
