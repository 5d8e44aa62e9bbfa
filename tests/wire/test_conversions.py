"""Conversions through the real server: whole frames at once, half frames never, in little memory."""

import csv
import io
import json
import queue

import pytest
from support.rude_client import RawResponse
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import Script, chunk, reset, response
from support.stage import OpenStage, Stage

SSE, NDJSON, JSON, CSV = "text/event-stream", "application/x-ndjson", "application/json", "text/csv"
PATIENCE_SECONDS = 5.0
_CONVERT = {"to": ["ndjson", "sse", "csv"], "columns": ["id", "user.name"]}


@pytest.fixture
def stage(open_stage: OpenStage) -> Stage:
    return open_stage(routes={"all": {"convert": _CONVERT}, "plain": {}})


def head_of(media: str, *lines: str, status: str = "200 OK") -> bytes:
    """The head of an answer whose body comes in chunks."""
    fields = [f"Content-Type: {media}", "Transfer-Encoding: chunked", *lines]
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode()


def asked(stage: Stage, script: Script, accept: str | None, *lines: str, method: str = "GET") -> RawResponse:
    """Return what a client gets that accepts ``accept``."""
    with stage.scene(script) as scene, stage.client() as client:
        accepts = [] if accept is None else [f"Accept: {accept}"]
        request = [f"{method} {scene.target} HTTP/1.1", "Host: gateway.test", *accepts, *lines, "", ""]
        client.send("\r\n".join(request).encode())
        return client.read_response(method=method)


