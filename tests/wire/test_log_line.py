"""One line per exchange, at its end: complete, true, and without anything that should stay secret."""

import contextlib
import json
from pathlib import Path

import pytest
from support.certificates import TlsFiles
from support.conditions import patience, wait_until
from support.gateway_process import Gateway, route_to
from support.rude_client import RudeClient
from support.scripted_upstream import ScriptedUpstream, chunk, hang, read_request, reset, response
from support.stage import OpenStage, Stage

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
KEYS = [
    "time", "id", "route", "upstream", "endpoint", "method", "target", "status", "outcome", "failure", "side", "detail",
    "queued_ms", "priority", "head_ms", "first_byte_ms", "longest_gap_ms", "total_ms", "bytes_down", "bytes_up",
    "chunks", "attempts", "retried", "not_retried", "principal", "auth", "peer",
]  # fmt: skip
SECRETS = ("hunter2", "s3cret", "tok-3n", "sess-ion")


@pytest.fixture
def stage(open_stage: OpenStage) -> Stage:
    return open_stage()


@pytest.mark.alone
def test_line_tells_all_of_an_exchange(stage: Stage) -> None:
    """Every key is there; times are in order and true, octets and chunks are counted on both sides."""
    script = [
        lambda connection: connection.read_body(),
        0.1,
        CHUNKED,
        0.1,
        chunk(b"one"),
        0.3,
        chunk(b"three") + chunk(b""),
    ]
    with stage.scene(script) as scene, stage.client() as client:
        client.send(f"POST {scene.target} HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n1234567".encode())
        answer = client.read_response()
        line = scene.line()
    assert list(line) == KEYS
    assert (line["route"], line["upstream"], line["method"], line["target"]) == ("all", "up", "POST", scene.target)
    assert line["endpoint"] == stage.upstream.url and line["peer"] == "127.0.0.1"
    assert (line["status"], line["outcome"], line["attempts"]) == (200, "complete", 1)
    assert (line["failure"], line["side"], line["detail"]) == (None, None, None)
    assert (line["bytes_up"], line["bytes_down"], line["chunks"]) == (7, len(answer.body), 2)
    assert 95 < line["head_ms"] < 1000 * patience(0.19)
    assert 190 < line["first_byte_ms"] < 1000 * patience(0.29)
    # A first chunk that is late shortens the gap behind it.
    assert 490 - line["first_byte_ms"] < line["longest_gap_ms"] < 1000 * patience(0.39)
    assert line["head_ms"] < line["first_byte_ms"]
    assert line["first_byte_ms"] + line["longest_gap_ms"] <= line["total_ms"] + 1
    assert line["id"] == answer.first("x-request-id")
    assert line["time"].endswith("Z") and "T" in line["time"]


def test_line_holds_no_secret(stage: Stage) -> None:
    """Values of the query, credentials, cookies and bodies are nowhere in what the gateway writes."""
    lines = [
        "Host: h",
        "Authorization: Bearer s3cret",
        "Proxy-Authorization: Basic s3cret",
        "Cookie: sid=sess-ion",
        "X-Api-Key: tok-3n",
        "Content-Length: 7",
    ]
    with stage.scene([CHUNKED + chunk(b"s3cret"), reset]) as scene, stage.client() as client:
        request = "\r\n".join([f"POST {scene.target}?password=hunter2&tok-3n HTTP/1.1", *lines, "", "hunter2"])
        client.send(request.encode()).read_response()
        assert scene.line()["target"] == scene.target + "?password=***&***"
    with stage.client() as client:
        client.get("/nowhere?key=hunter2", "Authorization: s3cret").read_response()
        client.send(b"GET /broken?key=hunter2 HTTP/1.1\r\ns3cret\r\n\r\n").read_response()
    wait_until(lambda: any(line["failure"] == "bad_request" for line in stage.gateway.log_lines()), 2, "the last line")
    written = stage.gateway.output()
    assert [secret for secret in SECRETS if secret in written] == []


