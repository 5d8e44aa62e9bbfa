"""New connections: addresses in turn, unix sockets, TLS that verifies, and nothing left open on the way."""

import errno
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.certificates import TlsFiles
from support.kernel import blackhole
from support.scripted_upstream import ScriptedUpstream, hang

from gateway.exchange.failure import FailureError
from gateway.exchange.route import TlsToUpstream
from gateway.exchange.target import Endpoint, parse_endpoint
from gateway.upstream import dialing
from gateway.upstream.dialing import dial, literal, secured, tls_context

StartUpstream = Callable[..., ScriptedUpstream]


class Struck(BaseException):
    """What an interrupter throws."""


def dial_securely(endpoint: Endpoint, context: ssl.SSLContext, server_name: str | None) -> ssl.SSLSocket:
    """As a pool does."""
    return secured(dial(endpoint), endpoint, context, server_name)


def failure(endpoint: Endpoint, tls: TlsToUpstream | None = None) -> str:
    """Return the code of the failure to dial."""
    with pytest.raises(FailureError) as caught:
        if tls is None:
            dial(endpoint)
        else:
            dial_securely(endpoint, tls_context(tls), tls.server_name)
    assert str(endpoint) in caught.value.failure.detail
    return caught.value.failure.kind.code


def test_connection_sends_small_pieces_at_once(scripted_upstream: StartUpstream) -> None:
    """Nagle's algorithm would hold back the second piece of an upload."""
    upstream = scripted_upstream([hang])

    with dial(parse_endpoint(upstream.url)) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        assert sock.gettimeout() is None


def test_addresses_are_tried_in_turn(scripted_upstream: StartUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name whose first address refuses is reached at its second."""
    upstream = scripted_upstream([hang])
    unused = socket.create_server(("127.0.0.1", 0))
    refusing = unused.getsockname()
    unused.close()
    stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    addresses = [(-1, 1, 6, "", refusing), (*stream, refusing), (*stream, upstream.address)]
    monkeypatch.setattr(dialing.socket, "getaddrinfo", lambda *_: addresses)

    with dial(Endpoint("http", "up.example", 80)) as sock:
        assert sock.getpeername() == upstream.address


@pytest.mark.parametrize("dead", [1, 2])
def test_dead_address_costs_a_moment_only(
    scripted_upstream: StartUpstream, monkeypatch: pytest.MonkeyPatch, dead: int
) -> None:
    """A name with addresses that swallow what is sent to them is reached at its last one, well within the deadline."""
    upstream = scripted_upstream([hang])
    stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    with blackhole() as port:
        addresses = [(*stream, ("127.0.0.1", port))] * dead + [(*stream, upstream.address)]
        monkeypatch.setattr(dialing.socket, "getaddrinfo", lambda *_: addresses)
        begun = time.monotonic()
        with dial(Endpoint("http", "up.example", 80), connect_seconds=5.0) as sock:
            took = time.monotonic() - begun
            assert sock.getpeername() == upstream.address
            assert sock.gettimeout() is None

    assert took == pytest.approx(dead * 0.25, abs=0.15)


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "::1", "fd00::1", "::ffff:10.0.0.1"])
def test_address_is_what_the_resolver_would_make_of_it(host: str) -> None:
    """Whoever writes an address is not asked for its meaning in another thread."""
    resolved = socket.getaddrinfo(host, 8080, 0, socket.SOCK_STREAM)

    assert [(int(each[0]), *each[1:]) for each in literal(host, 8080)] == [
        (int(each[0]), *each[1:]) for each in resolved
    ]


@pytest.mark.parametrize(
    "host", ["localhost", "127.1", "0x7f000001", "2130706433", "fe80::1%lo", "up.example", "1.2.3.4."]
)
def test_what_is_no_plain_address_is_left_to_the_resolver(host: str) -> None:
    """Also old ways to write an address, which resolvers read in their own way."""
    assert literal(host, 80) == ()


def test_address_of_the_own_link_is_refused_without_a_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rule holds for an address as for what a name resolves to."""
    monkeypatch.setattr(dialing.socket, "getaddrinfo", lambda *_: pytest.fail("a resolver was asked"))

    assert failure(Endpoint("http", "169.254.169.254", 80, authority="169.254.169.254")) == "address_refused"


def test_unix_socket_is_dialled_by_its_path(scripted_upstream: StartUpstream, tmp_path: Path) -> None:
    """Also its absence is told like any other."""
    upstream = scripted_upstream([hang], unix=tmp_path / "up.sock")

    with dial(parse_endpoint(upstream.url)) as sock:
        assert sock.family == socket.AF_UNIX
    assert failure(parse_endpoint(f"unix:{tmp_path}/none.sock")) == "connect_failed"


def test_refused_connection_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens there."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    assert failure(Endpoint("http", "127.0.0.1", port, authority=f"127.0.0.1:{port}")) == "connect_refused"


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_NONAME, "unknown"), UnicodeError("label too long")])
def test_name_without_address_is_told(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Whether the resolver says so or the name cannot even be asked for."""

    def unknown(*_: object) -> None:
        raise error

    monkeypatch.setattr(dialing.socket, "getaddrinfo", unknown)

    assert failure(Endpoint("http", "nowhere.invalid", 80, authority="nowhere.invalid")) == "dns_failed"


def test_name_with_no_address_at_all_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty list is no connection."""
    monkeypatch.setattr(dialing.socket, "getaddrinfo", lambda *_: [])

    assert failure(Endpoint("http", "empty.invalid", 80, authority="empty.invalid")) == "connect_failed"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "localhost."])
