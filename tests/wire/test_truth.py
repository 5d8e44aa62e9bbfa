"""Truth at the end of a stream, through the real server: what the matrix of faults and formats does not show."""

import gzip
import json
import time

import pytest
from support.answers import SAMPLES
from support.conditions import patience, wait_until
from support.scripted_upstream import Step, chunk, hang, reset
from support.stage import OpenStage, Stage

CHAT = SAMPLES["openai"]
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = {"format": "openai", "complete": "terminal"}
ROUTES: dict[str, dict[str, object]] = {
    "whole": {"stream": WHOLE | {"after_terminal": "300ms"}},
    "frame": {"stream": WHOLE | {"on_error": "frame"}, "timeouts": {"total": "800ms"}},
    "first": {"stream": WHOLE, "timeouts": {"first_frame": "500ms"}},
    "first-frame": {"stream": WHOLE | {"on_error": "frame"}, "timeouts": {"first_frame": "500ms"}},
    "rate": {"stream": {"format": "sse"}, "timeouts": {"min_rate": "10B/400ms"}},
    "stall": {"stream": WHOLE | {"stall": "100ms"}},
}
PING = chunk(b": ping\n\n")
ROLE = chunk(b'data: {"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}\n\n')


@pytest.fixture
def stage(open_stage: OpenStage) -> Stage:
    return open_stage(routes=ROUTES)


def failures(stage: Stage) -> int:
    """Return how many attempts count as failed at the endpoint."""
    (upstream,) = stage.gateway.admin("/-/upstreams").json()["upstreams"]
    count: int = upstream["endpoints"][0]["failures"]
    return count


def test_unfinished_answer_that_came_with_its_head_becomes_a_status(stage: Stage) -> None:
    """Nothing has gone out yet, so that nothing has to be cut."""
    body = CHAT.first
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(body)
    with stage.scene(head + body, "whole") as scene, stage.client() as client:
        answer = client.get(scene.target).read_response()
        assert (answer.status, json.loads(answer.body)["code"]) == (502, "answer_unfinished")
        assert "neither a finish_reason nor [DONE]" in json.loads(answer.body)["detail"]
        line = scene.line()
        assert (line["outcome"], line["failure"], line["frames"]) == ("failed", "answer_unfinished", 1)


def test_empty_answer_is_not_a_whole_one(stage: Stage) -> None:
    """A length of 0 has no octet to keep back."""
    script = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 0\r\n\r\n"
    with stage.scene(script, "whole") as scene, stage.client() as client:
        assert client.get(scene.target).read_response().status == 502


def test_answer_that_is_left_open_is_ended_and_its_connection_closed(stage: Stage) -> None:
    """After `after_terminal`, not before; the client's connection can be used again."""
    script = [CHUNKED, chunk(CHAT.whole), hang]
    with stage.scene(script, "whole") as scene, stage.client() as client:
        answer = client.get(scene.target).read_response()
        assert answer.complete and answer.body == CHAT.whole
        line = scene.line()
        assert (line["outcome"], line["failure"], line["flaw"]) == (
            "complete",
            None,
            "its body was not ended: left_open",
        )
        assert 280 < line["total_ms"] < 1000 * patience(1.5)
        wait_until(lambda: not scene.connection().is_open, what="the end of the upstream's connection")
        with stage.scene([CHUNKED, chunk(CHAT.whole), chunk(b"")], "whole") as second:
            assert client.get(second.target).read_response().body == CHAT.whole
            assert "flaw" not in second.line()


@pytest.mark.parametrize("before_head", [True, False])
@pytest.mark.parametrize("route", ["first", "first-frame"])
def test_pings_and_preambles_do_not_end_the_wait_for_the_first_frame(
    stage: Stage, before_head: bool, route: str
) -> None:
    """504 before the head, a cut or a frame behind it."""
    script: list[Step] = [hang] if before_head else [CHUNKED, ROLE, *[0.1, PING] * 30]
    with stage.scene(script, route) as scene, stage.client() as client:
        answer = client.get(scene.target).read_response()
        line = scene.line()
    assert 450 < line["total_ms"] < 1000 * patience(2)
    assert line["failure"] == "first_frame_timeout"
    if before_head:
        assert (answer.status, line["outcome"]) == (504, "failed")
        return
    assert (line["outcome"], line["first_frame_ms"]) == ("timed_out", None)
    assert answer.complete == (route == "first-frame") == (b'"code":"first_frame_timeout"' in answer.body)


def test_first_frame_that_came_frees_the_stream_of_its_deadline(stage: Stage) -> None:
    """What follows may take its time."""
    script = [CHUNKED, ROLE, chunk(CHAT.first), 0.8, chunk(CHAT.second + CHAT.last), chunk(b"")]
    with stage.scene(script, "first") as scene, stage.client() as client:
        assert client.get(scene.target).read_response().complete
        line = scene.line()
    assert line["outcome"] == "complete"
    assert line["first_frame_ms"] < 1000 * patience(0.5)


