"""A head that goes out before the upstream's: when it does, what it costs, and that no failure below it looks whole."""

import re
import time

import pytest
from support.conditions import patience
from support.rude_client import RawResponse, RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import Script, chunk, hang, read_body, response
from support.stage import LISTENERS, OpenStage, Scene, Stage

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nSet-Cookie: a=b\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS = SSE + chunk(b"data: 1\n\n") + chunk(b"")
STREAM = {"format": "sse", "keepalive": "120ms", "grace": "300ms"}
RETRY = {"attempts": 2, "on": [503, "first_byte_timeout"], "backoff": "300ms"}
ROUTES = {
    "sse": {"stream": STREAM},
    "auto": {"stream": {**STREAM, "format": "auto"}},
    "openai": {"stream": {**STREAM, "format": "openai"}},
    "ndjson": {"stream": {**STREAM, "format": "ndjson"}},
    "json": {"stream": {**STREAM, "format": "json"}},
    "never": {"stream": {**STREAM, "grace": "off"}},
    "impatient": {"stream": STREAM, "timeouts": {"first_byte": "700ms"}},
    "total": {"stream": STREAM, "timeouts": {"total": "700ms"}},
    "again": {"stream": STREAM, "retry": RETRY, "timeouts": {"first_byte": "500ms"}},
    "frame": {"stream": {**STREAM, "on_error": "frame"}, "timeouts": {"first_byte": "2s"}},
    "one": {"stream": STREAM, "limits": {"max_concurrent": 1}, "timeouts": {"queue": "900ms"}},
}


@pytest.fixture(params=LISTENERS)
def stage(request: pytest.FixtureRequest, open_stage: OpenStage) -> Stage:
    return open_stage(routes=ROUTES, listener=request.param)


@pytest.fixture
def plain(open_stage: OpenStage) -> Stage:
    return open_stage(routes=ROUTES, listener="plain")


def assert_early(answer: RawResponse, media_type: str = "text/event-stream") -> None:
    """The head is ours, and came when the grace was over, not before: a busy machine may be late."""
    assert (answer.status, answer.first("content-type")) == (200, media_type)
    assert (answer.first("cache-control"), answer.first("x-accel-buffering")) == ("no-store", "no")
    assert answer.first("transfer-encoding") == "chunked"
    assert answer.first("x-request-id")
    assert answer.first("set-cookie") is None
    assert 0.28 < answer.head_seconds < patience(2)


def assert_cut(answer: RawResponse, scene: Scene, failure: str, outcome: str = "failed") -> None:
    """Nothing but pings came, and no end."""
    assert_early(answer)
    assert not answer.complete and re.fullmatch(rb"(: ping\n)+", answer.body)
    line = scene.line()
    assert (line["status"], line["failure"], line["outcome"]) == (200, failure, outcome)


def test_slow_answer_gets_a_head_of_ours_and_pings_until_it_comes(stage: Stage) -> None:
    """The body follows octet for octet, and the connection stays usable."""
    with stage.scene([0.7, EVENTS], "sse") as scene, stage.client() as client:
        answer = client.get(scene.target).read_response()
        assert_early(answer)
        assert answer.complete and re.fullmatch(rb"(: ping\n){3,5}data: 1\n\n", answer.body)
        assert answer.first("connection") is None
        line = scene.line()
        assert (line["status"], line["outcome"], line["bytes_down"]) == (200, "complete", 9)
        assert line["head_ms"] >= 650


@pytest.mark.parametrize(
    ("route", "lines", "media_type", "pings"),
    [
        ("auto", ["Accept: text/event-stream"], "text/event-stream", rb"(: ping\n)+"),
        ("auto", ["Accept: application/jsonl"], "application/jsonl", rb"\n+"),
        ("ndjson", [], "application/x-ndjson", rb"\n+"),
        ("json", [], "application/json", rb" +"),
        ("sse", ["Origin: http://h", "Sec-Fetch-Site: same-origin"], "text/event-stream", rb"(: ping\n)+"),
    ],
)
def test_head_says_what_the_client_counts_on(
    plain: Stage, route: str, lines: list[str], media_type: str, pings: bytes
) -> None:
    """Its type is that of the route, or what the client asks for by name; an answer of that type goes below it."""
    body = b'{"a":1}\n' if "json" in media_type else b"data: 1\n\n"
    script = [
        0.6,
        EVENTS.replace(b"text/event-stream", media_type.encode()).replace(chunk(b"data: 1\n\n"), chunk(body)),
    ]
    with plain.scene(script, route) as scene, plain.client() as client:
        answer = client.get(scene.target, *lines).read_response()
        assert_early(answer, media_type)
        assert answer.complete and re.fullmatch(pings + re.escape(body), answer.body)


