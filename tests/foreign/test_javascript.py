"""JavaScript clients through the gateway: Axios with `responseType: "stream"`, Node's own fetch and a browser's."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.browser import Browser, Tab
from support.children import Program
from support.gateway_process import Gateway
from support.scripted_upstream import Script, ScriptedUpstream, read_request, response
from support.tap import Tap

from gateway.demo.lines import text_line

HERE = Path(__file__).parent

CUT_CODES = {
    "ECONNRESET",
    "ERR_STREAM_PREMATURE_CLOSE",
    "UND_ERR_SOCKET",
    "ERR_BAD_RESPONSE",
    "ECONNABORTED",
    "network error",
}

Staged = Callable[[Script], ScriptedUpstream]


Reader = Callable[[str], Program | Tab]


@pytest.fixture(params=["axios", "fetch", "browser"])
def reader(request: pytest.FixtureRequest) -> Reader:
    """Start a script that reads a URL: with Axios, with Node's fetch, and with fetch in a page of the same origin."""
    if request.param == "browser":
        browser: Browser = request.getfixturevalue("browser")
        return lambda url: browser.run("read", url)
    program: str = request.getfixturevalue("axios" if request.param == "axios" else "node")
    return lambda url: Program([program, HERE / f"{request.param}_stream.mjs", url])


def text_of(reports: list[dict[str, Any]]) -> str:
    """Return the text of the pieces among ``reports``."""
    return "".join(report.get("piece", "") for report in reports)


@pytest.mark.parametrize(
    ("type", "pieces"),
    [
        ("application/x-ndjson", [f'{{"n": {number}}}\n' for number in range(5)]),
        ("text/event-stream", [f"id: {number}\nevent: tick\ndata: höher\n\n" for number in range(5)]),
    ],
    ids=["ndjson", "sse"],
)
def test_each_piece_is_read_before_the_upstream_makes_the_next(
    reader: Reader,
    staged: Staged,
    one_gateway: Gateway,
    type: str,
    pieces: list[str],
) -> None:
    """The head comes before any body, and each line or event before the next one exists."""
    staged(tap := Tap(type))
    with reader(f"{one_gateway.url}/staged/") as script:
        assert script.report() == {"status": 200, "type": type}
        for piece in pieces:
            tap.send(piece.encode())
            assert script.report() == {"piece": piece}
        tap.end()
        assert script.reports() == [{"end": True}]


@pytest.mark.parametrize(
    ("target", "type"),
    [
        ("/ndjson?n=30&pace=10", "application/x-ndjson"),
        ("/sse?n=30&pace=10&ping=4", "text/event-stream; charset=utf-8"),
    ],
    ids=["ndjson", "sse"],
)
def test_stream_of_the_demo_upstream_is_whole(reader: Reader, one_gateway: Gateway, target: str, type: str) -> None:
    """Every row or event is there, in order, and the end is an end."""
    with reader(one_gateway.url + target) as script:
        assert script.report() == {"status": 200, "type": type}
        reports = script.reports()
    lines = [line.removeprefix("data: ") for line in text_of(reports).splitlines()]
    numbers = [json.loads(line)["id"] for line in lines if line.startswith("{")]
    assert numbers == list(range(1, 31))
    assert reports[-1] == {"end": True}


def test_compressed_stream_is_decoded_by_the_client_alone(reader: Reader, one_gateway: Gateway) -> None:
    """gzip passes untouched, and the client reads text."""
    with reader(one_gateway.url + "/gzip?n=5&delay=10") as script:
        assert script.report()["status"] == 200
        assert text_of(script.reports()).encode() == b"".join(map(text_line, range(1, 6)))


@pytest.mark.parametrize(
    "target",
    [
        "/cut?after=5000&how=reset&delay=400",
        "/cut?after=5000&how=close&delay=400",
        "/cut?after=5000&how=short-length&delay=400",
        "/sse?n=9&cut=3&pace=200",
    ],
)
def test_cut_stream_raises_an_error(reader: Reader, one_gateway: Gateway, target: str) -> None:
    """A stream that breaks off gives what came, then an error: it never just ends.

    A browser drops what nobody has read when the error comes, so that there is time to read it.
    """
    with reader(one_gateway.url + target) as script:
        assert script.report()["status"] == 200
        *pieces, last = script.reports()
    assert {"end": True} not in pieces
    assert set(last.get("codes", ())) & CUT_CODES, last
    assert text_of(pieces).count(".") == 5000 or text_of(pieces).count("event: tick") == 3


def test_client_that_leaves_ends_its_upstream_connection(reader: Reader, staged: Staged, one_gateway: Gateway) -> None:
    """An aborted fetch and a destroyed Axios stream end at the upstream within a second, though it is silent."""
    upstream = staged(tap := Tap())
    with reader(f"{one_gateway.url}/staged/") as script:
        assert script.report()["status"] == 200
        tap.send(b"one\n")
        assert script.report() == {"piece": "one\n"}
        script.tell("leave")
        upstream.wait_until(lambda seen: seen.open_connections == 0, timeout=1.5)


def test_upload_of_fetch_goes_up_as_it_is_made(node: str, staged: Staged, one_gateway: Gateway) -> None:
    """Each piece of a streamed request body (`duplex: "half"`) is at the upstream before the next one exists."""
    upstream = staged([read_request, response(b"taken", "Connection: close")])
    with Program([node, HERE / "fetch_upload.mjs", one_gateway.url + "/staged/up"]) as script:
        made = b""
        for number in range(4):
            script.tell(f"line {number}")
            made += f"line {number}\n".encode()
            upstream.wait_until(lambda seen, made=made: seen.requests and seen.requests[-1].body == made)
        script.close_input()
        assert text_of(script.reports()) == "taken"
    assert upstream.requests[-1].body_complete
    assert upstream.requests[-1].all("transfer-encoding") == ["chunked"]


def test_upload_of_fetch_that_breaks_off_is_never_whole_upstream(
    node: str, staged: Staged, one_gateway: Gateway
) -> None:
    """A client that dies amid its upload leaves a request that the upstream can tell from a complete one."""
    upstream = staged([read_request, response(b"taken", "Connection: close")])
    with Program([node, HERE / "fetch_upload.mjs", one_gateway.url + "/staged/up"]) as script:
        script.tell("nothing but this")
        upstream.wait_until(lambda seen: seen.requests and seen.requests[-1].body == b"nothing but this\n")
        script.kill()
        upstream.wait_until(lambda seen: seen.open_connections == 0, timeout=1.5)
    assert not upstream.requests[-1].body_complete


def test_upload_of_an_axios_stream_arrives_whole(axios: str, one_gateway: Gateway) -> None:
    """Axios sends a stream chunked; the upstream gets every octet."""
    octets = 2 * 2**20 + 1
    expected = hashlib.sha256()
    for number, start in enumerate(range(0, octets, 65_536)):
        expected.update(bytes([number % 251]) * min(65_536, octets - start))
    with Program([axios, HERE / "axios_upload.mjs", f"{one_gateway.url}/upload", str(octets)]) as script:
        (report,) = script.reports()
    assert report == {"status": 200, "told": {"length": octets, "sha256": expected.hexdigest()}}
