"""All that a route can do about its streams, turned on at once: the parts must not spoil each other."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest
from support.gateway_process import Line
from support.rude_client import RawResponse, RudeClient
from support.scripted_upstream import Script, chunk, hang, reset
from support.stage import OpenStage, Scene, Stage
from support.together import (
    BUSY,
    DONE,
    END,
    ERROR,
    GOOD,
    JSON,
    LENGTH,
    LINES,
    ONE,
    ROUTES,
    SSE,
    TWO,
    WHOLE_BODY,
    Expected,
    by_request,
    check,
    ends,
    line_told,
    plain,
    told,
)


@pytest.fixture
def stage(open_stage: OpenStage) -> Iterator[Stage]:
    with open_stage(routes=ROUTES, endpoints=2).left_as_found() as stage:
        yield stage


WHOLE = Expected(re.escape((ONE + TWO + DONE).decode()), line={"outcome": "complete", "failure": None})
FIRST = re.escape(ONE.decode())
WITH_PINGS = replace(WHOLE, pings=True)
EARLY = replace(WITH_PINGS, line={"outcome": "complete", "early_ms": any})
HELD = replace(EARLY, body=": wait\n\n" + WHOLE.body)
MARKED = replace(WHOLE, body="\ufeff?" + WHOLE.body)
HALVES = [SSE, chunk(ONE), chunk(TWO[:9]), 0.3, chunk(TWO[9:]), 0.3, chunk(DONE), END]
HALF_FIRST = [SSE + chunk(ONE[:4]), 0.4, chunk(ONE[4:] + TWO), 0.3, chunk(DONE), END]

SCENES: dict[str, tuple[str, Script | Callable[[], Script], Expected]] = {
    "good": ("all", GOOD, WHOLE),
    "pings": ("all", [SSE, chunk(ONE), 0.3, chunk(TWO), 0.25, chunk(DONE), END], WITH_PINGS),
    "event in halves": ("all", HALVES, WITH_PINGS),
    "half an event first": ("once", HALF_FIRST, WITH_PINGS),
    "half a mark first": ("once", [SSE + chunk(b"\xef"), 0.2, chunk(b"\xbb\xbf" + ONE + TWO + DONE), END], MARKED),
    "left open": ("all", [SSE, chunk(ONE + TWO + DONE), hang], WHOLE),
    "second endpoint": ("all", lambda: by_request(hang, GOOD), WHOLE),
    "both slow": ("all", [0.65, *GOOD], EARLY),
    "held": ("all", [SSE + chunk(b": wait\n\n"), 0.6, chunk(ONE + TWO + DONE), END], HELD),
    "held for too long": ("once", [SSE + chunk(b": wait\n\n"), 0.9, chunk(ONE + TWO + DONE), END], HELD),
    "no end": ("once", [SSE, chunk(ONE), 0.1, END], ends(ONE, "answer_unfinished")),
    "cut within an event": ("once", [SSE, chunk(ONE), 0.1, chunk(b"data: 2"), 0.05, reset], Expected(
        FIRST + "data: 2", complete=False, line={"outcome": "truncated", "failure": "body_cut"}
    )),
    "cut between events": ("once", [SSE, chunk(ONE), 0.1, reset], ends(ONE, "body_cut")),
    "cut behind a length": ("once", [LENGTH + ONE + TWO, 0.1, reset], Expected(
        re.escape((ONE + TWO).decode()) + "(" + told("body_cut") + ")?", complete=None,
        line={"outcome": "truncated", "failure": "body_cut"},
    )),
    "silent": ("once", [SSE, chunk(ONE), hang], ends(ONE, "idle_timeout", "timed_out", pings=True)),
    "refused under an early head": ("once", [0.5, BUSY], ends(b"", "late_refusal", "failed", pings=True)),
    "busy twice": ("all", lambda: by_request(BUSY, BUSY, GOOD), WHOLE),
}  # fmt: skip


CODINGS = ("identity", "gzip", "zstd")
Played = dict[tuple[str, str], Future[tuple[RawResponse, Line]]]


@pytest.fixture(scope="module")
def played_scenes(open_stage: OpenStage) -> Iterator[Played]:
    """Play each scene in each coding, some of them beside each other."""
    stage = open_stage(routes=ROUTES, endpoints=2)
    with ThreadPoolExecutor(8) as players:
        yield {
            (name, coding): players.submit(played, stage, route, script() if callable(script) else script, coding)
            for name, (route, script, _) in SCENES.items()
            for coding in CODINGS
        }


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("scene", SCENES)
def test_scene_ends_as_it_would_with_nothing_else_turned_on(played_scenes: Played, scene: str, coding: str) -> None:
    """The client gets octet for octet what its format allows, and the record says what happened."""
    answer, line = played_scenes[scene, coding].result(30)
    check(answer, line, SCENES[scene][2])


def played(stage: Stage, route: str, script: Script, coding: str, *lines: str) -> tuple[RawResponse, Line]:
    with stage.scene(script, route) as scene, stage.client() as client:
        answer = client.get(scene.target, f"Accept-Encoding: {coding}", *lines).read_response()
        return answer, scene.line()


CHAT = (
    b'data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


@pytest.mark.parametrize("early", [False, True])
def test_error_told_first_is_tried_again(stage: Stage, early: bool) -> None:
    """Also below an early head: nothing of it is left in the stream or in the record."""
    wait = 0.3 if early else 0
    bad, good = [wait, SSE, wait, chunk(ERROR), END], [SSE, chunk(CHAT), END]
    with stage.scene(by_request(bad, good), "chat") as scene, stage.client() as client:
        answer, line = posted(client, scene)
    assert answer.complete and answer.status == 200
    assert plain(answer).replace(b": ping\n", b"") == CHAT
    assert (line["outcome"], line["failure"], line["attempts"], line["retried"]) == (
        "complete",
        None,
        2,
        "in_band_error",
    )
    assert ("early_ms" in line) is early


@pytest.mark.parametrize("early", [False, True])
def test_error_told_first_is_told(stage: Stage, early: bool) -> None:
    """By its status or, where a head is out, by a frame."""
    wait = 0.3 if early else 0
    with stage.scene([wait, SSE, wait, chunk(ERROR), END], "chat-once") as scene, stage.client() as client:
        answer, line = posted(client, scene)
    assert (answer.complete, answer.status) == (True, 200 if early else 529)
    assert b"busy" in answer.body
    assert (line["outcome"], line["failure"]) == ("failed", "in_band_error")


def posted(client: RudeClient, scene: Scene) -> tuple[RawResponse, Line]:
    body = b'{"stream":true}'
    head = f"POST {scene.target} HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = client.send(head.encode() + body).read_response()
    return answer, scene.line()


@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize("route", ["all", "auto"])
def test_conversion_with_pings_and_an_early_head(stage: Stage, route: str, coding: str) -> None:
    """Lines made of events, with blank lines between them while the upstream is silent."""
    script = [0.6, SSE, chunk(ONE[:8]), 0.25, chunk(ONE[8:] + TWO), 0.25, chunk(DONE), END]
    answer, line = played(stage, route, script, coding, "Accept: application/jsonl")
    assert answer.first("content-type") == "application/jsonl"
    assert re.sub(rb"\n+", b"\n", plain(answer)).lstrip(b"\n") == LINES, (answer.body, line)
    assert (line["outcome"], line["failure"]) == ("complete", None)
    assert line["pings"] > 1
    assert ("early_ms" in line) is (route == "auto")


@pytest.mark.parametrize(
    ("accept", "made"),
    [("text/event-stream;q=0.5, application/x-ndjson", False), ("application/x-ndjson;q=0.5, text/event-stream", True)],
)
def test_early_head_decides_what_is_made(stage: Stage, accept: str, made: bool) -> None:
    """The type that was named there stays, whatever the client would have liked more."""
    answer, line = played(stage, "once-auto", [0.6, *GOOD], "identity", f"Accept: {accept}")
    assert answer.first("content-type") == ("application/x-ndjson" if made else "text/event-stream")
    assert answer.complete and line["outcome"] == "complete"
    assert answer.body.endswith(LINES if made else ONE + TWO + DONE)


def test_conversion_that_breaks_ends_in_a_line(stage: Stage) -> None:
    """The end is told in the format that the client reads."""
    answer, line = played(stage, "once", [SSE, chunk(ONE), 0.1, END], "gzip", "Accept: application/x-ndjson")
    check(
        answer,
        line,
        Expected(r'\{"data":\{"n":1\}\}\n+' + line_told("answer_unfinished"), line={"outcome": "truncated"}),
    )


def test_answer_in_another_type_than_the_early_head_would_say_is_waited_for(stage: Stage) -> None:
    """Its head is held when the grace is over: so no other one goes out before."""
    script = [JSON, 0.6, chunk(b'{"a":1}'), END]
    answer, line = played(stage, "once-auto", script, "identity", "Accept: text/event-stream")
    assert (answer.status, answer.first("content-type"), answer.body) == (200, "application/json", b'{"a":1}')
    assert (line["outcome"], "early_ms" in line) == ("complete", False)


@pytest.mark.parametrize("coding", ["identity", "gzip"])
@pytest.mark.parametrize(
    ("method", "status", "body"),
    [
        ("HEAD", "200 OK", b""),
        ("GET", "204 No Content", b""),
        ("GET", "304 Not Modified", b""),
        ("GET", "206 Part", ONE),
    ],
)
def test_answer_without_the_whole_body_passes(stage: Stage, method: str, status: str, body: bytes, coding: str) -> None:
    """There is nothing to watch, and nothing to put in."""
    length = f"Content-Length: {len(body)}\r\n" if status[:3] in ("200", "206") else ""
    top = f"HTTP/1.1 {status}\r\nContent-Type: text/event-stream\r\n{length}\r\n".encode()
    with stage.scene([top, 0.15, body], "all") as scene, stage.client() as client:
        client.send(f"{method} {scene.target} HTTP/1.1\r\nHost: h\r\nAccept-Encoding: {coding}\r\n\r\n".encode())
        answer = client.read_response(method=method)
        line = scene.line()
    assert (answer.status, answer.complete, answer.body) == (int(status[:3]), True, body)
    assert (line["outcome"], line["failure"], line.get("pings")) == ("complete", None, None)


def test_old_client_gets_a_plain_stream(stage: Stage) -> None:
    """HTTP/1.0 knows no chunks: no coding, no early head; pings and frames all the same."""
    script = [0.55, SSE, chunk(ONE), 0.25, reset]
    with stage.scene(script, "once") as scene, stage.client() as client:
        client.send(f"GET {scene.target} HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n".encode())
        answer = client.read_response()
        line = scene.line()
    check(answer, line, replace(ends(ONE, "body_cut"), pings=True))
    assert "early_ms" not in line and answer.first("content-encoding") is None


@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
def test_body_with_a_length(stage: Stage, coding: str) -> None:
    """It keeps its length where its octets stay, and its last octet is not sent before the answer is whole."""
    octets = LENGTH.replace(b"5000", b"%d" % len(WHOLE_BODY)) + WHOLE_BODY[:-1]
    answer, line = played(stage, "once", [octets, 0.3, WHOLE_BODY[-1:]], coding)
    assert plain(answer).replace(b": ping\n", b"") == WHOLE_BODY
    assert (answer.complete, line["outcome"]) == (True, "complete")
    assert (answer.first("content-length") is not None) is (coding == "identity")

    unfinished = LENGTH.replace(b"5000", b"%d" % len(ONE + TWO)) + ONE
    answer, line = played(stage, "once", [unfinished, 0.3, TWO], coding)
    assert (answer.complete, line["outcome"], line["failure"]) == (False, "truncated", "answer_unfinished")
    assert plain(answer).replace(b": ping\n", b"") == (ONE + TWO)[:-1]
