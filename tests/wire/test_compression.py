"""Compressed on the way to the client: every event can be read when it comes, and a cut stream is cut in its coding."""

import http.client
import queue

import pytest
import requests
from support.decoding import DECODERS
from support.gateway_process import Gateway
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import chunk, reset, response
from support.stage import OpenStage, Stage

ROUTES = {
    "all": {"compression": {"codings": ["zstd", "gzip"], "types": ["text/*", "application/json"]}},
    "rated": {"compression": {"codings": ["gzip"]}, "timeouts": {"min_rate": "4KiB/1s"}},
    "strict": {"compression": {"codings": ["gzip"]}, "stream": {"format": "openai", "complete": "terminal"}},
    "framed": {"compression": {"codings": ["gzip"]}, "stream": {"format": "sse", "on_error": "frame"}},
    "off": {},
}
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
DELTA = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
TEXT = b"a,b,c\n" * 1000
CODINGS = pytest.mark.parametrize("coding", ["zstd", "gzip"])


@pytest.fixture
def stage(open_stage: OpenStage) -> Stage:
    return open_stage(routes=ROUTES)


def ask(client: RudeClient, target: str, *lines: str, method: str = "GET", version: str = "1.1") -> None:
    """Send a request with further field ``lines``."""
    client.send("\r\n".join([f"{method} {target} HTTP/{version}", "Host: h", *lines, "", ""]).encode("latin-1"))


@CODINGS
@pytest.mark.parametrize("listener", ["plain", "tls1.3"])
def test_each_event_can_be_read_when_it_is_sent(open_stage: OpenStage, listener: str, coding: str) -> None:
    """In lock step: the upstream sends its next event only when the client has decoded the one before."""
    events = [b"data: %d\n\n" % number for number in range(5)] + [b"data: " + b"x" * 5000 + b"\n\n"]
    seen: queue.Queue[bytes] = queue.Queue()

    def script(connection: ScriptedConnection) -> None:
        connection.send(EVENTS)
        for event in events:
            connection.send(chunk(event))
            assert seen.get(timeout=5) == event
        connection.send(chunk(b""))

    stage = open_stage(routes=ROUTES, listener=listener)
    with stage.scene(script) as scene, stage.client() as client:
        ask(client, scene.target, f"Accept-Encoding: {coding}")
        head, pieces = client.open_response()
        assert head.all("content-encoding") == [coding]
        assert head.all("content-type") == ["text/event-stream"]
        assert head.all("vary") == ["Accept-Encoding"]
        read = DECODERS[coding]()
        for event in events:
            got = read(next(pieces))
            seen.put(got)
            assert got == event and not read.ended
        assert b"".join(map(read, pieces)) == b"" and read.ended
        line = scene.line()
    assert (line["outcome"], line["bytes_plain"]) == ("complete", len(b"".join(events)))
    assert 0 < int(str(line["bytes_down"])) < len(b"".join(events))


def test_first_chunk_leaves_with_the_head(stage: Stage) -> None:
    """What is there already goes out in the send of the head, coded or not: no event waits for a second one."""
    with stage.scene([EVENTS + chunk(b"data: 1\n\n"), 0.3, chunk(b"")]) as scene, stage.client() as client:
        ask(client, scene.target, "Accept-Encoding: gzip")
        _, _, beside = client.read_until_head()
        assert beside.startswith(b"%x\r\n\x1f\x8b" % int(beside.partition(b"\r\n")[0], 16))
        assert DECODERS["gzip"]()(beside.partition(b"\r\n")[2]) == b"data: 1\n\n"


@CODINGS
@pytest.mark.parametrize("how", [[], [reset]], ids=["fin", "reset"])
def test_cut_stream_has_no_end_of_its_coding(stage: Stage, coding: str, how: list[object]) -> None:
    """A client that only decodes notices, one that only reads framing too: neither sees a whole body."""
    with stage.scene([EVENTS + chunk(b"data: 1\n\n"), 0.1, *how]) as scene, stage.client() as client:  # type: ignore[list-item]
        ask(client, scene.target, f"Accept-Encoding: {coding}")
        answer = client.read_response()
        line = scene.line()
    read = DECODERS[coding]()
    assert read(answer.body) == b"data: 1\n\n"
    assert not read.ended and not answer.complete
    assert (line["outcome"], line["failure"]) == ("truncated", "body_cut")


