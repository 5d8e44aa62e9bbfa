"""The truth about ends: an upstream that dies inside its answer never becomes a clean end for the client (law 3)."""

import pytest
from support.rude_client import RawResponse
from support.scripted_upstream import Script, chunk, close, reset
from support.stage import LISTENERS, OpenStage, Stage

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
LENGTH = HEAD + b"Content-Length: 100\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
CLOSE = HEAD + b"\r\n"

CUTS: dict[str, tuple[Script, str, bytes]] = {
    "length-fin": ([LENGTH + b"half"], "body_cut", b"half"),
    "length-fin-late": ([LENGTH, 0.05, b"half", 0.05], "body_cut", b"half"),
    "length-fin-at-once": ([LENGTH], "body_cut", b""),
    "length-reset": ([LENGTH + b"half", 0.1, reset], "body_cut", b"half"),
    "chunked-fin-between-chunks": ([CHUNKED + chunk(b"half")], "body_cut", b"half"),
    "chunked-fin-inside-a-chunk": ([CHUNKED + b"64\r\nhalf"], "body_cut", b"half"),
    "chunked-fin-inside-the-last-chunk": ([CHUNKED + chunk(b"half") + b"0\r\n"], "body_cut", b"half"),
    "chunked-reset": ([CHUNKED + chunk(b"half"), 0.1, reset], "body_cut", b"half"),
    "chunked-reset-while-silent": ([CHUNKED, 0.1, reset], "body_cut", b""),
    "chunked-bad-size": ([CHUNKED + chunk(b"half") + b"0x4\r\nmore\r\n0\r\n\r\n"], "body_invalid", b"half"),
    "chunked-no-crlf-behind-data": ([CHUNKED + chunk(b"half") + b"1\r\n!?\r\n0\r\n\r\n"], "body_invalid", b"half!"),
    "chunked-garbage-later": ([CHUNKED + chunk(b"half"), 0.05, b"HTTP/1.1 500 Oops\r\n"], "body_invalid", b"half"),
    "close-reset": ([CLOSE + b"half", 0.1, reset], "body_cut", b"half"),
}


@pytest.fixture(params=LISTENERS)
def stage(request: pytest.FixtureRequest, open_stage: OpenStage) -> Stage:
    return open_stage(listener=request.param)


def answer_to(stage: Stage, script: Script, version: str) -> tuple[RawResponse, dict[str, object]]:
    """Return what a client gets and what is logged when the upstream plays ``script``."""
    with stage.scene(script) as scene, stage.client() as client:
        client.send(f"GET {scene.target} HTTP/{version}\r\nHost: h\r\nConnection: keep-alive\r\n\r\n".encode())
        response = client.read_response()
        return response, scene.line()


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("cut", CUTS)
def test_upstream_that_dies_inside_its_body_is_seen_as_a_cut(stage: Stage, cut: str, version: str) -> None:
    """The client gets every octet that came, then an end no strict client takes for the body's; the line says why."""
    script, code, body = CUTS[cut]
    response, line = answer_to(stage, script, version)
    assert not response.complete, response
    assert (line["outcome"], line["failure"], line["side"]) == ("truncated", code, "upstream")
    assert (line["status"], line["bytes_down"]) == (200, len(response.body))
    if version == "1.0":  # The kernel drops what the client has not read yet when a reset comes.
        assert response.ending in ("reset", "ragged") and body.startswith(response.body)
    else:
        assert response.body == body
        assert response.ending in ("eof", "ragged", "reset")


def test_http_1_0_upstream_body_that_ends_with_its_connection_is_complete(stage: Stage) -> None:
    """The one body whose end is the end of the connection passes as complete: it cannot be told from a cut."""
    for version in ("1.1", "1.0"):
        response, line = answer_to(stage, [CLOSE + b"all of it", close], version)
        assert response.complete and response.body == b"all of it"
        assert line["outcome"] == "complete"


def test_body_that_is_broken_from_its_start_is_still_answered(stage: Stage) -> None:
    """What breaks before the head went out is a 502, not a cut: the client learns the most that can be known."""
    response, line = answer_to(stage, [CHUNKED + b"no-size\r\n"], "1.1")
    assert response.complete and response.status == 502 and b'"body_invalid"' in response.body
    assert (line["outcome"], line["failure"], line["status"]) == ("failed", "body_invalid", 502)


def test_cut_ends_only_its_own_connection(stage: Stage) -> None:
    """Other streams of the same worker go on."""
    with (
        stage.scene([CHUNKED + chunk(b"a"), 0.3, chunk(b"b") + chunk(b"")]) as healthy,
        stage.client() as patient,
    ):
        patient.get(healthy.target)
        healthy.connection()
        response, _ = answer_to(stage, [CHUNKED + chunk(b"x"), reset], "1.1")
        assert not response.complete
        assert patient.read_response().body == b"ab"


def test_second_request_after_a_cut_is_not_answered_on_the_same_connection(stage: Stage) -> None:
    """A pipelined request behind a cut answer gets no answer that could be taken for the rest of the first."""
    with stage.scene([CHUNKED + chunk(b"half"), 0.1, reset]) as scene, stage.client() as client:
        client.get(scene.target).get(scene.target + "?second")
        response = client.read_response()
        assert response.body == b"half" and not response.complete
        assert len(scene.connections) == 1
