"""What the gateway says by itself: a problem document, Proxy-Status, and never anything an upstream could have said.

Sources: RFC 9457 (problem details), RFC 9209 section 2.3 (error types), RFC 9110 section 10.2.3 (Retry-After).
"""

import json
import socket
from collections.abc import Iterator

import pytest
from support.gateway_process import Gateway, route_to, toml_table
from support.ports import free_port
from support.rig import DATE, Rig, problem_code, request
from support.rude_client import RudeClient
from support.scripted_upstream import Script, chunk, close, hang, read_head, read_request, reset, response


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    routes: list[dict[str, object]] = [
        {"name": "api", "path": "/api/"},
        {"name": "small", "path": "/small/", "limits": {"max_request_body": "10B"}},
    ]
    with Rig(tmp_path_factory.mktemp("rig"), routes=routes) as rig:
        yield rig


@pytest.fixture(scope="module")
def dead(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose upstreams are not there; one of them has a name that no resolver knows."""
    toml = route_to(f"http://127.0.0.1:{free_port()}")
    toml += toml_table("upstreams.unknown", {"endpoints": ["http://does-not-exist.invalid"]})
    toml += toml_table("[routes]", {"name": "unknown", "path": "/unknown/", "upstream": "unknown"})
    toml += toml_table("upstreams.socket", {"endpoints": ["unix:/nonexistent/socket"]})
    toml += toml_table("[routes]", {"name": "socket", "path": "/socket/", "upstream": "socket"})
    with Gateway(toml, tmp_path_factory.mktemp("dead")) as gateway:
        yield gateway


def test_problem_document_tells_all_there_is_to_tell(rig: Rig) -> None:
    """Type, title, status, detail, code and the exchange's id, which the log has too (RFC 9457 section 3.1)."""
    answer = rig.ask(request("GET /nowhere-at-all HTTP/1.1"))
    line = rig.gateway.wait_for_line(lambda line: line["target"] == "/nowhere-at-all")
    assert (answer.status, answer.reason, problem_code(answer)) == (404, "Not Found", "no_route")
    document = json.loads(answer.body)
    assert document["exchange_id"] == line["id"] == answer.first("x-request-id")
    assert document["detail"]
    assert (line["status"], line["outcome"], line["failure"], line["attempts"]) == (404, "rejected", "no_route", 0)
    names = sorted(name.lower() for name, _ in answer.fields)
    assert names == ["cache-control", "content-length", "content-type", "date", "proxy-status", "x-request-id"]
    assert answer.first("cache-control") == "no-store"


ACCEPTS = {
    "*/*": "application/problem+json",
    "application/json": "application/problem+json",
    "text/html": "application/problem+json",
    "text/plain": "text/plain; charset=utf-8",
    "text/plain, application/json;q=0.5": "text/plain; charset=utf-8",
    "text/plain;q=0.5, application/json": "application/problem+json",
}


@pytest.mark.parametrize(("accept", "content_type"), ACCEPTS.items(), ids=ACCEPTS.keys())
def test_problem_is_told_as_text_to_who_prefers_text(rig: Rig, accept: str, content_type: str) -> None:
    """JSON for programs, one line for people (RFC 9110 section 12.5.1)."""
    answer = rig.ask(request("GET /nowhere HTTP/1.1", f"Accept: {accept}"))
    assert (answer.status, answer.all("content-type")) == (404, [content_type])
    assert b"no_route" in answer.body


def test_problem_in_answer_to_head_has_no_octets_and_keeps_the_connection(rig: Rig) -> None:
    """The fields are those of GET (RFC 9110 section 9.3.2)."""
    with rig.client() as client:
        get = client.get("/nowhere").read_response()
        head = client.send(request("HEAD /nowhere HTTP/1.1")).read_response(method="HEAD")
        assert (head.status, head.all("content-type")) == (404, get.all("content-type"))
        assert abs(int(head.first("content-length") or 0) - len(get.body)) <= 1
        assert client.get("/nowhere").read_response().status == 404


def test_problem_to_http_1_0_has_a_length_and_no_chunks(rig: Rig) -> None:
    """Old clients read it, too."""
    answer = rig.ask(request("GET /nowhere HTTP/1.0"))
    assert (answer.status, problem_code(answer), answer.all("transfer-encoding")) == (404, "no_route", [])


UPSTREAM_FAILURES: dict[str, tuple[Script, str, str]] = {
    "garbage": ([read_request, b"garbage\r\n\r\n", close], "head_invalid", "http_protocol_error"),
    "an endless head": (
        [read_request, b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 100_000, close],
        "head_too_large",
        "http_response_header_section_size",
    ),
    "no answer": ([read_request, close], "head_missing", "connection_terminated"),
    "a reset": ([read_request, reset], "head_missing", "connection_terminated"),
    "protocols switched": (
        [read_request, b"HTTP/1.1 101 Switching Protocols\r\n\r\n", hang],
        "upgrade_refused",
        "http_upgrade_failed",
    ),
    "a body that breaks at once": (
        [read_request, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", hang],
        "body_invalid",
        "http_protocol_error",
    ),
}


@pytest.mark.parametrize(("script", "code", "error"), UPSTREAM_FAILURES.values(), ids=UPSTREAM_FAILURES.keys())
def test_failure_of_the_upstream_is_told_with_its_kind(rig: Rig, script: Script, code: str, error: str) -> None:
    """502 with the error type of the registry; the line names the side (RFC 9209 section 2.3)."""
    rig.plays(script)
    answer = rig.ask(request(f"GET /api/{code} HTTP/1.1"))
    assert (answer.status, problem_code(answer)) == (502, code)
    assert (answer.first("proxy-status") or "").startswith(f"slowgate; error={error};")
    line = rig.gateway.wait_for_line(lambda line: line["id"] == answer.first("x-request-id"))
    assert (line["status"], line["outcome"], line["failure"], line["side"]) == (502, "failed", code, "upstream")


DEAD = {
    "/refused": (502, "connect_refused", "connection_refused"),
    "/unknown/a": (502, "dns_failed", "dns_error"),
    "/socket/a": (502, "connect_failed", "destination_ip_unroutable"),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("target", "told"), DEAD.items(), ids=DEAD.keys())
def test_upstream_that_is_not_there_is_told(
    dead: Gateway, target: str, told: tuple[int, str, str], method: str
) -> None:
    """Refused, unknown and unreachable are different things for who must mend them (RFC 9209 section 2.3)."""
    with RudeClient(dead.address) as client:
        answer = client.send(request(f"{method} {target} HTTP/1.1", "Content-Length: 2", body=b"hi")).read_response()
    status, code, error = told
    assert (answer.status, problem_code(answer)) == (status, code)
    assert (answer.first("proxy-status") or "").startswith(f"slowgate; error={error};")


def test_502_of_the_upstream_is_told_from_ours(rig: Rig) -> None:
    """Its own goes through untouched, without our Proxy-Status, and counts as complete."""
    rig.answers(response(b"theirs", DATE, status="502 Bad Gateway"))
    answer = rig.ask(request("GET /api/theirs HTTP/1.1"))
    assert (answer.status, answer.body, answer.all("proxy-status")) == (502, b"theirs", [])
    line = rig.gateway.wait_for_line(lambda line: line["target"] == "/api/theirs")
    assert (line["status"], line["outcome"], line["failure"]) == (502, "complete", None)


TOO_LARGE = {
    "announced": request("POST /small/a HTTP/1.1", "Content-Length: 11", body=b"x" * 11),
    "announced, not sent": request("POST /small/a HTTP/1.1", "Content-Length: 9999999999"),
    "in one chunk": request("POST /small/a HTTP/1.1", "Transfer-Encoding: chunked", body=chunk(b"x" * 11) + chunk(b"")),
    "in many": request("POST /small/a HTTP/1.1", "Transfer-Encoding: chunked", body=chunk(b"xx") * 6 + chunk(b"")),
}


@pytest.mark.parametrize("octets", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_body_above_the_limit_is_refused_and_never_complete_upstream(rig: Rig, octets: bytes) -> None:
    """413, whether it was announced or counted; then the connection ends (RFC 9110 section 15.5.14)."""
    rig.answers()
    with rig.client() as client:
        answer = client.send(octets).read_response()
        assert (answer.status, problem_code(answer)) == (413, "body_too_large")
        assert answer.all("connection") == ["close"]
        assert client.wait_closed() == "eof"
    rig.settle()
    assert [seen for seen in rig.seen if seen.body_complete] == []


@pytest.mark.parametrize("size", [0, 10])
def test_body_within_the_limit_goes_up(rig: Rig, size: int) -> None:
    """The limit itself is allowed."""
    rig.answers()
    body = b"x" * size
    for framing, sent in (
        (f"Content-Length: {size}", body),
        ("Transfer-Encoding: chunked", (chunk(body) if size else b"") + chunk(b"")),
    ):
        assert rig.ask(request("POST /small/a HTTP/1.1", framing, body=sent)).status == 200
    assert [seen.body for seen in rig.seen] == [body, body]


def test_request_refused_with_its_body_unread_ends_the_connection_and_is_answered(rig: Rig) -> None:
    """The client that is still sending hears why, instead of a reset (RFC 9112 section 9.6)."""
    with rig.client() as client:
        client.send(request("POST /nowhere HTTP/1.1", "Content-Length: 1000000"))
        for _ in range(100):
            client.send(b"x" * 1000)
        answer = client.read_response()
    assert (answer.status, problem_code(answer), answer.all("connection")) == (404, "no_route", ["close"])


def test_overload_is_told_with_retry_after(tmp_path_factory: pytest.TempPathFactory) -> None:
    """503 says when to come again (RFC 9110 section 10.2.3)."""
    with (
        Rig(tmp_path_factory.mktemp("full"), server={"max_connections": 1}) as rig,
        rig.client() as first,
    ):
        rig.plays([read_head, hang])
        first.get("/a")
        rig.upstream.wait_until(lambda _: rig.seen, what="the first request")
        answer = rig.ask(request("GET /b HTTP/1.1"))
        assert (answer.status, problem_code(answer)) == (503, "overloaded")
        assert (answer.all("retry-after"), answer.all("connection")) == (["1"], ["close"])
        rig.plays([read_request, response(b"ok")])
        first.socket.shutdown(socket.SHUT_RDWR)