def test_certificate_is_verified_against_the_host(
    scripted_upstream: StartUpstream, tls_files: TlsFiles, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name with the root's dot is the same name; not every resolver knows it with the dot."""
    known = socket.getaddrinfo
    monkeypatch.setattr(dialing.socket, "getaddrinfo", lambda name, *rest: known(name.removesuffix("."), *rest))
    upstream = scripted_upstream([hang], tls=tls_files.server_context())
    context = tls_context(TlsToUpstream(ca=str(tls_files.ca)))

    with dial_securely(Endpoint("https", host, upstream.port), context, None) as sock:
        assert isinstance(sock, ssl.SSLSocket)
        assert sock.getpeercert()


def test_certificate_may_be_for_a_name_of_its_own(scripted_upstream: StartUpstream, tls_files: TlsFiles) -> None:
    """``server_name`` replaces the host in the check, also where it makes it fail."""
    upstream = scripted_upstream([hang], tls=tls_files.server_context())
    endpoint = Endpoint("https", "127.0.0.1", upstream.port)

    dial_securely(endpoint, tls_context(TlsToUpstream(ca=str(tls_files.ca))), "localhost").close()
    assert failure(endpoint, TlsToUpstream(ca=str(tls_files.ca), server_name="other.example")) == "tls_untrusted"


def test_unknown_authority_is_not_trusted_unless_told_to(scripted_upstream: StartUpstream, tls_files: TlsFiles) -> None:
    """Neither another one's certificates nor the system's vouch for it; ``verify = false`` asks for nothing."""
    upstream = scripted_upstream([hang], tls=tls_files.server_context())
    endpoint = parse_endpoint(upstream.url)

    assert failure(endpoint, TlsToUpstream(ca=str(tls_files.other_ca))) == "tls_untrusted"
    assert failure(endpoint, TlsToUpstream()) == "tls_untrusted"
    dial_securely(endpoint, tls_context(TlsToUpstream(verify=False)), None).close()


def test_peer_without_tls_is_a_failure_of_tls(scripted_upstream: StartUpstream) -> None:
    """Whether it answers in clear or hangs up."""
    for script in (b"HTTP/1.1 400 Bad Request\r\n\r\n", [lambda connection: connection.reset()]):
        upstream = scripted_upstream(script)
        endpoint = Endpoint("https", "127.0.0.1", upstream.port)
        assert failure(endpoint, TlsToUpstream(verify=False)) == "tls_failed"


def test_http_1_1_is_what_is_negotiated(scripted_upstream: StartUpstream, tls_files: TlsFiles) -> None:
    """A server that also speaks HTTP/2 must not choose it."""
    server = tls_files.server_context()
    server.set_alpn_protocols(["h2", "http/1.1"])
    upstream = scripted_upstream([hang], tls=server)
    context = tls_context(TlsToUpstream(ca=str(tls_files.ca)))

    with dial_securely(parse_endpoint(upstream.url), context, None) as sock:
        assert isinstance(sock, ssl.SSLSocket)
        assert sock.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_unusable_bundle_is_named_when_the_context_is_made(tmp_path: Path, content: str | None) -> None:
    """The mistake is found at the start, with the setting's name."""
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)

    with pytest.raises(ValueError, match=r"tls\.ca: .*ca\.pem is not a readable bundle"):
        tls_context(TlsToUpstream(ca=str(bundle)))


