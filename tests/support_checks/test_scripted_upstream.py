"""The scripted upstream does what its script says and knows what the client did."""

import ssl
from pathlib import Path

import pytest
from support.certificates import TlsFiles
from support.framing import InvalidFraming
from support.rude_client import RudeClient
from support.scripted_upstream import (
    ScriptedConnection,
    ScriptedUpstream,
    chunk,
    for_each_request,
    hang,
    in_turn,
    read_head,
    read_request,
    response,
)


def test_request_is_recorded_as_it_stood_on_the_wire() -> None:
    """Octets, field lines and body of a request can be looked at."""
    head = b"POST /a%2Fb?x HTTP/1.1\r\nhost: a\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 5\r\n\r\n"
    with ScriptedUpstream([read_request, response(b"ok")]) as upstream, RudeClient(upstream.address) as client:
        client.send(head + b"hello").read_response()
        (request,) = upstream.requests
    assert request.head_octets == head
    assert (request.method, request.target, request.all("x-a")) == ("POST", "/a%2Fb?x", ["1", "2"])
    assert (request.body, request.body_complete) == (b"hello", True)


def test_upload_that_is_cut_is_recorded_as_incomplete() -> None:
    """A chunked body without its last chunk is kept as far as it came, and not called complete."""
    with ScriptedUpstream([read_request, response()]) as upstream, RudeClient(upstream.address) as client:
        client.send(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"hal"))
        upstream.wait_until(lambda seen: seen.requests and seen.requests[0].body == b"hal")
        client.leave()
        upstream.wait_until(lambda seen: seen.open_connections == 0)
        assert not upstream.requests[0].body_complete


def test_upload_pieces_carry_the_time_they_came() -> None:
    """The pace of an upload can be looked at."""
    with ScriptedUpstream([read_request, response()]) as upstream, RudeClient(upstream.address) as client:
        client.send(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na")
        upstream.wait_until(lambda seen: seen.requests and seen.requests[0].pieces)
        assert client.arrivals(0.3) == []
        client.send(b"b").read_response()
        (first, _), (second, _) = upstream.requests[0].pieces
    assert first < 0.2 < second


def test_requests_on_one_connection_get_their_answers_in_turn() -> None:
    """A kept-alive connection serves one answer after the other."""
    script = for_each_request(response(b"one"), response(b"two"))
    with ScriptedUpstream(script) as upstream, RudeClient(upstream.address) as client:
        assert [client.get("/").read_response().body for _ in range(3)] == [b"one", b"two", b"two"]
        assert (upstream.connections, len(upstream.requests)) == (1, 3)


def test_connections_get_their_scripts_in_turn() -> None:
    """The second connection can be treated otherwise than the first."""
    script = in_turn([read_request, response(b"first")], [read_request, response(b"later")])
    with ScriptedUpstream(script) as upstream:
        bodies = []
        for _ in range(3):
            with RudeClient(upstream.address) as client:
                bodies.append(client.get("/").read_response().body)
    assert bodies == [b"first", b"later", b"later"]


def leave_politely(client: RudeClient) -> None:
    """Close with FIN."""
    client.leave()


def leave_rudely(client: RudeClient) -> None:
    """Close with RST."""
    client.reset()


@pytest.mark.parametrize("leave", [leave_politely, leave_rudely])
@pytest.mark.parametrize("waiting", [hang, 30], ids=["hang", "pause"])
def test_client_that_leaves_is_no_longer_counted_as_open(leave: object, waiting: object) -> None:
    """``open_connections`` falls as soon as the peer ends the connection, also while the script pauses."""
    with ScriptedUpstream([read_head, waiting]) as upstream:
        client = RudeClient(upstream.address).get("/")
        upstream.wait_until(lambda seen: seen.requests)
        assert upstream.open_connections == 1
        leave(client)
        upstream.wait_until(lambda seen: seen.open_connections == 0, 1)


def test_wait_closed_tells_when_the_peer_left() -> None:
    """A script can measure how long the peer kept the connection."""
    seconds: list[float] = []

    def script(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(response())
        seconds.append(connection.wait_closed(5))

    with ScriptedUpstream(script) as upstream, RudeClient(upstream.address) as client:
        client.get("/").read_response()
        client.arrivals(0.3)
        client.leave()
        upstream.wait_until(lambda _: seconds)
    assert 0.25 < seconds[0] < 2


def test_script_that_asserts_in_vain_fails_the_test() -> None:
    """What a script raises comes out where the upstream is left."""

    def script(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.wait_closed(0.05)

    with pytest.raises(AssertionError, match="kept connection 0"), ScriptedUpstream(script) as upstream:
        client = RudeClient(upstream.address).get("/")
        upstream.wait_until(lambda seen: seen.errors)
        client.leave()


def test_request_with_broken_framing_fails_the_test() -> None:
    """A gateway that sends nonsense is found out."""
    nonsense = b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"
    with pytest.raises(InvalidFraming), ScriptedUpstream([read_request]) as upstream:
        client = RudeClient(upstream.address).send(nonsense)
        upstream.wait_until(lambda seen: seen.errors)
        client.leave()


def test_leaving_ends_scripts_that_wait() -> None:
    """A test never hangs on its upstream."""
    with ScriptedUpstream(in_turn([30], [hang], [read_request])) as upstream:
        clients = [RudeClient(upstream.address) for _ in range(3)]
        upstream.wait_until(lambda seen: seen.connections == 3)
    assert upstream.open_connections == 0
    for client in clients:
        client.leave()


def test_unix_socket_serves_as_well(tmp_path: Path) -> None:
    """An upstream can listen on a path; clients that leave are noticed there, too."""
    script = [read_request, response(b"here"), 30]
    with ScriptedUpstream(script, unix=tmp_path / "up.sock") as upstream, RudeClient(upstream.address) as client:
        assert client.get("/").read_response().body == b"here"
        assert upstream.open_connections == 1
        client.leave()
        upstream.wait_until(lambda seen: seen.open_connections == 0)


def test_tls_serves_as_well(tls_files: TlsFiles) -> None:
    """An upstream can speak TLS; its polite end is told from a cut."""
    head = b"HTTP/1.1 200 OK\r\n\r\n"

    def cut(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(head + b"half")
        connection.socket.close()

    script = in_turn([read_request, head + b"whole"], cut)
    with ScriptedUpstream(script, tls=tls_files.server_context()) as upstream:
        endings = []
        for _ in range(2):
            with RudeClient(upstream.address, tls_files.client_context()) as client:
                answer = client.get("/").read_response()
                endings.append((answer.body, answer.complete, answer.ending))
    assert endings == [(b"whole", True, "eof"), (b"half", False, "ragged")]


def test_tls_client_that_distrusts_is_recorded(tls_files: TlsFiles) -> None:
    """A refused handshake is written down and disturbs nobody."""
    with ScriptedUpstream([read_request], tls=tls_files.server_context()) as upstream:
        with pytest.raises(ssl.SSLCertVerificationError):
            RudeClient(upstream.address, ssl.create_default_context(cafile=str(tls_files.other_ca)))
        upstream.wait_until(lambda seen: seen.handshake_failures)
        assert upstream.requests == []
