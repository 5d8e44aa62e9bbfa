"""All that a route can do about its streams, turned on at once: the parts must not spoil each other."""

import random
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from support.conditions import wait_until
from support.decoding import DECODERS
from support.gateway_process import Line
from support.rude_client import RawResponse, RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import Script, chunk, hang, play, reset
from support.stage import OpenStage, Scene, Stage
from wire.test_client_leaves import MANNERS
from wire.test_reload import reload

STREAM: dict[str, object] = {
    "format": "sse", "complete": "terminal", "terminal": ["data:[DONE]"], "after_terminal": "300ms",
    "on_error": "frame", "keepalive": "100ms", "grace": "450ms", "stall": "350ms", "peek": "700ms",
    "on_disconnect": "drain", "drain": "3s",
}  # fmt: skip
EVERYTHING: dict[str, object] = {
    "stream": STREAM,
    "convert": {"to": ["ndjson"]},
    "compression": {"codings": ["zstd", "gzip"], "min_length": "0B"},
    "hedge": {"after": "200ms", "methods": ["GET", "HEAD"]},
    "retry": {
        "attempts": 3,
        "on": ["peek", "connect", "reset", 503],
        "methods": ["GET", "HEAD", "POST"],
        "budget": "off",
        "backoff": "1ms",
    },
    "timeouts": {"first_byte": "1500ms", "first_frame": "2s", "idle": "900ms", "write": "2s", "total": "6s"},
}
ROUTES: dict[str, dict[str, Any]] = {
    "all": EVERYTHING,
    "auto": {**EVERYTHING, "stream": {**STREAM, "format": "auto"}},
    "alone": {**EVERYTHING, "hedge": {"after": "off"}},
    "once": {**EVERYTHING, "hedge": {"after": "off"}, "retry": {"attempts": 1}},
    "chat": {**EVERYTHING, "stream": {**STREAM, "format": "openai", "terminal": []}},
    "chat-once": {
        **EVERYTHING, "stream": {**STREAM, "format": "openai", "terminal": []}, "retry": {"attempts": 1}
    },
    "shut": {
        **EVERYTHING, "stream": {**STREAM, "grace": "150ms", "peek": "5s"}, "timeouts": {"idle": "8s"}
    },
    "once-auto": {
        **EVERYTHING, "hedge": {"after": "off"}, "retry": {"attempts": 1}, "stream": {**STREAM, "format": "auto"}
    },
}  # fmt: skip

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
NDJSON = SSE.replace(b"text/event-stream", b"application/x-ndjson")
JSON = SSE.replace(b"text/event-stream", b"application/json")
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
ONE, TWO, DONE = b'data: {"n":1}\n\n', b'data: {"n":2}\n\n', b"data: [DONE]\n\n"
LINES = b'{"data":{"n":1}}\n{"data":{"n":2}}\n{"data":"[DONE]"}\n'
ERROR = b'event: error\ndata: {"error":{"type":"overloaded_error","message":"busy"}}\n\n'
END = chunk(b"")
GOOD: Script = [SSE, chunk(ONE), chunk(TWO), chunk(DONE), END]


@pytest.fixture
def stage(open_stage: OpenStage) -> Iterator[Stage]:
    """The pair; when the test is over nothing it opened may be left, on either side."""
    stage = open_stage(routes=ROUTES, endpoints=2)
    stage.wait_until_quiet(5)
    yield stage
    stage.wait_until_quiet(5)


def by_request(*scripts: Script) -> Script:
    """Return a script that plays the first for a scene's first request, whichever endpoint gets it, and so on."""
    lock, left = threading.Lock(), list(scripts)

    def each(connection: ScriptedConnection) -> None:
        with lock:
            script = left.pop(0) if len(left) > 1 else left[0]
        play(script, connection)

    return each


@dataclass(frozen=True)
class Expected:
    """What a scene comes to."""

    body: str
    """A pattern of the body behind its content coding, without the pings that stand between its frames."""
    complete: bool | None = True
    """None where either will do."""
    status: int = 200
    pings: bool = False
    """Whether some must have come."""
    line: dict[str, object] = field(default_factory=dict)


WHOLE = Expected(re.escape((ONE + TWO + DONE).decode()), line={"outcome": "complete", "failure": None})
AS_LINES = Expected(re.escape(LINES.decode()), line={"outcome": "complete", "failure": None})