def test_bundle_of_requests_is_used_where_the_system_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A small container image verifies all the same."""
    nothing = ssl.get_default_verify_paths()._replace(cafile=None, capath=str(tmp_path))
    monkeypatch.setattr(dialing.ssl, "get_default_verify_paths", lambda: nothing)

    assert tls_context(TlsToUpstream()).cert_store_stats()["x509_ca"] > 50


@pytest.mark.parametrize(
    ("owner", "method", "url"),
    [
        (socket.socket, "connect", "http://127.0.0.1:{port}"),
        (socket.socket, "connect", "unix:/tmp/none.sock"),
        (ssl.SSLSocket, "do_handshake", "https://127.0.0.1:{port}"),
        (ssl.SSLContext, "wrap_socket", "https://127.0.0.1:{port}"),
    ],
)
def test_exception_thrown_while_dialling_passes_and_leaves_no_socket(
    scripted_upstream: StartUpstream, monkeypatch: pytest.MonkeyPatch, owner: Any, method: str, url: str
) -> None:
    """A connect deadline keeps its type and frees the descriptor at once, not when garbage is collected."""
    upstream = scripted_upstream([hang])
    made: list[socket.socket] = []
    plain = socket.socket.__init__
    ours = threading.current_thread()

    def remember(self: socket.socket, *arguments: Any, **options: Any) -> None:
        plain(self, *arguments, **options)
        if threading.current_thread() is ours:  # Not what the upstream accepts meanwhile.
            made.append(self)

    def strike(*_: Any, **__: Any) -> None:
        raise Struck

    endpoint = parse_endpoint(url.format(port=upstream.port))
    context = tls_context(TlsToUpstream(verify=False)) if endpoint.scheme == "https" else None
    monkeypatch.setattr(socket.socket, "__init__", remember)
    monkeypatch.setattr(owner, method, strike)

    with pytest.raises(Struck):
        dial_securely(endpoint, context, None)

    assert made
    assert all(sock.fileno() == -1 for sock in made)


class OfThisMachine(socket.socket):
    """Keeps a test on this machine also where the code under test fails it: connects to loopback only."""

    def connect(self, address: Any) -> None:
        if address[0] not in ("127.0.0.1", "::1"):
            raise OSError(errno.ENETUNREACH, "kept on this machine")
        super().connect(address)


@pytest.fixture
def of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be connected to beyond loopback."""
    monkeypatch.setattr(dialing.socket, "socket", OfThisMachine)


@pytest.mark.usefixtures("of_this_machine")
def test_sockets_of_these_tests_stay_on_this_machine() -> None:
    """Else a broken guard would send the tests to a real cloud's metadata."""
    with dialing.socket.socket() as sock, pytest.raises(OSError, match="kept on this machine"):
        sock.connect(("169.254.169.254", 80))


_STREAM = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
_METADATA = (*_STREAM, ("169.254.169.254", 80))