NOT_EARLY: list[tuple[str, list[str]]] = [
    ("never", []),
    ("auto", []),
    ("auto", ["Accept: */*"]),
    ("auto", ["Accept: text/event-stream, application/json"]),
    ("sse", ["Accept: text/csv"]),
    ("sse", ["Range: bytes=0-9"]),
    ("sse", ["Origin: https://elsewhere.example", "Sec-Fetch-Site: cross-site"]),
    ("openai", []),
]


@pytest.mark.parametrize(("route", "lines"), NOT_EARLY)
def test_real_head_is_waited_for_where_another_might_be_expected(plain: Stage, route: str, lines: list[str]) -> None:
    """Nothing of what the upstream says is lost."""
    with (
        plain.scene([0.6, response(b"no", "Set-Cookie: a=b", status="404 No")], route) as scene,
        plain.client() as client,
    ):
        answer = client.get(scene.target, *lines).read_response()
        assert (answer.status, answer.body, answer.first("set-cookie")) == (404, b"no", "a=b")


@pytest.mark.parametrize("request_line", ["HEAD {} HTTP/1.1", "GET {} HTTP/1.0", "OPTIONS {} HTTP/1.1"])
def test_old_clients_and_requests_without_a_stream_get_the_real_head(plain: Stage, request_line: str) -> None:
    """Whatever the route says."""
    method = request_line.split(" ")[0]
    answer = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
    with plain.scene([0.6, answer], "sse") as scene, plain.client() as client:
        client.send(f"{request_line.format(scene.target)}\r\nHost: h\r\n\r\n".encode())
        assert client.read_response(method=method).status == 404


def test_error_that_comes_in_time_keeps_its_status(plain: Stage) -> None:
    """Grace is there for that."""
    with plain.scene([0.1, response(b"no", status="429 No")], "sse") as scene, plain.client() as client:
        assert client.get(scene.target).read_response().status == 429


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (response(b"no", status="500 No"), "answered 500"),
        (b"HTTP/1.1 204 No\r\n\r\n", "answered 204"),
        (response(b"<p>", "Content-Type: text/html"), "answered 200 with text/html"),
        (EVENTS.replace(b"Set-Cookie: a=b", b"Content-Encoding: gzip"), "answered 200 in the content coding gzip"),
    ],
    ids=["status", "empty", "type", "coding"],
)
def test_answer_that_does_not_fit_the_head_is_a_cut(stage: Stage, answer: bytes, told: str) -> None:
    """Never a clean end; the record says what the upstream had answered."""
    with stage.scene([0.6, answer], "sse") as scene, stage.client() as client:
        assert_cut(client.get(scene.target).read_response(), scene, "late_refusal")
        assert scene.line()["detail"] == f"{told}, after 200 had gone out"


def test_upstream_that_never_answers_is_a_cut(stage: Stage) -> None:
    """``first_byte`` counts on below the early head."""
    with stage.scene(hang, "impatient") as scene, stage.client() as client:
        assert_cut(client.get(scene.target).read_response(), scene, "first_byte_timeout")
        assert 650 < scene.line()["total_ms"] < 1000 * patience(1.3)


def test_total_timeout_is_a_cut(plain: Stage) -> None:
    """As it is in any stream."""
    with plain.scene(hang, "total") as scene, plain.client() as client:
        assert_cut(client.get(scene.target).read_response(), scene, "total_timeout", "timed_out")


def test_upstream_that_closes_is_a_cut(plain: Stage) -> None:
    """Without a head, after the early one."""
    with plain.scene([0.5], "sse") as scene, plain.client() as client:
        assert_cut(client.get(scene.target).read_response(), scene, "head_missing")


@pytest.mark.parametrize("first", [[0.4, response(b"", status="503 No")], hang], ids=["status", "silent"])
def test_attempts_go_on_below_an_early_head(plain: Stage, first: Script) -> None:
    """Only the status is lost; pings go on between the attempts."""
    tries = iter([first, EVENTS])

    def script(connection: ScriptedConnection) -> None:
        from support.scripted_upstream import play

        play(next(tries), connection)

    with plain.scene(script, "again") as scene, plain.client() as client:
        answer = client.get(scene.target).read_response()
        assert_early(answer)
        assert answer.complete and re.fullmatch(rb"(: ping\n)+data: 1\n\n", answer.body)
        assert (scene.line()["outcome"], scene.line()["attempts"]) == ("complete", 2)


def test_queue_is_waited_in_below_an_early_head(plain: Stage) -> None:
    """Pings come while others have the slot, and then the answer."""
    with (
        plain.scene([SSE, 0.7, chunk(b"")], "one") as first,
        plain.scene(EVENTS, "one") as second,
        plain.client() as holder,
        plain.client() as waiting,
    ):
        holder.get(first.target).read_until_head()
        answer = waiting.get(second.target).read_response()
        assert_early(answer)
        assert answer.complete and re.fullmatch(rb"(: ping\n){2,}data: 1\n\n", answer.body)


