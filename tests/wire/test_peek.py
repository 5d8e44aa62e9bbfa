"""A held head: what an answer turns out to be within `stream.peek` becomes a status, a retry or a failover."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import StartGateway, StartUpstream
from support.certificates import TlsFiles
from support.conditions import patience, wait_until
from support.gateway_process import Gateway, Line, route_to, toml_table
from support.rig import Rig, problem_code, request
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import Script, chunk, hang, read_request, reset

SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
PREAMBLE = b': hello\n\ndata: {"id":"1","choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n'
CONTENT = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
LAST = b'data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
ERROR = json.dumps({"error": {"type": "rate_limit_error", "message": "slow down"}}).encode()
BLAMES = json.dumps({"error": {"type": "invalid_request_error", "message": "no"}}).encode()
GOOD: Script = [read_request, SSE_HEAD, chunk(PREAMBLE), chunk(CONTENT), chunk(LAST), chunk(b"")]
TOLD: Script = [read_request, SSE_HEAD, chunk(b": hello\n\n"), 0.05, chunk(b"data: " + ERROR + b"\n\n"), hang]

_PEEK = {"format": "openai", "peek": "3s"}
_RETRY = {"attempts": 2, "on": ["peek"], "budget": "off"}
_ROUTES = [
    {"name": "peek", "path": "/", "stream": _PEEK, "retry": {"attempts": 1}},
    {"name": "try", "path": "/try", "stream": _PEEK, "retry": _RETRY},
    {"name": "status", "path": "/status", "stream": _PEEK, "retry": {**_RETRY, "on": [429]}},
    {"name": "short", "path": "/short", "stream": {**_PEEK, "peek": "200ms"}, "retry": _RETRY},
    {"name": "small", "path": "/small", "stream": {**_PEEK, "peek_bytes": "16KiB"}, "retry": _RETRY},
    {"name": "idle", "path": "/idle", "stream": _PEEK, "retry": _RETRY, "timeouts": {"idle": "1s"}},
    {"name": "whole", "path": "/whole", "stream": {**_PEEK, "complete": "terminal"}, "retry": _RETRY},
    {"name": "frame", "path": "/frame", "stream": _PEEK, "retry": _RETRY, "timeouts": {"first_frame": "1s"}},
    {"name": "drain", "path": "/drain", "stream": {**_PEEK, "on_disconnect": "drain"}, "retry": _RETRY},
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig"), routes=_ROUTES, upstream={"keepalive": "0s"}) as rig:
        rig.plays(GOOD)
        assert rig.ask(request("GET / HTTP/1.1")).status == 200
        yield rig


@pytest.fixture
def rig(running: Rig) -> Iterator[Rig]:
    """The pair; when the test is over nothing it opened may be left, on either side."""
    with running.left_as_it_was():
        yield running


def told(line: Line) -> tuple[object, ...]:
    return line["status"], line["outcome"], line["failure"], line["attempts"], line["retried"]


def failures(rig: Rig) -> int:
    found: int = rig.gateway.admin("/-/upstreams").json()["upstreams"][0]["endpoints"][0]["failures"]
    return found


def test_error_told_first_becomes_a_real_status(rig: Rig) -> None:
    """The client gets the upstream's own document under the status it stands for, and the endpoint has failed."""
    before = failures(rig)
    head = SSE_HEAD.replace(b"\r\n\r\n", b"\r\nRetry-After: 7\r\n\r\n")
    rig.plays([read_request, head, chunk(PREAMBLE), 0.05, chunk(b"data: " + ERROR + b"\n\n"), hang])
    answer = rig.ask(request("POST / HTTP/1.1", "Content-Length: 2", body=b"{}"))

    assert (answer.status, answer.reason, answer.body, answer.complete) == (429, "Too Many Requests", ERROR, True)
    assert (answer.first("content-type"), answer.first("retry-after")) == ("application/json", "7")
    assert answer.first("proxy-status") == 'slowgate; error=http_protocol_error; details="rate_limit_error"'
    line = rig.line_of(answer)
    assert told(line) == (429, "failed", "in_band_error", 1, None)
    assert (line["side"], line["detail"]) == ("upstream", "rate_limit_error")
    assert failures(rig) == before + 1