def told(code: str) -> str:
    """A pattern of the error frame for a failure."""
    return rf'event: error\ndata: \{{"error":\{{[^\n]*"code":"{code}"[^\n]*\n\n'


def line_told(code: str) -> str:
    return rf'\{{"error":\{{[^\n]*"code":"{code}"[^\n]*\n'


FIRST = re.escape(ONE.decode())
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 5000\r\n\r\n"
WITH_PINGS = replace(WHOLE, pings=True)
EARLY = replace(WITH_PINGS, line={"outcome": "complete", "early_ms": any})
HELD = replace(EARLY, body=": wait\n\n" + WHOLE.body)
MARKED = replace(WHOLE, body="\ufeff?" + WHOLE.body)


def ends(behind: bytes, code: str, outcome: str = "truncated", pings: bool = False) -> Expected:
    """Return what a stream comes to that broke behind whole events."""
    return Expected(re.escape(behind.decode()) + told(code), pings=pings, line={"failure": code, "outcome": outcome})


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


def plain(answer: RawResponse) -> bytes:
    """Return the body behind its coding; its end is there where the message is whole, and nowhere else."""
    coding = answer.first("content-encoding")
    if coding is None:
        return answer.body
    decoder = DECODERS[coding]()
    body = decoder(answer.body)
    assert decoder.ended == answer.complete
    return body


def check(answer: RawResponse, line: Line, expected: Expected, ping: bytes = b": ping\n") -> None:
    assert answer.status == expected.status, (answer, line)
    assert expected.complete in (None, answer.complete), (answer, line)
    found = plain(answer)
    assert re.fullmatch(expected.body, found.replace(ping, b"").decode(), re.DOTALL), (found, line)
    if expected.pings:
        assert ping in found
        assert line["pings"] > 0
    for name, value in expected.line.items():
        assert line.get(name) == value or (value is any and line.get(name) is not None), (name, line)


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
    assert plain(answer).replace(b"\n\n", b"\n").lstrip(b"\n").replace(b"\n\n", b"\n") == LINES, (answer.body, line)
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
        Expected(r'\{"data":\{"n":1\}\}\n' + line_told("answer_unfinished"), line={"outcome": "truncated"}),
    )


def test_answer_in_another_type_than_the_early_head_would_say_is_waited_for(stage: Stage) -> None:
    """Its head is held when the grace is over: so no other one goes out before."""
    script = [JSON, 0.6, chunk(b'{"a":1}'), END]
    answer, line = played(stage, "once-auto", script, "identity", "Accept: text/event-stream")
    assert (answer.status, answer.first("content-type"), answer.body) == (200, "application/json", b'{"a":1}')
    assert (line["outcome"], "early_ms" in line) == ("complete", False)


WHOLE_BODY = ONE + TWO + DONE


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


def test_stream_outlives_a_reload(stage: Stage) -> None:
    """It goes on as it began, its pings too."""
    script = [SSE, chunk(ONE), 0.4, chunk(TWO), 0.4, chunk(DONE), END]
    with stage.scene(script, "all") as scene, stage.client() as client:
        client.get(scene.target, "Accept-Encoding: gzip", "Accept: application/x-ndjson")
        _, pieces = client.open_response()
        first = next(pieces)
        reload(stage.gateway)
        body = first + b"".join(pieces)
        line = scene.line()
    decoder = DECODERS["gzip"]()
    found = decoder(body)
    assert decoder.ended and re.sub(rb"\n+", b"\n", found) == LINES and found.count(b"\n") > 3
    assert line["outcome"] == "complete"


LEAVERS: list[Script] = [
    GOOD,
    [SSE, chunk(ONE), 0.4, chunk(TWO), 0.3, chunk(DONE), END],
    [0.6, *GOOD],
    [SSE + chunk(b": wait\n\n"), 0.6, chunk(WHOLE_BODY), END],
    by_request([0.1, SSE, chunk(b": wait\n\n"), 0.1, reset], [0.3, *GOOD]),
    by_request(BUSY, [0.3, SSE, chunk(ONE), 0.2, chunk(TWO), END]),
    [SSE, chunk(ONE), hang],
    hang,
    [SSE, chunk(WHOLE_BODY), hang],
    [LENGTH + ONE, 0.3, TWO, 0.1, reset],
    [NDJSON, chunk(b'{"a"'), 0.3, chunk(b":1}\n"), END],
    [SSE, *([chunk(ONE * 200)] * 40), chunk(DONE), END],
]


