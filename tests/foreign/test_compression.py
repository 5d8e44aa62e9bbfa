"""curl reads what the gateway compresses: line by line as it is made, and with a complaint where it was cut."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from support.children import Child, plain_environment
from support.gateway_process import Gateway, route_to
from support.scripted_upstream import Script, ScriptedUpstream, chunk, read_request, reset
from support.tap import Tap

StartGateway = Callable[..., Gateway]
Serve = Callable[[Script], Gateway]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
CODINGS = ("zstd", "gzip")


@pytest.fixture(params=CODINGS)
def coding(request: pytest.FixtureRequest, curl: str) -> str:
    """A coding that this curl reads."""
    told = subprocess.run([curl, "--version"], capture_output=True, text=True, check=True).stdout
    name: str = request.param
    if {"zstd": "zstd", "gzip": "libz"}[name] not in told:
        pytest.skip(f"this curl was made without {name}")
    return name


@pytest.fixture
def serve(coding: str, gateway: StartGateway) -> Iterator[Serve]:
    """Start a gateway that offers the coding, in front of an upstream that follows a script."""
    with ExitStack() as stack:

        def start(script: Script) -> Gateway:
            upstream = stack.enter_context(ScriptedUpstream(script))
            return gateway(route_to(upstream.url, compression={"codings": [coding]}))

        yield start


def test_each_line_is_printed_before_the_upstream_makes_the_next(curl: str, coding: str, serve: Serve) -> None:
    """`curl --compressed` prints a line while the next does not exist yet, and ends well."""
    tap = Tap()
    running = serve(tap)
    with Child([curl, "-sSN", "--compressed", f"{running.url}/"]) as child:
        for number in range(5):
            tap.send(f'{{"n": {number}}}\n'.encode())
            assert child.line() == f'{{"n": {number}}}'
        tap.end()
        assert (child.rest(), child.wait()) == ("", 0)


def test_cut_stream_is_an_error(curl: str, coding: str, serve: Serve) -> None:
    """What came can be read; that it was not all, curl says by its status."""
    running = serve([read_request, HEAD + chunk(b'{"n": 1}\n'), 0.1, reset])
    command = [curl, "-sSi", "--compressed", "--max-time", "10", f"{running.url}/"]
    done = subprocess.run(command, capture_output=True, timeout=20, env=plain_environment())
    assert f"Content-Encoding: {coding}\r\n".encode() in done.stdout
    assert done.stdout.endswith(b'\r\n\r\n{"n": 1}\n') and done.returncode != 0
