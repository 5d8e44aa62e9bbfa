"""Retries before the head: what the upstream sees, what the client gets, what the line says, and that nothing leaks."""

import signal
import threading
from collections.abc import Callable, Iterator

import pytest
from support.conditions import patience, wait_until
from support.gateway_process import Gateway, Line, route_to
from support.rig import DATE, Rig, ask, problem_code, request
from support.rude_client import RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import (
    Script,
    ScriptedUpstream,
    chunk,
    hang,
    play,
    read_body,
    read_head,
    read_request,
    reset,
    response,
)

_OK = response(b"ok", DATE)


def busy(*lines: str, body: bytes = b"busy") -> bytes:
    return response(body, DATE, *lines, status="503 Service Unavailable")


_BUSY = busy()
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BUFFER = 64 * 1024
_RETRY = {
    "attempts": 3,
    "on": ["connect", "reset", 503],
    "methods": ["GET", "HEAD", "POST"],
    "buffer": "64KiB",
    "retry_after_max": "3s",
    "budget": "off",
}
_ROUTES = [
    {"name": "try", "path": "/", "retry": _RETRY},
    {"name": "total", "path": "/total", "retry": _RETRY, "timeouts": {"total": "1s"}},
    {
        "name": "slow",
        "path": "/slow",
        "retry": {"attempts": 2, "on": ["timeout"], "budget": "off"},
        "timeouts": {"first_byte": "300ms"},
    },
    {"name": "careful", "path": "/careful", "retry": {"attempts": 3, "on": ["reset", 503], "budget": "off"}},
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig"), routes=_ROUTES, upstream={"keepalive": "0s"}) as rig:
        rig.plays([read_request, _OK])
        assert rig.ask(request("GET / HTTP/1.1")).status == 200
        yield rig


@pytest.fixture
def rig(running: Rig) -> Iterator[Rig]:
    """The pair; when the test is over nothing it opened may be left, on either side."""
    with running.left_as_it_was():
        yield running


def told(line: Line) -> tuple[object, ...]:
    return line["status"], line["outcome"], line["attempts"], line["retried"], line["not_retried"]


@pytest.mark.parametrize(
    ("first", "retried"),
    [([read_request, reset], "head_missing"), ([read_request], "head_missing"), ([read_request, _BUSY], "503")],
    ids=["reset", "closed", "503"],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_bad_end_before_the_head_is_followed_by_another_attempt(
    rig: Rig, first: Script, retried: str, method: str
) -> None:
    """The client hears only of the good answer; the line tells what was before it."""
    rig.plays(first, [read_request, _OK])
    body = b"hello" if method == "POST" else b""
    answer = rig.ask(request(f"{method} /a HTTP/1.1", f"Content-Length: {len(body)}", body=body), method=method)

    assert (answer.status, answer.body, answer.complete) == (200, b"" if method == "HEAD" else b"ok", True)
    assert told(rig.line_of(answer)) == (200, "complete", 2, retried, None)
    assert [seen.body for seen in rig.seen] == [body, body]
    assert rig.heads()[0] == rig.heads()[1]


@pytest.mark.parametrize("end", [[reset], [_BUSY]], ids=["reset", "503"])
def test_post_is_not_sent_twice_unless_the_route_names_it(rig: Rig, end: list[bytes]) -> None:
    """By default only idempotent methods are (RFC 9110 section 9.2.2)."""
    rig.plays([read_request, *end])
    answer = rig.ask(request("POST /careful HTTP/1.1", "Content-Length: 5", body=b"hello"))

    assert answer.status == (503 if end == [_BUSY] else 502)
    line = rig.line_of(answer)
    assert (line["attempts"], line["not_retried"]) == (1, "method")
    assert len(rig.seen) == 1


def test_put_is_sent_twice_by_default(rig: Rig) -> None:
    """It is idempotent, and its body is kept."""
    rig.plays([read_request, reset], [read_request, _OK])
    answer = rig.ask(request("PUT /careful HTTP/1.1", "Content-Length: 5", body=b"hello"))

    assert answer.status == 200
    assert [seen.body for seen in rig.seen] == [b"hello", b"hello"]


def test_exhausted_attempts_relay_the_upstreams_last_answer(rig: Rig) -> None:
    """The client gets the upstream's own 503, not a 502 of ours."""
    rig.plays(*([read_request, busy(body=body)] for body in (b"one", b"two", b"three")))
    answer = rig.ask(request("GET /a HTTP/1.1"))

    assert (answer.status, answer.body, answer.first("proxy-status")) == (503, b"three", None)
    assert told(rig.line_of(answer)) == (503, "complete", 3, "503,503", "attempts")


def test_exhausted_attempts_that_brought_no_answer_are_a_502(rig: Rig) -> None:
    """The last failure is told."""
    rig.plays([read_request, _BUSY], [read_request, reset])
    answer = rig.ask(request("GET /a HTTP/1.1"))

    assert (answer.status, problem_code(answer)) == (502, "head_missing")
    assert told(rig.line_of(answer)) == (502, "failed", 3, "503,head_missing", "attempts")


def test_status_that_is_not_named_is_relayed(rig: Rig) -> None:
    """Nothing is tried again that the route did not ask for."""
    rig.plays([read_request, response(b"no", DATE, status="502 Bad Gateway")])
    answer = rig.ask(request("GET /a HTTP/1.1"))
    assert answer.body == b"no"
    assert told(rig.line_of(answer)) == (502, "complete", 1, None, None)


def test_silence_before_the_head_is_tried_again(rig: Rig) -> None:
    """`first_byte` ends the attempt, and its connection, not the exchange."""
    rig.plays([read_request, hang], [read_request, _OK])
    answer = rig.ask(request("GET /slow HTTP/1.1"))

    assert (answer.status, answer.body) == (200, b"ok")
    assert told(rig.line_of(answer)) == (200, "complete", 2, "first_byte_timeout", None)


def test_silence_in_every_attempt_is_a_504(rig: Rig) -> None:
    """Each attempt has its own time."""
    rig.plays([read_request, hang])
    answer = rig.ask(request("GET /slow HTTP/1.1"))

    assert (answer.status, problem_code(answer)) == (504, "first_byte_timeout")
    line = rig.line_of(answer)
    assert told(line) == (504, "failed", 2, "first_byte_timeout", "attempts")
    assert line["total_ms"] >= 600


def test_retry_after_is_waited_for(rig: Rig) -> None:
    """The upstream knows best when it can bear another request."""
    rig.plays([read_request, busy("Retry-After: 1")], [read_request, _OK])
    answer = rig.ask(request("GET /a HTTP/1.1"))

    assert answer.status == 200
    assert 1.0 <= answer.head_seconds < patience(2)


def test_retry_after_as_a_date_is_waited_for(rig: Rig) -> None:
    """It counts from the reply's own Date."""
    later = DATE.replace("Date", "Retry-After").replace("06:00:00", "06:00:01")
    rig.plays([read_request, busy(later)], [read_request, _OK])
    answer = rig.ask(request("GET /a HTTP/1.1"))

    assert answer.status == 200
    assert 1.0 <= answer.head_seconds < patience(2)


def test_retry_after_that_is_too_long_is_left_to_the_client(rig: Rig) -> None:
    """It gets the answer as it is, and can wait itself."""
    rig.plays([read_request, busy("Retry-After: 4")])
    answer = rig.ask(request("GET /a HTTP/1.1"))

    assert (answer.status, answer.body, answer.first("retry-after")) == (503, b"busy", "4")
    assert told(rig.line_of(answer)) == (503, "complete", 1, None, "retry_after")


def test_wait_beyond_the_total_timeout_is_not_begun(rig: Rig) -> None:
    """The client gets the upstream's answer at once instead of a 504 later."""
    rig.plays([read_request, busy("Retry-After: 2")])
    answer = rig.ask(request("GET /total HTTP/1.1"))

    assert (answer.status, answer.body) == (503, b"busy")
    assert answer.head_seconds < patience(1)
    assert rig.line_of(answer)["not_retried"] == "total"


def test_total_timeout_holds_for_all_attempts_together(rig: Rig) -> None:
    """A retry does not set the clock back."""
    rig.plays([read_request, 0.4, _BUSY], [read_request, hang])
    answer = rig.ask(request("GET /total HTTP/1.1"))

    assert (answer.status, problem_code(answer)) == (504, "total_timeout")
    assert 0.9 <= answer.head_seconds < patience(1.5)


def test_client_that_leaves_while_we_wait_ends_the_exchange(rig: Rig) -> None:
    """Nobody is asked again for a client that is gone."""
    rig.plays([read_request, busy("Retry-After: 3"), lambda connection: connection.wait_closed()])
    with rig.client() as client:
        client.send(request("GET /leaves HTTP/1.1"))
        wait_until(lambda: rig.seen, what="the first attempt")
        wait_until(lambda: rig.gateway.open_upstream_connections(rig.upstream.port) == 0, what="its end")
        client.leave()
        line = rig.gateway.wait_for_line(lambda line: line["target"] == "/leaves", timeout=1.5)

    assert (line["outcome"], line["attempts"], line["status"]) == ("client_gone", 1, None)
    assert len(rig.seen) == 1


FRAMINGS: dict[str, tuple[str, Callable[[bytes], bytes], bytes]] = {
    "length": ("Content-Length: 11", lambda piece: piece, b""),
    "chunks": ("Transfer-Encoding: chunked", chunk, chunk(b"")),
}


def read_piece(connection: ScriptedConnection) -> None:
    """Read until the first piece of a body has come."""
    octets = b""
    while b"first" not in octets:
        octets += connection.read_some()


@pytest.mark.parametrize(("framing", "frame", "end"), FRAMINGS.values(), ids=FRAMINGS.keys())
@pytest.mark.parametrize("how", [[_BUSY], [reset]], ids=["503", "reset"])
def test_body_that_still_arrives_is_continued_in_the_next_attempt(
    rig: Rig, framing: str, frame: Callable[[bytes], bytes], end: bytes, how: list[bytes]
) -> None:
    """What was kept goes first, then what comes: not an octet lost or doubled."""
    second = threading.Event()
    rig.plays([read_head, read_piece, *how], [read_head, lambda connection: second.set(), read_body, _OK])
    with rig.client() as client:
        client.send(request("POST /a HTTP/1.1", framing, body=frame(b"first")))
        assert second.wait(5)
        answer = client.send(frame(b"second") + end).read_response()

    assert (answer.status, answer.body) == (200, b"ok")
    line = rig.line_of(answer)
    assert (line["attempts"], line["bytes_up"]) == (2, 11)
    assert rig.seen[1].body == b"firstsecond"


@pytest.mark.parametrize("size", [_BUFFER, _BUFFER + 1])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
def test_body_larger_than_the_buffer_is_sent_once(rig: Rig, size: int, chunked: bool) -> None:
    """Never a second send of a body that cannot be replayed; one that just fits is sent again, octet for octet."""
    body = bytes(range(256)) * (size // 256) + b"!" * (size % 256)
    rig.plays([read_request, _BUSY], [read_request, _OK])
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    sent = b"".join(chunk(body[at : at + 10_000]) for at in range(0, size, 10_000)) + chunk(b"") if chunked else body
    answer = rig.ask(request("POST /a HTTP/1.1", framing, body=sent))

    fits = size <= _BUFFER
    assert answer.status == (200 if fits else 503)
    line = rig.line_of(answer)
    assert (line["attempts"], line["not_retried"]) == ((2, None) if fits else (1, "body"))
    assert [seen.body == body for seen in rig.seen] == [True] * (2 if fits else 1)


@pytest.mark.parametrize("first", [[_CONTINUE, read_body, _BUSY], [_BUSY]], ids=["continued", "refused at once"])
def test_client_that_waits_for_100_hears_it_once_across_attempts(rig: Rig, first: list[bytes]) -> None:
    """Every attempt asks the upstream; the client sends its body once."""
    rig.plays([read_head, *first], [read_head, _CONTINUE, read_body, _OK])
    with rig.client() as client:
        client.send(request("POST /a HTTP/1.1", "Expect: 100-continue", "Content-Length: 5"))
        assert client.read_until_head()[0] == "HTTP/1.1 100 Continue"
        answer = client.send(b"hello").read_response()
        assert client.get("/b").read_response().status == 200  # The connection is in step.

    assert (answer.status, answer.interim) == (200, [])
    assert rig.seen[1].body == b"hello"
    assert all(seen.first("expect") == "100-continue" for seen in rig.seen[:2])


def test_large_body_whose_upload_did_not_begin_is_still_whole(rig: Rig) -> None:
    """An upstream that refuses before it wants the body leaves all of it for the next attempt."""
    body = b"x" * (4 * _BUFFER)
    rig.plays([read_head, _BUSY], [read_head, _CONTINUE, read_body, _OK])
    with rig.client() as client:
        client.send(request("POST /a HTTP/1.1", "Expect: 100-continue", f"Content-Length: {len(body)}"))
        assert client.read_until_head()[0] == "HTTP/1.1 100 Continue"
        answer = client.send(body).read_response()

    assert answer.status == 200
    assert rig.seen[1].body == body


StartUpstream = Callable[..., ScriptedUpstream]
StartGateway = Callable[..., Gateway]


def test_budget_stops_retries_before_they_become_the_outage(
    scripted_upstream: StartUpstream, gateway: StartGateway
) -> None:
    """Three are always allowed, then only a share; a reload does not forget what was spent."""
    upstream = scripted_upstream([read_request, _BUSY])
    retry = {"attempts": 2, "on": [503], "budget": "1%"}
    toml = route_to(upstream.url, upstream={"keepalive": "0s"}, retry=retry)
    started = gateway(toml)

    told = [ask(started)[1] for _ in range(4)]
    assert [(line["status"], line["attempts"]) for line in told] == [(503, 2)] * 3 + [(503, 1)]
    assert told[-1]["not_retried"] == "budget"

    started.write(toml.replace('"all"', '"renamed"'))
    started.signal(signal.SIGHUP)
    again = wait_until(lambda: next((line for line in [ask(started)[1]] if line["route"] == "renamed"), None))
    assert (again["attempts"], again["not_retried"]) == (1, "budget")
    assert upstream.open_connections == 0


def test_stop_lets_an_exchange_that_waits_between_attempts_go_on(
    scripted_upstream: StartUpstream, gateway: StartGateway
) -> None:
    """A drain ends what it has to end at its own time, not a retry."""
    waiting = threading.Event()
    scripts: list[Script] = [[read_request, busy("Retry-After: 1")], [read_request, _OK]]
    upstream = scripted_upstream(lambda connection: _play(scripts, connection, waiting))
    started = gateway(route_to(upstream.url, upstream={"keepalive": "0s"}, retry={"attempts": 2, "on": [503]}))
    with RudeClient(started.address) as client:
        client.send(request("GET / HTTP/1.1"))
        assert waiting.wait(5)
        started.signal(signal.SIGTERM)
        answer = client.read_response()
    assert (answer.status, answer.body) == (200, b"ok")
    assert started.wait() == 0


def _play(scripts: list[Script], connection: ScriptedConnection, first_over: threading.Event) -> None:
    play(scripts[connection.number], connection)
    first_over.set()