def test_answer_that_nobody_can_watch_is_not_waited_for(stage: Stage) -> None:
    """It is relayed by its framing, whatever it holds, and the record says why."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: br\r\nConnection: close\r\n\r\n"
    with stage.scene([head, b"??", 0.7, b"??"], "first") as scene, stage.client() as client:
        answer = client.get(scene.target).read_response()
        assert answer.complete and answer.body == b"????"
        line = scene.line()
    assert (line["outcome"], line["unwatched"]) == ("complete", "Content-Encoding is br")
    assert "format" not in line


def test_total_timeout_is_told_in_a_frame_and_counts_as_ever(stage: Stage) -> None:
    """The same outcome as that of a cut."""
    with stage.scene([CHUNKED, chunk(CHAT.first), hang], "frame") as scene, stage.client() as client:
        answer = client.get(scene.target).read_response()
        assert answer.complete and answer.body.startswith(CHAT.first)
        told = json.loads(answer.body.removeprefix(CHAT.first).removeprefix(b"event: error\ndata: "))["error"]
        line = scene.line()
    assert (told["code"], told["exchange_id"]) == ("total_timeout", line["id"])
    assert (line["outcome"], line["failure"]) == ("timed_out", "total_timeout")
    wait_until(lambda: not scene.connection().is_open, what="the end of the upstream's connection")


@pytest.mark.parametrize("route", ["whole", "frame"])
def test_endpoint_is_blamed_for_an_end_that_a_frame_made_polite(stage: Stage, route: str) -> None:
    """And for one that was cut."""
    before = failures(stage)
    script = [CHUNKED, chunk(CHAT.first), 0.05, chunk(CHAT.second), chunk(b"")]
    with stage.scene(script, route) as scene, stage.client() as client:
        assert client.get(scene.target).read_response().complete == (route == "frame")
        assert scene.line()["outcome"] == "truncated"
    wait_until(lambda: failures(stage) == before + 1, what="a failure in the endpoint's account")


def test_client_of_http_1_0_gets_the_frame_and_a_normal_end(stage: Stage) -> None:
    """Its body ends with the connection, which must not be reset then."""
    with stage.scene([CHUNKED, chunk(CHAT.first), reset], "frame") as scene, stage.client() as client:
        client.send(f"GET {scene.target} HTTP/1.0\r\n\r\n".encode())
        answer = client.read_response()
    assert answer.ending == "eof"
    assert answer.body.endswith(b"}}\n\n") and b'"code":"body_cut"' in answer.body


def test_usage_is_known_of_an_answer_whose_client_left(stage: Stage) -> None:
    """What was seen until then."""
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":3,"total_tokens":14}}\n\n'
    with stage.scene([CHUNKED, chunk(CHAT.first), chunk(usage), hang], "whole") as scene:
        with stage.client() as client:
            client.get(scene.target).read_until(b'"total_tokens":14}}')
        line = scene.line()
    assert line["outcome"] == "client_gone"
    assert (line["prompt_tokens"], line["completion_tokens"], line["total_tokens"]) == (11, 3, 14)


@pytest.mark.parametrize(
    ("route", "asked"), [("whole", "gzip, deflate"), ("frame", "identity"), ("rate", "gzip, deflate, br")]
)
def test_upstream_is_asked_for_what_can_be_read(stage: Stage, route: str, asked: str) -> None:
    """Nothing that cannot be decoded where the end is watched, nothing coded where something is put in."""
    with stage.scene([CHUNKED, chunk(CHAT.whole), chunk(b"")], route) as scene, stage.client() as client:
        assert client.get(scene.target, "Accept-Encoding: gzip, deflate, br").read_response().complete
    seen = next(request for request in stage.upstream.requests if request.target == scene.target)
    assert [value for name, value in seen.fields if name.lower() == "accept-encoding"] == [asked]


@pytest.mark.parametrize("whole", [True, False])
def test_coded_answer_is_judged_by_what_it_holds(stage: Stage, whole: bool) -> None:
    """The octets stay coded; gzip that ends well around half an answer does not make it whole."""
    coded = gzip.compress(CHAT.whole if whole else CHAT.first)
    head = CHUNKED.replace(b"Transfer", b"Content-Encoding: gzip\r\nTransfer")
    with stage.scene([head, chunk(coded[:9]), 0.05, chunk(coded[9:]), chunk(b"")], "whole") as scene:
        with stage.client() as client:
            answer = client.get(scene.target, "Accept-Encoding: gzip").read_response()
        assert (answer.complete, answer.body) == (whole, coded)
        assert scene.line()["failure"] == (None if whole else "answer_unfinished")


def test_upstream_cannot_live_on_pings(stage: Stage) -> None:
    """They are octets, and no progress."""
    with stage.scene([CHUNKED, *[PING, 0.05] * 60], "rate") as scene, stage.client() as client:
        began = time.monotonic()
        assert not client.get(scene.target).read_response().complete
        assert time.monotonic() - began < patience(2.5)
        assert scene.line()["failure"] == "rate_timeout"


def test_stalls_are_counted(stage: Stage) -> None:
    """Each silence that was longer than the route's word for one."""
    script = [CHUNKED, chunk(CHAT.first), 0.2, chunk(CHAT.second), 0.2, chunk(CHAT.last), chunk(b"")]
    with stage.scene(script, "stall") as scene, stage.client() as client:
        assert client.get(scene.target).read_response().complete
        line = scene.line()
    assert (line["stalls"], line["frames"], line["format"]) == (2, 4, "openai")
