"""The rude client's manners: reading slowly, half-closing, noticing the end."""

import pytest
from support.rude_client import RudeClient
from support.scripted_upstream import ScriptedConnection, ScriptedUpstream, hang, read_request, reset, response


def test_client_that_reads_slowly_holds_back_the_server() -> None:
    """Octets stay with the server while the client takes few."""
    sent = 0

    def flood(connection: ScriptedConnection) -> None:
        nonlocal sent
        connection.read_request()
        while True:
            connection.send(b"." * 65_536)
            sent += 65_536

    with ScriptedUpstream(flood) as upstream, RudeClient(upstream.address, receive_buffer=8192) as client:
        taken = client.get("/").slow_read(20_000, 0.5)
        assert 1000 < len(taken) <= 12_000
        assert sent < 16 * 2**20
        client.reset()


def test_client_that_half_closes_still_reads() -> None:
    """FIN from the client does not end the answer."""
    with ScriptedUpstream([hang, response(b"still")]) as upstream, RudeClient(upstream.address) as client:
        client.get("/").half_close()
        assert client.read_response().body == b"still"


@pytest.mark.parametrize(("script", "ending"), [([read_request], "eof"), ([read_request, reset], "reset")])
def test_server_that_ends_the_connection_is_noticed(script: list[object], ending: str) -> None:
    """``wait_closed`` tells how the server ended."""
    with ScriptedUpstream(script) as upstream, RudeClient(upstream.address) as client:
        assert client.get("/").wait_closed(2) == ending


def test_server_that_keeps_the_connection_is_noticed() -> None:
    """``wait_closed`` fails where the server stays."""
    with ScriptedUpstream([hang]) as upstream, RudeClient(upstream.address) as client:
        client.get("/")
        with pytest.raises(AssertionError, match="kept the connection"):
            client.wait_closed(0.05)


def test_server_that_keeps_silent_is_a_timeout() -> None:
    """No wait lasts longer than the client's patience."""
    with ScriptedUpstream([hang]) as upstream, RudeClient(upstream.address, timeout_seconds=0.05) as client:
        client.get("/")
        with pytest.raises(TimeoutError):
            client.read_response()


def test_raw_arrivals_come_with_their_framing() -> None:
    """``arrivals`` shows the octets of the wire, piece by piece."""
    script = [read_request, b"HTTP/1.1 2", 0.2, b"00 OK\r\n\r\n"]
    with ScriptedUpstream(script) as upstream, RudeClient(upstream.address) as client:
        (first, early), (second, late) = client.get("/").arrivals(3)
    assert (early, late) == (b"HTTP/1.1 2", b"00 OK\r\n\r\n")
    assert first < 0.15 < second