def test_error_that_comes_with_the_head_is_seen_too(rig: Rig) -> None:
    """What is there already needs no waiting."""
    rig.plays([read_request, SSE_HEAD + chunk(b"data: " + ERROR + b"\n\n"), hang])
    assert rig.ask(request("GET / HTTP/1.1")).status == 429


def test_error_that_blames_the_request_is_not_the_endpoints_failure(rig: Rig) -> None:
    """It fares no better elsewhere, so it is not tried again either, unless its status is named."""
    before = failures(rig)
    rig.plays([read_request, SSE_HEAD, chunk(b"data: " + BLAMES + b"\n\n"), hang])
    answer = rig.ask(request("GET /try HTTP/1.1"))

    assert (answer.status, answer.body) == (400, BLAMES)
    assert told(rig.line_of(answer)) == (400, "failed", "in_band_error", 1, None)
    assert failures(rig) == before


@pytest.mark.parametrize("target", ["/try", "/status"])
def test_error_told_first_is_tried_again(rig: Rig, target: str) -> None:
    """By its kind or by the status it stands for; the client hears only of the good answer."""
    rig.plays(TOLD, GOOD)
    answer = rig.ask(request(f"GET {target} HTTP/1.1"))

    assert (answer.status, answer.body, answer.complete) == (200, PREAMBLE + CONTENT + LAST, True)
    assert told(rig.line_of(answer)) == (200, "complete", None, 2, "in_band_error")


@pytest.mark.parametrize(
    ("end", "code", "status"),
    [
        ([], "body_cut", 502),
        ([reset], "body_cut", 502),
        ([b"zz\r\n"], "body_invalid", 502),
    ],
    ids=["closed", "reset", "nonsense"],
)
def test_death_before_the_first_frame_is_tried_again(rig: Rig, end: list[bytes], code: str, status: int) -> None:
    """An answer that was only a head and a preamble is none."""
    dies: Script = [read_request, SSE_HEAD, chunk(PREAMBLE), 0.05, *end]
    rig.plays(dies, GOOD)
    answer = rig.ask(request("GET /try HTTP/1.1"))
    assert (answer.status, answer.body) == (200, PREAMBLE + CONTENT + LAST)
    assert told(rig.line_of(answer)) == (200, "complete", None, 2, code)

    rig.plays(dies)
    answer = rig.ask(request("GET /try HTTP/1.1"))
    assert (answer.status, problem_code(answer)) == (status, code)
    assert told(rig.line_of(answer)) == (status, "failed", code, 2, code)


@pytest.mark.parametrize(
    ("octets", "code", "status"),
    [
        ([chunk(PREAMBLE), chunk(b"")], "answer_unfinished", 502),
        ([chunk(b""), hang], "answer_unfinished", 502),
        ([chunk(PREAMBLE + b"data: {nonsense\n\n"), hang], "answer_malformed", 502),
        ([chunk(b"data: " + ERROR + b"\n\n"), chunk(b"")], "in_band_error", 429),
    ],
    ids=["preamble", "empty", "malformed", "error"],
)
def test_answer_that_is_none_is_tried_again(rig: Rig, octets: list[bytes], code: str, status: int) -> None:
    """Where the route wants whole answers, a polite end of nothing is a failure like any other."""
    nothing: Script = [read_request, SSE_HEAD, *octets]
    rig.plays(nothing, GOOD)
    answer = rig.ask(request("GET /whole HTTP/1.1"))
    assert (answer.status, answer.body, answer.complete) == (200, PREAMBLE + CONTENT + LAST, True)
    assert told(rig.line_of(answer)) == (200, "complete", None, 2, code)

    rig.plays(nothing)
    answer = rig.ask(request("GET /whole HTTP/1.1"))
    assert (answer.status, answer.complete) == (status, True)
    assert told(rig.line_of(answer)) == (status, "failed", code, 2, code)


