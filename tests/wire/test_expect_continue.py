"""Expect: 100-continue, and the interim responses of the upstream.

Sources: RFC 9110 sections 10.1.1 (Expect), 15.2 (1xx); RFC 8297 (103).
"""

from collections.abc import Callable, Iterator

import pytest
from support.certificates import TlsFiles
from support.conditions import patience
from support.gateway_process import Gateway, route_to
from support.rig import DATE, Rig, problem_code, request
from support.rude_client import RudeClient
from support.scripted_upstream import (
    Script,
    ScriptedUpstream,
    chunk,
    close,
    hang,
    read_body,
    read_head,
    read_request,
    response,
)

_EXPECT = "Expect: 100-continue"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_OK = response(b"ok", DATE)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


FRAMED = {
    "a known length": ("Content-Length: 5", b"hello"),
    "chunks": ("Transfer-Encoding: chunked", chunk(b"hello") + chunk(b"")),
}


@pytest.mark.parametrize("expectation", [_EXPECT, "expect: 100-CONTINUE"])
@pytest.mark.parametrize(("framing", "body"), FRAMED.values(), ids=FRAMED.keys())
def test_client_that_waits_hears_100_when_the_upstream_wants_the_body(
    rig: Rig, framing: str, body: bytes, expectation: str
) -> None:
    """The expectation goes up, the upstream's word comes down, exactly once, before a single octet of the body."""
    rig.plays([read_head, _CONTINUE, read_body, _OK, hang])
    with rig.client() as client:
        client.send(request("POST /a HTTP/1.1", expectation, framing))
        assert client.read_until_head()[0] == "HTTP/1.1 100 Continue"
        answer = client.send(body).read_response()
    assert (answer.status, answer.body, answer.interim) == (200, b"ok", [])
    assert rig.heads() == [f"POST /a HTTP/1.1\r\nHost: up\r\n{expectation}\r\n{framing}\r\n\r\n".encode()]
    assert rig.seen[0].body == b"hello"


@pytest.mark.parametrize("status", ["401 Unauthorized", "413 Content Too Large", "417 Expectation Failed", "200 OK"])
def test_early_refusal_of_the_upstream_reaches_the_client_instead_of_100(rig: Rig, status: str) -> None:
    """The body is never asked for, and the connection ends, for it might come all the same (RFC 9110 10.1.1)."""
    rig.plays([read_head, response(b"no", DATE, status=status), hang])
    with rig.client() as client:
        answer = client.send(request("POST /a HTTP/1.1", _EXPECT, "Content-Length: 5")).read_response()
        assert (answer.status, answer.body, answer.interim) == (int(status[:3]), b"no", [])
        assert answer.all("connection") == ["close"]
        assert client.wait_closed() == "eof"
    assert rig.seen[0].body == b""


def test_upstream_that_never_says_100_gets_the_body_after_a_while(rig: Rig) -> None:
    """Nobody waits for ever: the client hears 100 from us (RFC 9110 section 10.1.1)."""
    rig.plays([read_request, _OK])
    with rig.client() as client:
        client.send(request("POST /a HTTP/1.1", _EXPECT, "Content-Length: 5"))
        assert client.read_until_head()[0] == "HTTP/1.1 100 Continue"
        assert client.send(b"hello").read_response().status == 200
    assert rig.seen[0].body == b"hello"


def test_client_that_does_not_wait_hears_no_100_it_does_not_need(rig: Rig) -> None:
    """A body that came with the head is simply sent (RFC 9110 section 10.1.1)."""
    rig.plays([read_head, _CONTINUE, read_body, _OK])
    answer = rig.ask(request("POST /a HTTP/1.1", _EXPECT, "Content-Length: 5", body=b"hello"))
    assert (answer.status, answer.interim) == (200, [])
    assert rig.seen[0].body == b"hello"


def test_http_1_0_client_never_hears_100(rig: Rig) -> None:
    """It does not know interim responses (RFC 9110 section 15.2)."""
    rig.plays([read_head, _CONTINUE, read_body, _OK])
    with rig.client() as client:
        client.send(request("POST /a HTTP/1.0", _EXPECT, "Content-Length: 5")).send(b"hello")
        answer = client.read_response()
    assert (answer.status, answer.interim) == (200, [])


def test_refusal_of_ours_comes_instead_of_100(rig: Rig) -> None:
    """What has no route is not worth a body."""
    with rig.client() as client:
        answer = client.send(request("POST /../a HTTP/1.1", _EXPECT, "Content-Length: 5")).read_response()
        assert (answer.status, problem_code(answer), answer.interim) == (400, "target_refused", [])
        assert answer.all("connection") == ["close"]