@pytest.mark.parametrize("address", [("169.254.169.254", 80), ("::ffff:169.254.169.254", 80, 0, 0), ("fe80::1", 80)])
def test_name_that_resolves_to_the_own_link_is_refused_without_a_connection(
    monkeypatch: pytest.MonkeyPatch, address: tuple[Any, ...]
) -> None:
    """Not one socket is made: a SYN alone would tell whoever listens there."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    monkeypatch.setattr(dialing.socket, "getaddrinfo", lambda *_: [(family, socket.SOCK_STREAM, 6, "", address)])
    monkeypatch.setattr(dialing.socket, "socket", lambda *_: pytest.fail("a socket was made"))

    assert failure(Endpoint("http", "up.example", 80, authority="up.example")) == "address_refused"


@pytest.mark.usefixtures("of_this_machine")
def test_name_that_also_resolves_to_the_own_link_is_reached_elsewhere(
    scripted_upstream: StartUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver's own answer is what is connected to; its addresses of the own link are left out."""
    tried: list[Any] = []
    connect = OfThisMachine.connect
    monkeypatch.setattr(OfThisMachine, "connect", lambda sock, at: (tried.append(at), connect(sock, at)))
    upstream = scripted_upstream([hang])
    answers = iter([[_METADATA, (*_STREAM, upstream.address)]])
    monkeypatch.setattr(dialing.socket, "getaddrinfo", lambda *_: next(answers))

    with dial(Endpoint("http", "up.example", 80)) as sock:
        assert sock.getpeername() == upstream.address
    assert tried == [upstream.address]


def test_own_link_is_connected_to_where_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who says so means it: what follows is an ordinary failure to connect."""

    def no_socket(*_: object) -> None:
        raise OSError(errno.ENETUNREACH, "no socket leaves this machine")

    monkeypatch.setattr(dialing.socket, "getaddrinfo", lambda *_: [_METADATA])
    monkeypatch.setattr(dialing.socket, "socket", no_socket)

    with pytest.raises(FailureError) as caught:
        dial(Endpoint("http", "up.example", 80), allow_link_local=True)
    assert caught.value.failure.kind.code == "connect_failed"


def asks_for_certificate(tls_files: TlsFiles) -> ssl.SSLContext:
    """Return a server's context that wants a certificate of the authority's."""
    context = tls_files.server_context()
    context.load_verify_locations(str(tls_files.ca))
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.mark.parametrize("given", ["one file", "two files", "text"])
def test_certificate_is_shown_to_an_endpoint_that_asks(
    scripted_upstream: StartUpstream, tls_files: TlsFiles, given: str, tmp_path: Path
) -> None:
    """With its key in the same file, in another one, or as text."""
    pem = tls_files.client_certificate.read_text()
    key, certificates = pem[: pem.index("-----BEGIN CERT")], pem[pem.index("-----BEGIN CERT") :]
    (tmp_path / "key.pem").write_text(key)
    (tmp_path / "cert.pem").write_text(certificates)
    certificate = str(tls_files.client_certificate if given == "one file" else tmp_path / "cert.pem")
    shown = {"one file": None, "two files": str(tmp_path / "key.pem"), "text": key}[given]
    upstream = scripted_upstream([b"hello", hang], tls=asks_for_certificate(tls_files))
    tls = TlsToUpstream(ca=str(tls_files.ca), certificate=certificate, key=shown)

    with dial_securely(parse_endpoint(upstream.url), tls_context(tls), None) as sock:
        assert sock.recv(5) == b"hello"
    assert "PRIVATE" not in repr(tls)


def test_certificate_that_does_not_fit_its_key_is_refused_without_showing_it(tls_files: TlsFiles) -> None:
    """When the upstream is made, not at the first request."""
    tls = TlsToUpstream(certificate=str(tls_files.certificate), key=str(tls_files.client_certificate))
    with pytest.raises(ValueError, match="cannot be used") as raised:
        tls_context(tls)
    assert "PRIVATE" not in str(raised.value)


def test_endpoint_that_speaks_only_older_versions_is_refused(
    scripted_upstream: StartUpstream, tls_files: TlsFiles
) -> None:
    """``min_version`` of 1.3 leaves nothing to choose."""
    server = tls_files.server_context()
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    upstream = scripted_upstream([hang], tls=server)
    endpoint = parse_endpoint(upstream.url)

    dial_securely(endpoint, tls_context(TlsToUpstream(ca=str(tls_files.ca))), None).close()
    assert failure(endpoint, TlsToUpstream(ca=str(tls_files.ca), min_version="1.3")) == "tls_failed"
