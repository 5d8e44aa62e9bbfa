"""Answers that come while the request's body is still on its way.

Sources: RFC 9112 sections 9.3 (the connection closes), 9.6 (reading on, so that the answer is not reset away).
"""

from collections.abc import Iterator

import pytest
from support.conditions import wait_until
from support.rig import DATE, Rig, request
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import Script, chunk, close, hang, read_head, reset, response

_NO = response(b"too large", DATE, status="413 Content Too Large")
_FRAMINGS = {
    "length": ("Content-Length: 50000000", b"x" * 1000),
    "chunked": ("Transfer-Encoding: chunked", chunk(b"x" * 1000)),
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


AFTER: dict[str, Script] = {
    "goes on reading": [read_head, _NO, hang],
    "closes": [read_head, _NO, close],
    "resets": [read_head, 0.02, _NO, 0.05, reset],
    "reads a little": [read_head, lambda c: c.read_some(100), _NO, hang],
    "stops reading": [read_head, _NO, 1.0],
}


@pytest.mark.parametrize("script", AFTER.values(), ids=AFTER.keys())
@pytest.mark.parametrize(("framing", "piece"), _FRAMINGS.values(), ids=_FRAMINGS.keys())
def test_answer_reaches_a_client_that_waits_with_the_rest(rig: Rig, framing: str, piece: bytes, script: Script) -> None:
    """It hears what the upstream said, whole, and that the connection ends (RFC 9112 section 9.3)."""
    rig.plays(script)
    with rig.client() as client:
        answer = client.send(request("POST /a HTTP/1.1", framing, body=piece)).read_response()
        assert (answer.status, answer.body, answer.complete) == (413, b"too large", True)
        assert answer.all("connection") == ["close"]
        assert client.wait_closed() == "eof"
    assert [seen.body_complete for seen in rig.seen] == [False]


@pytest.mark.parametrize("script", AFTER.values(), ids=AFTER.keys())
@pytest.mark.parametrize(("framing", "piece"), _FRAMINGS.values(), ids=_FRAMINGS.keys())
def test_answer_reaches_a_client_that_goes_on_sending(rig: Rig, framing: str, piece: bytes, script: Script) -> None:
    """For a while its octets are read and dropped, so that no reset overtakes the answer (RFC 9112 section 9.6)."""
    rig.plays(script)
    with rig.client() as client:
        client.send(request("POST /a HTTP/1.1", framing, body=piece))
        rig.upstream.wait_until(lambda _: rig.seen, what="the head")
        for _ in range(50):
            client.send(piece)
        answer = client.read_response()
        assert (answer.status, answer.body, answer.complete) == (413, b"too large", True)
        assert answer.all("connection") == ["close"]


def test_rest_of_an_upload_is_never_read_as_a_request(rig: Rig) -> None:
    """What follows an early answer is the body, whatever it looks like."""
    rig.plays([read_head, _NO, hang])
    with rig.client() as client:
        smuggled = request("GET /smuggled HTTP/1.1")
        client.send(request("POST /a HTTP/1.1", f"Content-Length: {len(smuggled) + 1}"))
        assert client.read_response().status == 413
        client.send(smuggled)
        assert client.arrivals(5.0) == []
    assert [seen.target for seen in rig.seen] == ["/a"]


def test_answer_flows_while_the_upload_does(rig: Rig) -> None:
    """Each side hears the other before it has finished: an echo, piece by piece."""

    def echo(connection: ScriptedConnection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(5):
            connection.send(chunk(connection.read_some(4)))
        connection.send(chunk(b""))

    rig.plays(echo)
    with rig.client() as client:
        client.send(request("POST /a HTTP/1.1", "Content-Length: 20"))
        assert client.read_until_head()[0] == "HTTP/1.1 200 OK"
        heard = b""
        for number in range(5):
            client.send(b"%04d" % number)
            heard += wait_until(lambda: b"".join(piece for _, piece in client.arrivals(0.02)), what="the echo")
        assert heard.removesuffix(b"0\r\n\r\n") == b"".join(chunk(b"%04d" % number) for number in range(5))


def test_answer_that_comes_with_the_end_of_the_upload_keeps_the_connection(rig: Rig) -> None:
    """Only an upload that is not finished ends it."""
    rig.answers()
    with rig.client() as client:
        for _ in range(3):
            client.send(request("POST /a HTTP/1.1", "Content-Length: 5")).send(b"he").send(b"llo")
            answer = client.read_response()
            assert (answer.status, answer.all("connection")) == (200, [])
    assert [seen.body for seen in rig.seen] == [b"hello"] * 3


def test_connection_of_an_early_answer_is_not_used_again_upstream(rig: Rig) -> None:
    """Half an upload stands in it."""
    rig.plays([read_head, _NO, hang])
    for _ in range(2):
        assert rig.ask(request("POST /a HTTP/1.1", "Content-Length: 9", body=b"half")).status == 413
    assert len({seen.connection for seen in rig.seen}) == 2


def test_early_answer_is_logged_as_what_it_was(rig: Rig) -> None:
    """The upstream's answer was relayed to its last octet; that the upload was cut is no failure."""
    rig.plays([read_head, _NO, hang])
    assert rig.ask(request("POST /early HTTP/1.1", "Content-Length: 9", body=b"half")).status == 413
    line = rig.gateway.wait_for_line(lambda line: line["target"] == "/early")
    assert (line["status"], line["outcome"], line["attempts"]) == (413, "complete", 1)