def test_clients_that_leave_at_any_moment_leave_nothing(stage: Stage) -> None:
    """Each exchange is recorded once, with one outcome; no connection, no exchange, no descriptor stays."""
    chance = random.Random(20261120)
    descriptors = stage.gateway.open_fds()
    before = len(stage.gateway.log_lines())
    targets: list[str] = []
    failures: list[BaseException] = []
    lock = threading.Lock()

    def leave(number: int) -> None:
        with lock:
            script, route = chance.choice(LEAVERS), chance.choice(["all", "auto", "alone"])
            coding, accept = chance.choice(["identity", "gzip", "zstd"]), chance.choice(["*/*", "application/x-ndjson"])
            seconds, manner = chance.uniform(0, 1.1) ** 2, chance.choice(list(MANNERS))
        with stage.scene(script, route) as scene, stage.client() as client:
            with lock:
                targets.append(scene.target)
            client.get(scene.target, f"Accept-Encoding: {coding}", f"Accept: {accept}")
            client.arrivals(seconds)
            MANNERS[manner](client)
            scene.line(15)

    def leave_often(numbers: Iterator[int]) -> None:
        try:
            for number in numbers:
                leave(number)
        except BaseException as error:
            failures.append(error)

    numbers = iter(range(LEAVER_COUNT))
    crowd = [threading.Thread(target=leave_often, args=(numbers,), daemon=True) for _ in range(25)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join(60)
    assert not failures, failures[0]

    stage.wait_until_quiet(6)
    wait_until(lambda: stage.gateway.open_fds() <= descriptors, 3, "every descriptor to be given back")
    lines = stage.gateway.log_lines()[before:]
    assert Counter(line["target"] for line in lines) == Counter(targets)
    assert len(targets) == LEAVER_COUNT
    outcomes = Counter(line["outcome"] for line in lines)
    assert set(outcomes) <= {"client_gone", "complete", "failed", "truncated", "timed_out"}, outcomes
    drained = Counter(line.get("drained") for line in lines)
    assert drained["complete"] > 0 and outcomes["client_gone"] > 50, (outcomes, drained)


LEAVER_COUNT = 200


def test_shutdown_ends_all_of_them_in_order(open_stage: OpenStage) -> None:
    """Whatever each is waiting for: a status where none went out, a frame where that can be, and a line for each."""
    stage = open_stage(routes=ROUTES, endpoints=2, server={"drain_timeout": "700ms"})
    scripts: dict[str, tuple[Script, str]] = {
        "relayed": ([SSE, chunk(ONE), hang], "gzip"),
        "held": ([SSE + chunk(b": wait\n\n"), hang], "gzip"),
        "silent": (hang, "gzip"),
        "left": ([SSE, chunk(ONE), hang], "zstd"),
    }
    answers: dict[str, RawResponse] = {}
    lines: dict[str, Line] = {}

    with ExitStack() as stack:
        clients: dict[str, tuple[RudeClient, Scene]] = {}
        for name, (script, coding) in scripts.items():
            scene, client = stack.enter_context(stage.scene(script, "shut")), stack.enter_context(stage.client())
            clients[name] = client.get(scene.target, f"Accept-Encoding: {coding}"), scene
            scene.connection()
        next(clients["left"][0].open_response()[1])
        clients["left"][0].leave()
        stage.gateway.signal(signal.SIGTERM)
        for name, (client, scene) in clients.items():
            if name != "left":
                answers[name] = client.read_response()
            lines[name] = scene.line()
        assert stage.gateway.wait() == 0

    check(answers["relayed"], lines["relayed"], replace(ends(ONE, "drained", "drained"), pings=True))
    for name in ("held", "silent"):
        assert answers[name].status == 200 and lines[name]["outcome"] == "drained", (answers[name], lines[name])
        assert re.fullmatch(rb"(: ping\n)+" + told("drained").encode(), answers[name].body), answers[name].body
    assert (lines["left"]["outcome"], lines["left"]["drained"]) == ("client_gone", "shutdown")
    assert len(stage.gateway.log_lines()) == len(scripts)