def test_wait_in_a_queue_that_is_too_long_is_a_cut(plain: Stage) -> None:
    """Its 503 came too late."""
    with (
        plain.scene([SSE, 1.5, chunk(b"")], "one") as first,
        plain.scene(EVENTS, "one") as second,
        plain.client() as holder,
        plain.client() as waiting,
    ):
        holder.get(first.target).read_until_head()
        assert_cut(waiting.get(second.target).read_response(), second, "queue_timeout", "rejected")


def post(client: RudeClient, target: str, body: bytes, *, pieces: int = 1, pause: float = 0.0) -> RawResponse:
    """Send a POST, its body in pieces, and return the response."""
    client.send(f"POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n".encode())
    size = -(-len(body) // pieces)
    for start in range(0, len(body), size):
        time.sleep(pause)
        client.send(body[start : start + size])
    return client.read_response()


ASKS = b'{"messages": [], "stream" : \n true}'


@pytest.mark.parametrize("pieces", [1, 7])
def test_body_that_asks_for_a_stream_gets_an_early_head(plain: Stage, pieces: int) -> None:
    """``"stream": true`` is seen however the body comes; grace counts from its last octet."""
    with plain.scene([read_body, 0.9, EVENTS], "openai") as scene, plain.client() as client:
        answer = post(client, scene.target, ASKS, pieces=pieces, pause=0.08)
        assert_early(answer)
        assert answer.complete and answer.body.endswith(b"\ndata: 1\n\n")


def test_body_that_asks_for_no_stream_gets_the_real_head(plain: Stage) -> None:
    """Its answer is a document, whose status counts."""
    with plain.scene([0.6, response(b"no", status="400 No")], "openai") as scene, plain.client() as client:
        answer = post(client, scene.target, b'{"prompt": "\\"stream\\": true", "stream": false}')
        assert (answer.status, answer.body) == (400, b"no")


def test_no_head_goes_out_while_the_request_is_still_coming(plain: Stage) -> None:
    """A client that sends is not waiting, and one that waits for 100 (Continue) must get it first."""
    body = b"x" * 40
    with plain.scene(lambda connection: (connection.read_body(), connection.send(EVENTS)), "sse") as scene:
        with plain.client() as client:
            answer = post(client, scene.target, body, pieces=4, pause=0.2)
            assert answer.complete and answer.first("set-cookie") == "a=b" and answer.body == b"data: 1\n\n"
        with plain.client() as client:
            expect = "Expect: 100-continue\r\nContent-Length: 40"
            client.send(f"POST {scene.target} HTTP/1.1\r\nHost: h\r\n{expect}\r\n\r\n".encode())
            assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
            time.sleep(0.5)
            assert client.send(body).read_response().first("set-cookie") == "a=b"


def test_interim_answers_are_kept_back_behind_the_head(plain: Stage) -> None:
    """They would stand in the body."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    with plain.scene([hints, 0.5, hints, EVENTS], "sse") as scene, plain.client() as client:
        answer = client.get(scene.target).read_response()
        assert answer.complete and re.fullmatch(rb"(: ping\n)+data: 1\n\n", answer.body)
        assert len(answer.interim) == 1


def test_client_that_leaves_below_an_early_head_is_noticed_at_once(plain: Stage) -> None:
    """Its upstream connection is closed, and the record says so."""
    with plain.scene(hang, "sse") as scene:
        with plain.client() as client:
            client.get(scene.target).read_until(b": ping\n")
        assert scene.line(1)["outcome"] == "client_gone"
        plain.wait_until_quiet()


@pytest.mark.parametrize(
    ("script", "code"),
    [([0.6, response(b"no", status="500 No")], "late_refusal"), (hang, "first_byte_timeout"), ([0.5], "head_missing")],
    ids=["status", "silent", "closed"],
)
def test_failure_below_an_early_head_is_told_in_a_frame_where_the_route_says_so(
    plain: Stage, script: Script, code: str
) -> None:
    """Behind the pings, in the format that the head promised; the body then ends politely, and the exchange failed."""
    with plain.scene(script, "frame") as scene, plain.client() as client:
        answer = client.get(scene.target).read_response()
        assert_early(answer)
        assert answer.complete
        assert re.fullmatch(rb"(: ping\n)+event: error\ndata: .*\n\n", answer.body) and code.encode() in answer.body
        line = scene.line()
        assert (line["status"], line["failure"], line["outcome"]) == (200, code, "failed")
        assert 280 < line["early_ms"] < 1000 * patience(2)