def test_pings_in_place_of_a_frame_are_tried_again(rig: Rig) -> None:
    """`first_frame` holds while the head is held, for each attempt anew."""

    def pings(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(SSE_HEAD)
        while True:
            connection.send(chunk(b": ping\n\n"))
            connection.pause(0.05)

    rig.plays(pings, GOOD)
    answer = rig.ask(request("GET /frame HTTP/1.1"))
    assert (answer.status, answer.body) == (200, PREAMBLE + CONTENT + LAST)
    line = rig.line_of(answer)
    assert told(line) == (200, "complete", None, 2, "first_frame_timeout")
    assert line["first_frame_ms"] >= 950

    rig.plays(pings)
    answer = rig.ask(request("GET /frame HTTP/1.1"))
    assert (answer.status, problem_code(answer)) == (504, "first_frame_timeout")


def test_silence_before_the_first_frame_is_tried_again(rig: Rig) -> None:
    """`idle` holds while the head is held, and ends the attempt only."""
    rig.plays([read_request, SSE_HEAD, chunk(PREAMBLE), hang], GOOD)
    answer = rig.ask(request("GET /idle HTTP/1.1"))
    assert (answer.status, answer.body) == (200, PREAMBLE + CONTENT + LAST)
    assert told(rig.line_of(answer)) == (200, "complete", None, 2, "idle_timeout")

    rig.plays([read_request, SSE_HEAD, chunk(PREAMBLE), hang])
    answer = rig.ask(request("GET /idle HTTP/1.1"))
    assert (answer.status, problem_code(answer)) == (504, "idle_timeout")


def test_head_goes_out_when_the_time_is_up_and_nothing_is_lost(rig: Rig) -> None:
    """The read that was under way then goes on: each octet arrives once, in order."""
    rig.plays([read_request, SSE_HEAD, chunk(PREAMBLE), 0.5, chunk(CONTENT), 0.3, chunk(LAST), chunk(b"")])
    answer = rig.ask(request("GET /short HTTP/1.1"))

    assert (answer.status, answer.body, answer.complete) == (200, PREAMBLE + CONTENT + LAST, True)
    assert 0.15 <= answer.head_seconds < patience(0.45)
    assert [piece for _, piece in answer.pieces] == [PREAMBLE, CONTENT, LAST]
    line = rig.line_of(answer)
    assert told(line) == (200, "complete", None, 1, None)
    assert (line["chunks"], line["bytes_down"]) == (3, len(answer.body))
    assert line["longest_gap_ms"] >= 450


def test_failure_after_the_time_is_a_cut(rig: Rig) -> None:
    """The head is out: the client sees a broken message, and nothing is tried again."""
    rig.plays([read_request, SSE_HEAD, chunk(PREAMBLE), 0.5, reset])
    answer = rig.ask(request("GET /short HTTP/1.1"))

    assert (answer.status, answer.body, answer.complete) == (200, PREAMBLE, False)
    assert told(rig.line_of(answer)) == (200, "truncated", "body_cut", 1, None)


def test_first_frame_ends_the_wait(rig: Rig) -> None:
    """The head is held for the frame, not for the time."""
    rig.plays([read_request, SSE_HEAD, 0.3, chunk(CONTENT), 0.5, chunk(LAST), chunk(b"")])
    answer = rig.ask(request("GET / HTTP/1.1"))

    assert 0.25 <= answer.head_seconds < patience(0.7)
    line = rig.line_of(answer)
    assert line["first_byte_ms"] >= 250
    assert line["longest_gap_ms"] >= 450


def test_preamble_larger_than_the_bound_goes_out(rig: Rig) -> None:
    """What is held has a bound; at the bound the answer is relayed as ever."""
    comment = b": " + b"x" * 5_000 + b"\n\n"
    rig.plays([read_request, SSE_HEAD, *[chunk(comment)] * 8, hang])
    with rig.client() as client:
        client.send(request("GET /small HTTP/1.1"))
        _, pieces = client.open_response()
        got = b""
        while len(got) < 8 * len(comment):
            got += next(pieces)
        assert got == 8 * comment


def test_empty_answer_is_relayed(rig: Rig) -> None:
    """Where nobody asks for more than HTTP's own end, an empty stream is whole."""
    rig.plays([read_request, SSE_HEAD, 0.05, chunk(b"")])
    answer = rig.ask(request("GET /try HTTP/1.1"))
    assert (answer.status, answer.body, answer.complete) == (200, b"", True)


def test_real_errors_and_heads_alone_are_not_held(rig: Rig) -> None:
    """A status that tells the error needs no look at the body; an answer to HEAD has none."""
    rig.plays([read_request, SSE_HEAD.replace(b"200 OK", b"500 No"), 0.8, chunk(b"x"), chunk(b"")])
    answer = rig.ask(request("GET / HTTP/1.1"))
    assert (answer.status, answer.body) == (500, b"x")
    assert answer.head_seconds < patience(0.5)

    rig.plays([read_request, SSE_HEAD])
    assert rig.ask(request("HEAD / HTTP/1.1"), method="HEAD").status == 200


def test_client_that_leaves_while_the_head_is_held_releases_the_upstream(rig: Rig) -> None:
    """At once, like at any other time, and nobody else is asked."""
    rig.plays([read_request, SSE_HEAD, chunk(PREAMBLE), lambda connection: connection.wait_closed()])
    with rig.client() as client:
        client.send(request("GET /try?leaves HTTP/1.1"))
        wait_until(lambda: rig.seen, what="the request")
        client.leave()
        wait_until(lambda: not rig.gateway.open_upstream_connections(rig.upstream.port), 1.0, "the upstream's end")
        line = rig.gateway.wait_for_line(lambda line: line["target"] == "/try?leaves")
    assert told(line) == (None, "client_gone", "client_gone", 1, None)


def test_client_that_leaves_while_the_head_is_held_may_be_read_on_for(rig: Rig) -> None:
    """The attempt that runs is read to its end; no other follows it."""
    rig.plays([read_request, SSE_HEAD, chunk(PREAMBLE), 0.5, chunk(CONTENT), chunk(LAST), chunk(b"")])
    with rig.client() as client:
        client.send(request("GET /drain HTTP/1.1"))
        wait_until(lambda: rig.seen, what="the request")
        client.leave()
    line = rig.gateway.wait_for_line(lambda line: line["route"] == "drain")
    assert told(line) == (None, "client_gone", "client_gone", 1, None)
    assert (line["drained"], line["drained_bytes"], line["bytes_down"]) == (
        "complete",
        len(PREAMBLE + CONTENT + LAST),
        0,
    )


def test_failover_goes_to_the_other_endpoint(scripted_upstream: StartUpstream, gateway: StartGateway) -> None:
    """And the bad one's breaker hears of it."""
    bad, good = scripted_upstream(TOLD), scripted_upstream(GOOD)
    toml = toml_table(
        "upstreams.up",
        {
            "endpoints": [{"url": bad.url}, {"url": good.url, "priority": 1}],
            "keepalive": "0s",
            "breaker": {"failures": 1, "window": "60s", "open": "60s"},
        },
    )
    started = gateway(toml + toml_table("[routes]", {"path": "/", "upstream": "up", "stream": _PEEK, "retry": _RETRY}))
    for _ in range(2):
        with RudeClient(started.address) as client:
            answer = client.get("/").read_response()
        assert (answer.status, answer.body) == (200, PREAMBLE + CONTENT + LAST)
    assert (len(bad.requests), len(good.requests)) == (1, 2)


@pytest.mark.parametrize("peek", ["200ms", "3s"])
def test_tls_upstream_is_peeked_at_without_losing_an_octet(
    scripted_upstream: StartUpstream, tls_files: TlsFiles, tmp_path: Path, peek: str
) -> None:
    """Records that come in pieces while the time is up are read whole."""
    pieces = [b"data: %d " % number + b"y" * 3_000 + b"\n\n" for number in range(100)]

    def script(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(SSE_HEAD)
        connection.send(chunk(PREAMBLE))
        connection.pause(0.4)
        for piece in pieces:
            connection.send(chunk(piece))
        connection.send(chunk(b""))

    upstream = scripted_upstream(script, tls=tls_files.server_context())
    toml = route_to(
        upstream.url,
        upstream={"tls": {"ca": tls_files.ca}},
        stream={"format": "sse", "peek": peek, "terminal": ["data:x"]},
    )
    with Gateway(toml, tmp_path) as started, RudeClient(started.address) as client:
        answer = client.get("/").read_response()
        assert (answer.status, answer.complete) == (200, True)
        assert answer.body == PREAMBLE + b"".join(pieces)