def test_answer_that_lacks_its_own_end_lacks_that_of_its_coding(stage: Stage) -> None:
    """Where the framing is whole and the answer is not, neither framing nor coding come to an end for the client."""
    with stage.scene([EVENTS + chunk(DELTA), 0.1, chunk(b"")], "strict") as scene, stage.client() as client:
        ask(client, scene.target, "Accept-Encoding: gzip")
        answer = client.read_response()
        assert scene.line()["failure"] == "answer_unfinished"
    read = DECODERS["gzip"]()
    assert read(answer.body) == DELTA
    assert not read.ended and not answer.complete


def test_error_frame_is_coded_and_ends_the_body(stage: Stage) -> None:
    """A stream that ends with an error in its format ends well in its coding, so that the error can be read."""
    with stage.scene([EVENTS + chunk(b"data: 1\n\n"), 0.1, reset], "framed") as scene, stage.client() as client:
        ask(client, scene.target, "Accept-Encoding: gzip")
        answer = client.read_response()
        assert scene.line()["failure"] == "body_cut"
    read = DECODERS["gzip"]()
    text = read(answer.body)
    assert text.startswith(b"data: 1\n\nevent: error\n") and b"body_cut" in text
    assert read.ended and answer.complete


def test_body_of_known_length_is_coded_without_it(stage: Stage) -> None:
    """Length, ranges and the strong validator were those of other octets; the upstream was asked for plain ones."""
    upstreams = response(TEXT, "Content-Type: text/csv", 'ETag: "v1"', "Accept-Ranges: bytes", "Vary: Origin")
    with stage.scene(upstreams) as scene, stage.client() as client:
        ask(client, scene.target, "Accept-Encoding: gzip;q=0.5, zstd;q=0.1, br")
        answer = client.read_response()
        (request,) = stage.upstream.requests[-1:]
    assert request.all("accept-encoding") == ["identity"]
    assert answer.complete and answer.all("transfer-encoding") == ["chunked"]
    assert answer.all("content-encoding") == ["gzip"] and answer.all("etag") == ['W/"v1"']
    assert answer.all("vary") == ["Origin, Accept-Encoding"]
    assert answer.all("content-length") == answer.all("accept-ranges") == []
    read = DECODERS["gzip"]()
    assert read(answer.body) == TEXT and read.ended and len(answer.body) < len(TEXT) / 10


CSV = "Content-Type: text/csv"
UNTOUCHED = {
    "no-accept-encoding": (response(TEXT, CSV), []),
    "only-br": (response(TEXT, CSV), ["Accept-Encoding: br"]),
    "refused": (response(TEXT, CSV), ["Accept-Encoding: gzip;q=0, *;q=0"]),
    "no-transform": (response(TEXT, CSV, "Cache-Control: no-transform"), ["Accept-Encoding: gzip"]),
    "no-transform-asked": (response(TEXT, CSV), ["Accept-Encoding: gzip", "Cache-Control: no-transform"]),
    "coded-already": (response(TEXT, CSV, "Content-Encoding: br"), ["Accept-Encoding: gzip"]),
    "part": (
        response(TEXT, CSV, "Content-Range: bytes 0-5999/9000", status="206 Partial Content"),
        ["Accept-Encoding: gzip", "Range: bytes=0-5999"],
    ),
    "digest": (response(TEXT, CSV, "Content-Digest: sha-256=:x:"), ["Accept-Encoding: gzip"]),
    "bad-etag": (response(TEXT, CSV, "ETag: v1"), ["Accept-Encoding: gzip"]),
    "short": (response(b"a,b\n", CSV), ["Accept-Encoding: gzip"]),
}


@pytest.mark.parametrize("case", UNTOUCHED)
def test_answer_that_may_not_be_coded_passes_as_it_came(stage: Stage, case: str) -> None:
    """Every octet and every field line of it, but that caches are told what it depends on."""
    sent, lines = UNTOUCHED[case]
    head, _, body = sent.partition(b"\r\n\r\n")
    with stage.scene(sent) as scene, stage.client() as client:
        ask(client, scene.target, *lines)
        answer = client.read_response()
        assert "bytes_plain" not in scene.line()
    assert answer.complete and answer.body == body
    for line in head.decode().split("\r\n")[1:]:
        name, _, value = line.partition(": ")
        assert answer.all(name) == [value]
    assert answer.all("vary") == ["Accept-Encoding"]


