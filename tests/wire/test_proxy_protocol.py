"""Listeners behind a proxy that tells the real source by PROXY headers."""

import contextlib
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support.certificates import TlsFiles
from support.conditions import wait_until
from support.gateway_process import Gateway, Line, route_to
from support.rude_client import RudeClient
from support.scripted_upstream import ScriptedUpstream, for_each_request, response

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
ADDRESSES = socket.inet_aton("203.0.113.7") + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 4711, 443)
V1 = b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n"
V2 = SIGNATURE + struct.pack("!BBH", 0x21, 0x11, len(ADDRESSES) + 6) + ADDRESSES + b"\x04\x00\x03abc"
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"
SERVER = {"proxy_protocol": "required", "head_timeout": "1s"}
DENYING = {**SERVER, "addresses": {"deny": ["203.0.113.66"]}}
FORWARDING = '[forwarding]\ntrusted_peers = ["127.0.0.9"]\n'


class Site:
    """A gateway behind a proxy, and its upstream."""

    def __init__(self, directory: Path, tls: TlsFiles | None = None, server: Mapping[str, object] = SERVER) -> None:
        self.tls = tls
        self.upstream = ScriptedUpstream(for_each_request(response(b"ok")))
        self.gateway = Gateway(FORWARDING + route_to(self.upstream.url), directory, server=server, tls=tls)

    def client(self, preface: bytes, source: str = "127.0.0.9") -> RudeClient:
        context = None if self.tls is None else self.tls.client_context()
        return RudeClient(self.gateway.address, context, source=source, preface=preface)

    def refusals(self) -> list[Line]:
        return [
            line for line in self.gateway.log_lines() if line["failure"] in ("proxy_header_invalid", "address_denied")
        ]


@pytest.fixture(scope="module", params=["plain", "tls"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tls_files: TlsFiles
) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"), tls_files if request.param == "tls" else None)
    with site.upstream, site.gateway:
        yield site


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("plain"), server=DENYING)
    with site.upstream, site.gateway:
        yield site


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_announced_source_is_the_peer(site: Site, header: bytes) -> None:
    """For the log and for the upstream, on every request of the connection; TLS begins behind the header."""
    with site.client(header) as client:
        for target in ("/one", "/two"):
            answer = client.get(target, "X-Forwarded-For: 192.0.2.99").read_response()
            assert answer.status == 200
    line = site.gateway.wait_for_line(lambda line: line["target"] == "/two")
    assert line["peer"] == "203.0.113.7"
    assert site.upstream.requests[-1].all("x-forwarded-for") == ["203.0.113.7"]


def test_proxy_that_speaks_for_itself_is_the_peer(plain: Site) -> None:
    """Its health checks are its own (LOCAL)."""
    with plain.client(LOCAL) as client:
        assert client.get("/local").read_response().status == 200
    assert plain.gateway.wait_for_line(lambda line: line["target"] == "/local")["peer"] == "127.0.0.9"


def test_source_that_the_proxy_does_not_know_is_not_believed(site: Site) -> None:
    """The proxy is trusted, but it is not who asks: the client's own word counts for nothing."""
    with site.client(b"PROXY UNKNOWN\r\n") as client:
        assert client.get("/unknown", "X-Forwarded-For: 192.0.2.99", "X-Request-Id: mine").read_response().status == 200
    line = site.gateway.wait_for_line(lambda line: line["target"] == "/unknown")
    assert line["peer"] == "unknown"
    assert line["id"] != "mine"
    assert site.upstream.requests[-1].all("x-forwarded-for") == ["unknown"]


@pytest.mark.parametrize(
    ("octets", "source"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "127.0.0.9"),
        (b"PROXY TCP4 nonsense\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "127.0.0.9"),
        (SIGNATURE + b"\x31\x11\x00\x0c" + ADDRESSES, "127.0.0.9"),
        (V1 + b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "127.0.0.1"),
        (b"PROX", "127.0.0.9"),
    ],
    ids=["no header", "bad line", "bad version", "peer that is not trusted", "no end in time"],
)
def test_connection_without_a_good_header_is_closed_and_told(plain: Site, octets: bytes, source: str) -> None:
    """Not one octet comes back; the log has a line for it."""
    before = len(plain.refusals())
    seen = len(plain.upstream.requests)
    with plain.client(octets, source) as client:
        assert client.wait_closed(3) in ("eof", "reset")
    line = wait_until(lambda: plain.refusals()[before:], 2, "the line")[0]
    assert (line["failure"], line["outcome"], line["peer"]) == ("proxy_header_invalid", "rejected", source)
    assert len(plain.upstream.requests) == seen


def test_header_that_drips_has_no_more_time_than_a_head(plain: Site) -> None:
    """One octet now and then does not hold the connection."""
    with plain.client(b"") as client:
        client.socket.settimeout(0.1)
        sent = 0
        with contextlib.suppress(ConnectionError):
            for octet in V1[:40]:
                client.socket.sendall(bytes([octet]))
                sent += 1
                with contextlib.suppress(TimeoutError):
                    assert client.socket.recv(1) == b""
                    break
        assert 5 < sent < 20


def test_address_lists_of_the_server_are_about_the_announced_source(plain: Site) -> None:
    """The proxy's own address says nothing."""
    before = len(plain.refusals())
    with plain.client(V1.replace(b".7 ", b".66 ")) as client:
        assert client.wait_closed(2) in ("eof", "reset")
    line = wait_until(lambda: plain.refusals()[before:], 2, "the line")[0]
    assert (line["failure"], line["peer"]) == ("address_denied", "203.0.113.66")