def test_100_never_comes_behind_the_head_of_the_answer(
    gateway: Callable[..., Gateway], scripted_upstream: Callable[..., ScriptedUpstream], tls_files: TlsFiles
) -> None:
    """An upstream that says 100 and then answers at once leaves no room for it: it would stand in the body."""
    padding = b"X-Padding: " + b"a" * (16_384 - len(_CONTINUE) - len(b"X-Padding: \r\n")) + b"\r\n"
    interim = _CONTINUE[:-2] + padding + b"\r\n"
    assert len(interim) == 16_384, "one TLS record: when it is read, the answer is there behind it, but not read yet"
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
    script = [read_head, interim + begun, 0.1, b"world", hang]
    upstream = scripted_upstream(script, tls=tls_files.server_context())
    relaying = gateway(route_to(upstream.url, upstream={"tls": {"ca": str(tls_files.ca)}}))
    with RudeClient(relaying.address) as client:
        client.send(request("POST /a HTTP/1.1", _EXPECT, "Content-Length: 5"))
        answer = client.read_response()
        assert (answer.status, answer.body) == (200, b"helloworld")
        assert client.arrivals(2.0) == []


def test_upstream_that_closes_instead_of_saying_100_is_told_at_once(rig: Rig) -> None:
    """502 without 100: there is nobody to send the body to."""
    rig.plays([read_head, close])
    answer = rig.ask(request("POST /a HTTP/1.1", _EXPECT, "Content-Length: 5"))
    assert (answer.status, problem_code(answer), answer.interim) == (502, "head_missing", [])
    assert answer.head_seconds < patience(0.5)


def test_other_expectations_are_refused(rig: Rig) -> None:
    """417 (RFC 9110 section 10.1.1)."""
    rig.answers()
    answer = rig.ask(request("POST /a HTTP/1.1", "Expect: 200-maybe", "Content-Length: 0"))
    assert (answer.status, problem_code(answer)) == (417, "expectation_failed")
    rig.assert_untouched()


INTERIM: dict[str, Script] = {
    "100 unasked": [read_request, _CONTINUE, _OK],
    "102": [read_request, b"HTTP/1.1 102 Processing\r\n\r\n", _OK],
    "an unknown one": [read_request, b"HTTP/1.1 199 Odd\r\nX-A: 1\r\n\r\n", _OK],
    "several in one piece": [read_request, _CONTINUE + b"HTTP/1.1 102 Processing\r\n\r\n" + _OK],
    "several in many": [read_request, _CONTINUE, 0.02, b"HTTP/1.1 102 Pro", 0.02, b"cessing\r\n\r\n", 0.02, _OK],
    "with a length": [read_request, b"HTTP/1.1 102 Processing\r\nContent-Length: 0\r\n\r\n", _OK],
}


@pytest.mark.parametrize("script", INTERIM.values(), ids=INTERIM.keys())
def test_interim_response_is_never_the_final_one(rig: Rig, script: Script) -> None:
    """The answer is what comes behind it (RFC 9110 section 15.2)."""
    rig.plays(script)
    answer = rig.ask(request("GET /a HTTP/1.1"))
    assert (answer.status, answer.body) == (200, b"ok")


def test_early_hints_reach_the_client_before_the_answer(rig: Rig) -> None:
    """103 is forwarded at once, field lines unchanged but for hop-by-hop ones (RFC 8297; RFC 9110 section 7.6.1)."""
    hints = [b"HTTP/1.1 103 Early Hints", b"Link: </a>; rel=preload", b"Link: </b>", b"X-A: 1"]
    hop_by_hop = [b"Connection: X-Gone", b"X-Gone: 1", b"Keep-Alive: timeout=1"]
    rig.plays([read_request, b"\r\n".join([*hints, *hop_by_hop, b"", b""]), hang])
    with rig.client() as client:
        status, fields, rest = client.get("/a").read_until_head()
        assert status == "HTTP/1.1 103 Early Hints"
        assert fields == [("Link", "</a>; rel=preload"), ("Link", "</b>"), ("X-A", "1")]
        assert rest == b""


def test_other_interim_responses_are_passed_on_too(rig: Rig) -> None:
    """A proxy forwards every 1xx that it did not ask for itself (RFC 9110 section 15.2)."""
    rig.plays([read_request, b"HTTP/1.1 102 Processing\r\n\r\n", _OK])
    answer = rig.ask(request("GET /a HTTP/1.1"))
    assert ([head.first_line for head in answer.interim], answer.status) == (["HTTP/1.1 102 Processing"], 200)


def test_early_hints_do_not_reach_http_1_0_clients(rig: Rig) -> None:
    """They would take them for the answer (RFC 9110 section 15.2)."""
    rig.plays([read_request, b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n", _OK])
    answer = rig.ask(request("GET /a HTTP/1.0"))
    assert (answer.status, answer.interim) == (200, [])


def test_connection_that_carried_interim_responses_is_used_again(rig: Rig) -> None:
    """They are no reason to distrust it."""
    rig.answers(b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + _OK)
    with rig.client() as client:
        for _ in range(3):
            answer = client.get("/a").read_response()
            assert ([head.first_line for head in answer.interim], answer.status) == (["HTTP/1.1 103 Early Hints"], 200)
    assert {seen.connection for seen in rig.seen} == {rig.seen[0].connection}