def test_old_client_and_other_route_get_what_came(stage: Stage) -> None:
    """HTTP/1.0 is served plain; a route without codings does not even look, and its client's wish goes up."""
    for route, version, vary in (("all", "1.0", ["Accept-Encoding"]), ("off", "1.1", [])):
        with stage.scene(response(TEXT, CSV), route) as scene, stage.client() as client:
            ask(client, scene.target, "Accept-Encoding: gzip", version=version)
            answer = client.read_response()
        assert answer.complete and answer.body == TEXT and answer.all("vary") == vary
    assert stage.upstream.requests[-1].all("accept-encoding") == ["gzip"]


def test_head_and_not_modified_tell_the_same_validator(stage: Stage) -> None:
    """GET, HEAD and the 304 that follows speak of one representation; all three leave the connection usable."""
    lines = [CSV, 'ETag: "v1"', "Content-Length: 6000"]
    head = "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()
    with stage.client() as client:
        with stage.scene(head) as scene:
            ask(client, scene.target, "Accept-Encoding: gzip", method="HEAD")
            answer = client.read_response(method="HEAD")
        assert answer.all("etag") == ['W/"v1"'] and answer.all("content-encoding") == ["gzip"]
        assert answer.all("content-length") == [] and answer.all("vary") == ["Accept-Encoding"]
        with stage.scene(b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n') as scene:
            ask(client, scene.target, "Accept-Encoding: gzip", 'If-None-Match: W/"v1"')
            answer = client.read_response()
        assert answer.status == 304 and answer.all("etag") == ['W/"v1"'] and answer.all("vary") == ["Accept-Encoding"]
        assert stage.upstream.requests[-1].all("if-none-match") == ['W/"v1"']


def test_well_compressed_stream_is_not_too_slow(stage: Stage) -> None:
    """`min_rate` counts what the upstream sends: a stream that shrinks to nothing is as fast as it was."""

    def script(connection: ScriptedConnection) -> None:
        connection.send(EVENTS)
        for _ in range(12):
            connection.send(chunk(b"data: " + b"x" * 2000 + b"\n\n"))
            connection.pause(0.2)
        connection.send(chunk(b""))

    with stage.scene(script, "rated") as scene, stage.client() as client:
        ask(client, scene.target, "Accept-Encoding: gzip")
        answer = client.read_response()
        assert answer.complete and len(answer.body) < 4096
        assert scene.line()["outcome"] == "complete"


def peak_kib(running: Gateway) -> int:
    """Return the most memory the worker ever had (VmHWM)."""
    (worker,) = running.worker_pids()
    with open(f"/proc/{worker}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


@CODINGS
def test_large_body_is_coded_in_constant_memory(stage: Stage, coding: str) -> None:
    """However much goes through, and however well it shrinks, the worker holds a few pieces of it."""
    piece, pieces = bytes(range(256)) * 1024, 256

    def script(connection: ScriptedConnection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: %d\r\n\r\n" % (CSV.encode(), len(piece) * pieces))
        for _ in range(pieces):
            connection.send(piece)

    before = peak_kib(stage.gateway)
    with stage.scene(script) as scene:
        client = http.client.HTTPConnection(*stage.gateway.address, timeout=30)
        client.request("GET", scene.target, headers={"Accept-Encoding": coding})
        answer = client.getresponse()
        assert answer.getheader("Content-Encoding") == coding
        read, taken = DECODERS[coding](), 0
        while block := answer.read(1 << 16):
            taken += len(read(block))
        client.close()
    assert taken == len(piece) * pieces and read.ended
    assert peak_kib(stage.gateway) - before < 4 * 1024


def test_library_of_the_recipe_reads_it(stage: Stage) -> None:
    """requests asks for gzip by itself, and hands its user the events as they were."""
    pieces = b"".join(chunk(b"data: %d\n\n" % number) for number in range(100))
    with stage.scene([EVENTS, pieces + chunk(b"")]) as scene:
        host, port = stage.gateway.address
        answer = requests.get(f"http://{host}:{port}{scene.target}", timeout=5)
        assert answer.headers["Content-Encoding"] in ("gzip", "zstd")
        assert answer.text == "".join(f"data: {number}\n\n" for number in range(100))