def test_every_exchange_has_exactly_one_line(tmp_path: Path, tls_files: TlsFiles) -> None:
    """However it ends: complete, cut, refused, unanswered, left, malformed, not routed."""
    with Stage(tmp_path / "g", tls_files, routes={"all": {"timeouts": {"first_byte": "300ms"}}}) as stage:
        expected = {}
        with contextlib.ExitStack() as stack:
            for outcome, script in {
                "complete": response(b"whole"),
                "truncated": [CHUNKED + chunk(b"half"), reset],
                "failed": hang,
            }.items():
                scene = stack.enter_context(stage.scene(script))
                with stage.client() as client:
                    client.get(scene.target).read_response()
                expected[scene.target] = outcome
            scene = stack.enter_context(stage.scene([CHUNKED, hang]))
            with stage.client() as client:
                client.get(scene.target).read_until_head()
            expected[scene.target] = "client_gone"
            with stage.client() as client:
                client.get("/nowhere").read_response()
                client.send(b"GET\r\n\r\n").read_response()
            expected |= {"/nowhere": "rejected", "-": "rejected"}
            wait_until(lambda: len(stage.gateway.log_lines()) >= len(expected), 3, "all lines")
        assert stage.gateway.stop() == 0
        found = [(line["target"], line["outcome"]) for line in stage.gateway.log_lines()]
        assert sorted(found) == sorted(expected.items())


@pytest.mark.parametrize("trusted", [True, False])
def test_request_id_is_accepted_from_trusted_peers_only(open_stage: OpenStage, trusted: bool) -> None:
    """One id in the upstream's request, the client's answer and the line: the given one, or one of our own."""
    stage = open_stage(forwarding={"trusted_peers": ["127.0.0.1"] if trusted else ["192.0.2.0/24"]})
    with stage.scene(response(b"")) as scene, stage.client() as client:
        answer = client.get(scene.target, "x-request-id: given-by-client").read_response()
        request = scene.connection().request
        assert request is not None
        ids = {*request.all("x-request-id"), *answer.all("x-request-id"), scene.line()["id"]}
    assert len(ids) == 1
    assert ("given-by-client" in ids) is trusted


def test_trace_context_passes_untouched(stage: Stage) -> None:
    """W3C traceparent and tracestate belong to the client and the service."""
    parent, state = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "congo=t61rcWkgMzE, rojo=00f067"
    with stage.scene(response(b"", f"traceparent: {parent}")) as scene, stage.client() as client:
        answer = client.get(scene.target, f"traceparent: {parent}", f"TraceState: {state}").read_response()
        request = scene.connection().request
    assert request is not None
    assert [field for field in request.fields if "trace" in field[0].lower()] == [
        ("traceparent", parent),
        ("TraceState", state),
    ]
    assert answer.all("traceparent") == [parent]


def test_id_of_the_upstream_stands_beside_ours(stage: Stage) -> None:
    """An upstream that answers with an id of its own is heard: the client gets it, the line holds both."""
    with stage.scene(response(b"", "X-Request-Id: theirs-1")) as scene, stage.client() as client:
        assert client.get(scene.target).read_response().all("x-request-id") == ["theirs-1"]
        line = scene.line()
    assert line["upstream_request_id"] == "theirs-1" and line["id"] != "theirs-1"


def test_text_format_is_one_readable_line(tmp_path: Path) -> None:
    """The other format holds the same for people, one line per exchange, whatever the client sends."""
    with (
        ScriptedUpstream([read_request, response(b"body")]) as upstream,
        Gateway(route_to(upstream.url), tmp_path, log={"format": "text"}) as gateway,
    ):
        with RudeClient(gateway.address) as client:
            client.get("/some%0Apath?a=b").read_response()
        wait_until(lambda: "some%0Apath" in gateway.output(), 2, "the line")
        assert gateway.stop() == 0
    text = (tmp_path / "stdout").read_text()
    assert text.count("\n") == 1
    assert text.startswith("200 complete GET /some%0Apath?a=*** ") and " 4B -> up@" in text and " id=" in text
    with pytest.raises(ValueError):
        json.loads(text)
