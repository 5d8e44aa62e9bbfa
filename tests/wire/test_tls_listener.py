"""TLS towards clients: whom they talk to, who may talk, and ends that say whether they were meant."""

import json
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.certificates import TlsFiles
from support.conditions import patience, wait_until
from support.rude_client import RudeClient
from support.scripted_upstream import Script, chunk, reset
from support.stage import OpenStage, Stage

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(params=["tls1.2", "tls1.3"])
def stage(request: pytest.FixtureRequest, open_stage: OpenStage) -> Stage:
    return open_stage(listener=request.param, server={"head_timeout": "600ms"})


@pytest.fixture(scope="module")
def guarded(tls_files: TlsFiles) -> Callable[[Path], dict[str, object]]:
    """Settings of a listener that wants certificates of ``authority`` from its clients."""
    return lambda authority: {
        "tls": {"certificate": tls_files.certificate, "key": tls_files.key, "client_ca": authority}
    }


def test_certificate_is_the_configured_one(stage: Stage, tls_files: TlsFiles) -> None:
    """A client that trusts the authority is served; one that does not hangs up, and nobody else notices."""
    with stage.scene(OK) as scene:
        with pytest.raises(ssl.SSLCertVerificationError):
            RudeClient(stage.gateway.address, ssl.create_default_context(cafile=str(tls_files.other_ca)))
        with stage.client() as client:
            assert client.get(scene.target).read_response().body == b"ok"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_with_a_certificate_of_the_client_ca_is_served(
    open_stage: OpenStage, guarded: Callable[[Path], object], tls_files: TlsFiles, version: ssl.TLSVersion
) -> None:
    """``client_ca`` lets in whom it signed, and nobody without a certificate; the upstream hears nothing of those."""
    stage = open_stage(listener="tls1.3", server=guarded(tls_files.ca))
    context = tls_files.client_context()
    context.minimum_version = context.maximum_version = version
    with stage.scene(OK) as scene:
        with pytest.raises((ssl.SSLError, ConnectionError)), RudeClient(stage.gateway.address, context) as stranger:
            stranger.get(scene.target).socket.recv(1)
        context.load_cert_chain(tls_files.client_certificate)
        with RudeClient(stage.gateway.address, context) as known:
            assert known.get(scene.target).read_response().body == b"ok"
        assert len(scene.connections) == 1


def test_client_with_a_certificate_of_another_authority_is_refused(
    open_stage: OpenStage, guarded: Callable[[Path], object], tls_files: TlsFiles
) -> None:
    """A certificate is not enough: it must be signed by ``client_ca``."""
    stage = open_stage(listener="tls1.3", server=guarded(tls_files.other_ca))
    context = tls_files.client_context()
    context.load_cert_chain(tls_files.client_certificate)
    with stage.scene(OK) as scene:
        with pytest.raises((ssl.SSLError, ConnectionError)), RudeClient(stage.gateway.address, context) as client:
            client.get(scene.target).socket.recv(1)
        assert scene.connections == []


def test_plain_http_on_the_tls_port_is_turned_away(stage: Stage) -> None:
    """It ends at once and harms nobody: no octet of it reaches the upstream."""
    with stage.scene(OK) as scene:
        with RudeClient(stage.gateway.address) as mistaken:
            mistaken.get(scene.target).wait_closed(1)
        with stage.client() as client:
            assert client.get(scene.target).read_response().body == b"ok"
        assert len(scene.connections) == 1


def test_reason_of_a_failed_handshake_is_told(stage: Stage) -> None:
    """Plain HTTP on the port of TLS is the commonest, and looks like nothing else in the log."""
    with RudeClient(stage.gateway.address) as mistaken:
        mistaken.get("/").wait_closed(1)
    wait_until(lambda: "TLS handshake failed: HTTP_REQUEST" in stage.gateway.stderr(), 5, "the reason")


@pytest.mark.parametrize("hello", [b"", b"\x16\x03\x01\x02\x00\x01\x00"], ids=["silent", "half-a-hello"])
def test_handshake_that_takes_too_long_is_cut(stage: Stage, hello: bytes) -> None:
    """``head_timeout`` holds for the handshake; others are served meanwhile."""
    with stage.scene(OK) as scene, RudeClient(stage.gateway.address) as slow:
        began = time.monotonic()
        slow.send(hello)
        with stage.client() as client:
            assert client.get(scene.target).read_response().body == b"ok"
        slow.wait_closed(2)
        assert 0.5 < time.monotonic() - began < patience(1.5)


MEANT_ENDS: dict[str, tuple[str, Script]] = {
    "length": ("GET {} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", OK),
    "chunked": ("GET {} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", CHUNKED + chunk(b"ok") + chunk(b"")),
    "by-close": ("GET {} HTTP/1.0\r\n\r\n", CHUNKED + chunk(b"ok") + chunk(b"")),
    "bodyless": ("GET {} HTTP/1.0\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"),
    "large-by-close": ("GET {} HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Type: x/y\r\n\r\n" + bytes(3 << 20)),
    "refused-head": ("GET {} HTTP/1.1\r\nHost: h\r\nbad field\r\n\r\n", OK),
    "refused-body": ("POST {} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", OK),
}


@pytest.mark.parametrize("end", MEANT_ENDS)
def test_complete_answer_ends_with_close_notify(stage: Stage, end: str) -> None:
    """What is complete says so at the level of TLS, too: a strict client sees a clean end."""
    request, script = MEANT_ENDS[end]
    with stage.scene(script) as scene, stage.client() as client:
        client.send(request.format(scene.target).encode())
        assert client.read_response().complete
        assert client.wait_closed(1) == "eof"


def test_idle_connection_ends_with_close_notify(open_stage: OpenStage) -> None:
    """The end of an idle connection is meant."""
    stage = open_stage(listener="tls1.3", server={"keepalive_timeout": "200ms"})
    with stage.scene(OK) as scene, stage.client() as client:
        assert client.get(scene.target).read_response().complete
        assert client.wait_closed(1) == "eof"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_cut_stream_ends_without_close_notify(stage: Stage, version: str) -> None:
    """A cut has no polite end at any level."""
    with stage.scene([CHUNKED + chunk(b"half"), 0.05, reset]) as scene, stage.client() as client:
        client.send(f"GET {scene.target} HTTP/{version}\r\nHost: h\r\n\r\n".encode())
        response = client.read_response()
        assert not response.complete and response.ending in ("ragged", "reset")


def test_many_megabytes_pass_both_ways_octet_for_octet(stage: Stage) -> None:
    """Records of any size, in both directions at once."""
    body = bytes(range(256)) * 20_000

    def echo(connection: object) -> None:
        got = connection.read_body()  # type: ignore[attr-defined]
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(got) + got)  # type: ignore[attr-defined]

    with stage.scene(echo) as scene, stage.client() as client:
        client.send(f"PUT {scene.target} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        client.send(body)
        assert client.read_response().body == body


def test_upstream_learns_that_the_client_spoke_tls(stage: Stage) -> None:
    """The forwarding fields say https."""
    with stage.scene(OK) as scene, stage.client() as client:
        client.get(scene.target).read_response()
        request = scene.connection().request
        assert request is not None and request.first("x-forwarded-proto") == "https"
        assert "proto=https" in (request.first("forwarded") or "")
        assert json.dumps(request.all("x-forwarded-for")) == '["127.0.0.1"]'
        assert client.socket.family == socket.AF_INET
