"""Methods: any token goes up as it came; what a gateway must not pass on is answered by it.

Sources: RFC 9110 sections 9.1 (tokens), 9.3 (methods), 7.6.2 (Max-Forwards), 15.5.6 (405).
"""

from collections.abc import Iterator

import pytest
from support.rig import DATE, Rig, problem_code, request
from support.scripted_upstream import response


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    routes: list[dict[str, object]] = [
        {"name": "all", "path": "/"},
        {"name": "some", "path": "/some/", "methods": ["GET", "PURGE"]},
        {"name": "traced", "path": "/traced/", "methods": ["TRACE"]},
    ]
    with Rig(tmp_path_factory.mktemp("rig"), routes=routes) as rig:
        yield rig


METHODS = (
    "GET HEAD POST PUT PATCH DELETE OPTIONS PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK REPORT SEARCH QUERY PURGE "
    "M-SEARCH get Get X a !#$%&'*+-.^_`|~ VERSION-CONTROL BASELINE-CONTROL UPDATEREDIRECTREF " + "A" * 200
).split()


@pytest.mark.parametrize("method", METHODS)
def test_method_goes_up_as_it_came(rig: Rig, method: str) -> None:
    """Tokens are case-sensitive, and none is unknown to a gateway (RFC 9110 section 9.1)."""
    rig.answers()
    answer = rig.ask(request(f"{method} /a HTTP/1.1"), method=method)
    assert answer.status == 200
    assert rig.heads() == [f"{method} /a HTTP/1.1\r\nHost: up\r\n\r\n".encode()]


def test_options_is_answered_by_the_upstream(rig: Rig) -> None:
    """Allow is the upstream's word (RFC 9110 section 9.3.7)."""
    rig.answers(response(b"", DATE, "Allow: GET, FROB", status="204 No Content"))
    answer = rig.ask(request("OPTIONS /a HTTP/1.1"))
    assert (answer.status, answer.all("allow")) == (204, ["GET, FROB"])


@pytest.mark.parametrize("target", ["other.test:443", "/a", "gateway.test"])
def test_connect_is_refused(rig: Rig, target: str) -> None:
    """501, nothing goes up, and what follows is no next request: it may be tunnel data (RFC 9110 section 9.3.6)."""
    rig.answers()
    with rig.client() as client:
        client.send(request(f"CONNECT {target} HTTP/1.1", host=target) + request("GET /smuggled HTTP/1.1"))
        answer = client.read_response()
        assert answer.status in (400, 501)
        assert problem_code(answer) in ("method_unsupported", "bad_request")
        assert client.arrivals(5.0) == []
        assert client.wait_closed() == "eof"
    rig.assert_untouched()


def test_trace_is_refused_unless_a_route_names_it(rig: Rig) -> None:
    """It sends credentials back to who asks (RFC 9110 section 9.3.8)."""
    rig.answers()
    answer = rig.ask(request("TRACE /a HTTP/1.1"))
    assert (answer.status, problem_code(answer)) == (501, "method_unsupported")
    rig.assert_untouched()
    assert rig.ask(request("TRACE /traced/a HTTP/1.1")).status == 200
    assert rig.heads() == [b"TRACE /traced/a HTTP/1.1\r\nHost: up\r\n\r\n"]


def test_method_a_route_does_not_serve_goes_to_the_next_route_that_does(rig: Rig) -> None:
    """Methods are part of what a route matches."""
    rig.answers()
    for method in ("GET", "POST", "PURGE", "get"):
        assert rig.ask(request(f"{method} /some/a HTTP/1.1")).status == 200
    lines = [rig.gateway.wait_for_line(lambda line, m=m: line["method"] == m and line["target"] == "/some/a")
             for m in ("GET", "POST", "PURGE", "get")]  # fmt: skip
    assert [line["route"] for line in lines] == ["some", "all", "some", "all"]


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("narrow"), routes=[{"methods": ["PURGE", "GET"]}]) as rig:
        yield rig


@pytest.mark.parametrize("method", ["POST", "get", "HEAD", "OPTIONS"])
def test_method_no_route_serves_is_answered_with_405_and_allow(narrow: Rig, method: str) -> None:
    """The client learns what it may ask (RFC 9110 section 15.5.6)."""
    narrow.answers()
    answer = narrow.ask(request(f"{method} /a HTTP/1.1"), method=method)
    assert (answer.status, answer.all("allow")) == (405, ["GET, PURGE"])
    if method != "HEAD":
        assert problem_code(answer) == "method_not_allowed"
    narrow.assert_untouched()


@pytest.mark.parametrize(("method", "target"), [("OPTIONS", "/a"), ("OPTIONS", "*"), ("TRACE", "/traced/a")])
def test_request_that_may_not_be_forwarded_is_answered(rig: Rig, method: str, target: str) -> None:
    """Max-Forwards: 0 ends here (RFC 9110 section 7.6.2)."""
    rig.answers()
    answer = rig.ask(request(f"{method} {target} HTTP/1.1", "Max-Forwards: 0"))
    assert (answer.status, answer.complete) == (200, True)
    rig.assert_untouched()


def test_max_forwards_is_counted_down_for_options_and_trace_only(rig: Rig) -> None:
    """Other methods keep it as it came (RFC 9110 section 7.6.2)."""
    rig.answers()
    for line in ("OPTIONS /a", "TRACE /traced/a", "GET /a"):
        assert rig.ask(request(f"{line} HTTP/1.1", "Max-Forwards: 10")).status == 200
    assert [seen.all("max-forwards") for seen in rig.seen] == [["9"], ["9"], ["10"]]


def test_upgrade_is_relayed_as_a_plain_request(rig: Rig) -> None:
    """No tunnel is offered: the upstream sees an ordinary GET and answers it as one (RFC 9110 section 7.8)."""
    rig.answers(response(b"plain", DATE))
    fields = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: websocket, h2c", "HTTP2-Settings: AAMAAABk"]
    answer = rig.ask(request("GET /chat HTTP/1.1", *fields, "Sec-WebSocket-Version: 13"))
    assert (answer.status, answer.body) == (200, b"plain")
    assert rig.heads() == [b"GET /chat HTTP/1.1\r\nHost: up\r\nSec-WebSocket-Version: 13\r\n\r\n"]