@pytest.mark.parametrize(
    ("media", "accept", "steps"),
    [
        (SSE, NDJSON, [(b"data: 1\n\n", b'{"data":"1"}\n'), (b": ping\n\n", b""), (b"data: [DO", b""),
                       (b"NE]\n\n", b'{"data":"[DONE]"}\n')]),
        (NDJSON, SSE, [(b'{"a":1}\n{"a"', b'data: {"a":1}\n\n'), (b":2}\n", b'data: {"a":2}\n\n')]),
        (JSON, NDJSON, [(b'[{"a":1}', b'{"a":1}\n'), (b',{"a"', b""), (b":2}", b'{"a":2}\n'), (b"]", b"")]),
        (JSON, SSE, [(b'[{"a":1}', b'data: {"a":1}\n\n'), (b"]", b"")]),
        (NDJSON, CSV, [(b'{"id":1,"user":{"name":"A"}}\n', b"id,user.name\r\n1,A\r\n"), (b'{"id":2}\n', b"2,\r\n")]),
        (JSON, CSV, [(b'[{"id":1}', b"id,user.name\r\n1,\r\n"), (b', {"id":2}', b"2,\r\n"), (b"]", b"")]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_each_frame_arrives_when_it_is_whole(
    stage: Stage, media: str, accept: str, steps: list[tuple[bytes, bytes]]
) -> None:
    """The upstream goes on only when the client has the frame before."""
    confirmed: queue.Queue[int] = queue.Queue()

    def script(connection: ScriptedConnection) -> None:
        connection.send(head_of(media))
        confirmed.get(timeout=PATIENCE_SECONDS)
        for number, (piece, made) in enumerate(steps):
            connection.send(chunk(piece))
            if made:
                assert confirmed.get(timeout=PATIENCE_SECONDS) == number
        connection.send(chunk(b""))

    with stage.scene(script) as scene, stage.client() as client:
        client.get(scene.target, f"Accept: {accept}")
        answer, arriving = client.open_response()
        confirmed.put(-1)
        for number, (_, made) in enumerate(steps):
            got = b""
            while len(got) < len(made):
                got += next(arriving)
            assert got == made
            if made:
                confirmed.put(number)
        assert list(arriving) == []
        assert answer.first("content-type") == (f"{CSV}; charset=utf-8" if accept == CSV else accept)
        line = scene.line()
        assert (line["outcome"], line["converted"]) == ("complete", accept)


@pytest.mark.parametrize(
    ("media", "accept", "body", "frames"),
    [
        (SSE, NDJSON, b"data: 1\n\ndata: 2\n", b'{"data":"1"}\n'),
        (NDJSON, SSE, b'{"a":1}\n{"a":2}', b'data: {"a":1}\n\n'),
        (JSON, NDJSON, b'[{"a":1},{"a":2', b'{"a":1}\n'),
        (JSON, CSV, b'[{"id":1},{"id":2', b"id,user.name\r\n1,\r\n"),
    ],
)
@pytest.mark.parametrize("end", [[reset], []], ids=["reset", "fin"])
def test_cut_in_the_middle_is_a_cut_behind_the_last_whole_frame(
    stage: Stage, media: str, accept: str, body: bytes, frames: bytes, end: list[Script]
) -> None:
    """The client has every whole frame, no half one, and no clean end."""
    confirmed: queue.Queue[bool] = queue.Queue()

    def wait(connection: ScriptedConnection) -> None:
        confirmed.get(timeout=PATIENCE_SECONDS)

    with stage.scene([head_of(media), chunk(body), wait, *end]) as scene, stage.client() as client:  # type: ignore[list-item]
        client.get(scene.target, f"Accept: {accept}")
        _, arriving = client.open_response()
        got = b""
        while len(got) < len(frames):
            got += next(arriving)
        confirmed.put(True)
        with pytest.raises(Exception):  # noqa: B017 - which one depends on how the connection ended
            list(arriving)
        assert got == frames
        line = scene.line()
        assert (line["outcome"], line["failure"]) == ("truncated", "body_cut")


@pytest.mark.parametrize(
    ("media", "accept", "body", "frames", "failure"),
    [
        (SSE, NDJSON, b"data: 1\n\ndata: 2\n", b'{"data":"1"}\n', "answer_unfinished"),
        (JSON, NDJSON, b"[1,2", b"1\n", "answer_unfinished"),
        (JSON, NDJSON, b"[1,2,x]", b"1\n2\n", "answer_malformed"),
        (NDJSON, SSE, b"1\nx\n2\n", b"data: 1\n\n", "answer_malformed"),
        (NDJSON, CSV, b'{"id":1}\n{"error":"no"}\n', b"id,user.name\r\n1,\r\n", "in_band_error"),
    ],
)
def test_body_that_cannot_be_converted_to_its_end_has_no_clean_end(
    stage: Stage, media: str, accept: str, body: bytes, frames: bytes, failure: str
) -> None:
    """Although its framing was whole."""
    with stage.scene([head_of(media), 0.05, chunk(body), chunk(b"")]) as scene, stage.client() as client:
        client.get(scene.target, f"Accept: {accept}")
        answer = client.read_response()
        line = scene.line()
    assert (answer.status, answer.body, answer.complete) == (200, frames, False)
    assert line["failure"] == failure


def test_body_that_fails_with_its_first_octets_is_a_real_error(stage: Stage) -> None:
    """As long as nothing went out, the client gets a status."""
    answer = asked(stage, response(b"<html>", f"Content-Type: {JSON}"), NDJSON)

    assert (answer.status, answer.first("content-type")) == (502, "application/problem+json")
    assert json.loads(answer.body)["code"] == "answer_malformed"


def test_frame_above_the_limit_ends_the_exchange(stage: Stage) -> None:
    """A frame is held whole, so that there must be a bound."""
    with stage.scene([head_of(JSON), chunk(b"[1,"), chunk(b'"' + b"x" * 1_100_000)]) as scene, stage.client() as client:
        client.get(scene.target, f"Accept: {NDJSON}")
        answer = client.read_response()
        line = scene.line()
    assert (answer.body, answer.complete, line["failure"]) == (b"1\n", False, "answer_malformed")
    assert "element 2: longer than 1048576 octets" in str(line["detail"])


def test_upstream_is_asked_for_its_own_format(stage: Stage) -> None:
    """Whole and plain; what the client said about that was about what it gets."""
    before = len(stage.upstream.requests)

    asked(stage, response(b"[]", f"Content-Type: {JSON}"), NDJSON, "Accept-Encoding: gzip", "Range: bytes=0-1")

    fields = {name.lower(): value for name, value in stage.upstream.requests[before].head.fields}
    assert (fields["accept"], fields["accept-encoding"]) == (f"{SSE}, {JSON}", "identity")
    assert "range" not in fields


@pytest.mark.parametrize(
    ("accept", "lines", "converted"),
    [
        (None, (), False),
        ("*/*", (), False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", (), False),
        (f"{NDJSON}, */*", (), False),
        (f"{NDJSON}, */*;q=0.1", (), True),
        (NDJSON, (), True),
        (NDJSON, ("Cache-Control: no-transform",), False),
        (NDJSON, ("Content-Encoding: gzip",), False),
    ],
)
def test_conversion_is_made_only_where_it_is_asked_for_and_allowed(
    stage: Stage, accept: str | None, lines: tuple[str, ...], converted: bool
) -> None:
    """Caches learn in every case what the answer depends on."""
    body = b'[{"a":1}]'
    answer = asked(stage, response(body, f"Content-Type: {JSON}", 'ETag: "1"', "Vary: Origin", *lines), accept)

    assert answer.complete
    assert answer.body == (b'{"a":1}\n' if converted else body)
    assert answer.first("content-type") == (NDJSON if converted else JSON)
    assert answer.first("etag") == (None if converted else '"1"')
    assert answer.all("vary") == ["Origin, Accept"]


@pytest.mark.parametrize("status", ["404 Not Found", "500 Internal Server Error", "206 Partial Content"])
def test_other_answers_pass_as_they_are(stage: Stage, status: str) -> None:
    """Only whole successful ones are converted."""
    answer = asked(stage, response(b"[1]", f"Content-Type: {JSON}", status=status), NDJSON)

    assert (answer.body, answer.first("content-type"), answer.first("content-length")) == (b"[1]", JSON, "3")


def test_head_request_gets_the_head_of_get(stage: Stage) -> None:
    """Without the length of a body that nobody would get."""
    script = f'HTTP/1.1 200 OK\r\nContent-Type: {JSON}\r\nContent-Length: 9\r\nETag: "1"\r\n\r\n'.encode()

    answer = asked(stage, script, CSV, method="HEAD")

    assert (answer.body, answer.complete) == (b"", True)
    assert answer.first("content-type") == "text/csv; charset=utf-8"
    assert (answer.first("content-length"), answer.first("etag"), answer.first("vary")) == (None, None, "Accept")


def test_csv_is_read_back(stage: Stage) -> None:
    """By the csv module, from an array of a thousand records in odd pieces."""
    records = [{"id": number, "user": {"name": f'n,"{number}\n'}} for number in range(1000)]
    body = json.dumps(records).encode()
    pieces = [chunk(body[at : at + 997]) for at in range(0, len(body), 997)]

    answer = asked(stage, [head_of(JSON), *pieces, chunk(b"")], CSV)

    rows = list(csv.reader(io.StringIO(answer.body.decode(), newline="")))
    assert answer.complete
    assert rows == [["id", "user.name"], *([str(each["id"]), each["user"]["name"]] for each in records)]  # type: ignore[index]


def test_long_body_is_converted_in_constant_memory(stage: Stage) -> None:
    """Fifty megabytes leave the worker as small as it was after the first of them."""
    record = b'{"id":1,"text":"%b"},\n' % (b"x" * 1000)
    megabyte = chunk(record * 1000)

    def script(connection: ScriptedConnection) -> None:
        connection.send(head_of(JSON) + chunk(b"["))
        for _ in range(50):
            connection.send(megabyte)
        connection.send(chunk(b"{}]") + chunk(b""))

    with stage.scene(script) as scene, stage.client() as client:
        client.get(scene.target, f"Accept: {NDJSON}")
        _, arriving = client.open_response()
        taken = early = late = 0
        for piece in arriving:
            taken += len(piece)
            if not early and taken > 5_000_000:
                early = stage.gateway.rss_kib()
            if taken > 45_000_000:
                late = late or stage.gateway.rss_kib()
        assert scene.line()["outcome"] == "complete"
    assert taken > 50_000_000
    assert late - early < 4096
