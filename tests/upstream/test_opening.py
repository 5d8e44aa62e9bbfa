"""One attempt over a real socket: what goes out, what comes back, and what is left behind."""

import dataclasses
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.certificates import TlsFiles
from support.exchanges import a_route, an_exchange
from support.scripted_upstream import (
    ScriptedUpstream,
    chunk,
    for_each_request,
    hang,
    in_turn,
    read_head,
    read_request,
    reset,
    response,
)
from upstream.attempts import BackgroundUpload, ListedUpload, Moments, ask, opener_for

from gateway.exchange.attempt import Attempt
from gateway.exchange.credential import Credential, Injected
from gateway.exchange.failure import FailureError
from gateway.exchange.message import ReplyHead, Source
from gateway.exchange.route import Compression, Conversions, Stream, TlsToUpstream, Upstream
from gateway.exchange.target import parse_endpoint
from gateway.upstream.opening import Opener
from gateway.upstream.transport import StreamedResponse

StartUpstream = Callable[..., ScriptedUpstream]
OK = response(b"ok")
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"


class Struck(BaseException):
    """What an interrupter throws."""


def cut_below_tls(connection: Any) -> None:
    """End the TCP connection cleanly and leave TLS without its close_notify."""
    connection.socket.shutdown(socket.SHUT_WR)
    connection.hang()


@pytest.fixture
def opened(scripted_upstream: StartUpstream) -> Any:
    """Make openers at upstreams that follow a script; they are closed with the test."""
    made: list[Opener] = []

    def make(script: Any, trust: TlsToUpstream | None = None, **options: Any) -> tuple[Opener, ScriptedUpstream]:
        upstream = scripted_upstream(script, **options)
        made.append(opener_for(upstream, trust))
        return made[-1], upstream

    yield make
    for opener in made:
        opener.close()


@pytest.mark.parametrize("target", ["/a%2fb//..;x?%zz&a=+", "/%7e?", "//a/./../b", "*", "/a?b#c"])
def test_request_goes_out_octet_for_octet(opened: Any, target: str) -> None:
    """Target and fields as they are, no framing without a body, nothing invented (F18)."""
    opener, upstream = opened([read_request, OK])

    ask(opener, "OPTIONS", target, [("host", "up.example"), ("X-b", "1"), ("x-A", ""), ("X-b", "2")]).read()

    lines = b"host: up.example\r\nX-b: 1\r\nx-A: \r\nX-b: 2\r\n\r\n"
    assert upstream.requests[0].head_octets == b"OPTIONS " + target.encode() + b" HTTP/1.1\r\n" + lines


def test_missing_host_is_the_authority_of_the_endpoint(opened: Any) -> None:
    """The one field that every request has."""
    opener, upstream = opened([read_request, OK])

    ask(opener, fields=[]).read()

    assert upstream.requests[0].fields == [("Host", f"127.0.0.1:{upstream.port}")]


def test_answer_comes_back_as_it_is(opened: Any) -> None:
    """Repeated lines stay apart, coded octets stay coded, redirects are not followed."""
    lines = ("Set-Cookie: a=1", "Set-Cookie: b=2", "Location: /else", "Content-Encoding: gzip", "Connection: x")
    opener, upstream = opened([read_request, response(b"\x1f\x8b?", *lines, status="302 Moved")])

    asked = ask(opener).read()

    assert asked.reply is not None
    assert asked.reply.head == ReplyHead(
        302, "Moved", [*(tuple(line.split(": ")) for line in lines), ("Content-Length", "3")]
    )
    assert (asked.reply.source, asked.reply.length, asked.body) == (Source.UPSTREAM, 3, b"\x1f\x8b?")
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("upload", "framing", "body"),
    [
        (None, [], b""),
        (ListedUpload([], 0), [("Content-Length", "0")], b""),
        (ListedUpload([b"hel", b"lo"], 5), [("Content-Length", "5")], b"hello"),
        (ListedUpload([b"hel", b"lo"], None), [("Transfer-Encoding", "chunked")], b"hello"),
        (ListedUpload([], None), [("Transfer-Encoding", "chunked")], b""),
    ],
)
def test_body_goes_out_in_one_framing(opened: Any, upload: ListedUpload | None, framing: Any, body: bytes) -> None:
    """A known length stays known, an unknown one is chunked, and the connection is kept after either."""
    opener, upstream = opened(for_each_request(OK))

    ask(opener, "POST", upload=upload).read()
    second = ask(opener)

    assert upstream.requests[0].fields == [("Host", "up.example"), *framing]
    assert upstream.requests[0].body == body
    assert upstream.requests[0].body_complete
    assert second.attempt.reused


def test_moments_of_an_attempt_come_in_order(opened: Any) -> None:
    """Deadlines are armed and disarmed by them; a kept connection is not waited for."""
    opener, _ = opened(for_each_request(OK))

    first, second = ask(opener).read(), ask(opener, "POST", upload=ListedUpload([b"x"], 1)).read()

    assert first.watch.seen == ["connecting", "connected", "sent", "answered"]
    assert second.watch.seen == ["sent", "answered"]


def test_early_hints_are_told_before_the_answer(opened: Any) -> None:
    """They may go on to the client; the answer is the final one."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    opener, _ = opened([read_request, b"HTTP/1.1 100 Continue\r\n\r\n", hints, OK])

    asked = ask(opener).read()

    assert [(head.status, head.first("link")) for head in asked.watch.interim] == [(103, "</a.css>; rel=preload")]
    assert asked.body == b"ok"


def test_expected_continue_reaches_the_upload(opened: Any) -> None:
    """The upstream's word about the body is waited for."""
    order: list[str] = []

    def say_continue(connection: Any) -> None:
        order.append("continue")
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    class Noting(ListedUpload):
        def start(self, write: Any, finish: Any) -> None:
            order.append("body")
            super().start(write, finish)

    opener, upstream = opened([read_head, say_continue, lambda connection: connection.read_body(), OK])

    asked = ask(opener, "POST", fields=[("Expect", "100-continue")], upload=Noting([b"hello"], 5)).read()

    assert (asked.body, order) == (b"ok", ["continue", "body"])
    assert upstream.requests[0].body == b"hello"


def test_refused_expectation_ends_without_the_body(opened: Any) -> None:
    """The final answer reaches the client, the body never leaves, and the connection is not used again."""
    upload = ListedUpload([b"hello"], 5)
    opener, upstream = opened([read_head, response(b"", status="413 Content Too Large"), hang])

    asked = ask(opener, "POST", fields=[("Expect", "100-continue")], upload=upload).read()

    assert asked.attempt.status == 413
    assert upload.started == 0
    upstream.wait_until(lambda it: it.open_connections == 0)


def test_answer_during_the_upload_reaches_the_client(opened: Any) -> None:
    """The upload is stopped with the answer's end, and the connection closed (RFC 9112 section 9.3)."""
    upload = BackgroundUpload([b"late"], 4)
    opener, upstream = opened([read_head, response(b"no", status="401 Unauthorized"), hang])

    asked = ask(opener, "POST", upload=upload).read()

    assert (asked.attempt.status, asked.body) == (401, b"no")
    assert upload.stopped == 1
    assert asked.watch.seen == ["connecting", "connected", "answered"]
    upstream.wait_until(lambda it: it.open_connections == 0)


def test_upload_cut_by_the_client_is_not_complete_upstream(opened: Any) -> None:
    """The upstream sees a cut body, however the answer came about."""
    opener, upstream = opened([read_head, OK, lambda connection: connection.read_body()])

    ask(opener, "POST", upload=ListedUpload([b"half", None], None)).read()

    upstream.wait_until(lambda it: it.open_connections == 0)
    assert not upstream.requests[0].body_complete


@pytest.mark.parametrize(
    ("script", "code", "answered"),
    [
        ([read_request], "head_missing", False),
        ([read_request, reset], "head_missing", False),
        ([read_request, b"HTTP/1.1 2"], "head_missing", True),
        ([read_request, b"SSH-2.0-x\r\n"], "head_invalid", True),
        ([read_request, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"], "head_invalid", True),
        ([read_request, b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000, hang], "head_too_large", True),
        ([read_request, b"HTTP/1.1 101 Switching Protocols\r\n\r\n", hang], "upgrade_refused", True),
    ],
)
def test_failure_before_the_head_is_told_and_closes(opened: Any, script: Any, code: str, answered: bool) -> None:
    """The attempt knows what went wrong and whether anything was answered."""
    opener, upstream = opened(script)

    asked = ask(opener)

    assert asked.kind == code
    assert asked.attempt.answered is answered
    assert not isinstance(asked.error, OSError)
    upstream.wait_until(lambda it: it.open_connections == 0)


def test_kept_connection_that_dies_unanswered_can_be_recognised(opened: Any) -> None:
    """That is the one failure which is safe to repeat for an idempotent request (F12)."""
    opener, _ = opened(in_turn([read_request, OK, read_request, reset], for_each_request(OK)))
    ask(opener).read()

    asked = ask(opener)

    assert asked.kind in ("head_missing", "send_failed")
    assert asked.attempt.reused
    assert not asked.attempt.answered
    assert ask(opener).read().body == b"ok"


def test_refused_connection_is_a_failure_without_anything_sent() -> None:
    """Nobody listens; the watch saw the beginning only."""
    opener = Opener(Upstream("nobody", (parse_endpoint("http://127.0.0.1:1"),)))

    asked = ask(opener)

    assert asked.kind == "connect_refused"
    assert asked.watch.seen == ["connecting"]


def test_cut_body_fails_after_its_last_octet(opened: Any) -> None:
    """It never ends politely."""
    opener, _ = opened([read_request, HALF])

    asked = ask(opener).read()

    assert asked.body == b"half"
    assert asked.broken is not None
    assert asked.broken.failure.kind.code == "body_cut"


def test_closing_a_reply_unread_ends_the_upstreams_work(opened: Any) -> None:
    """The rest is not read by the next client either."""
    opener, upstream = opened(in_turn([read_request, HALF, hang], for_each_request(OK)))
    asked = ask(opener)
    assert asked.reply is not None

    asked.reply.chunks.close()
    asked.reply.chunks.close()

    upstream.wait_until(lambda it: it.open_connections == 0)
    assert ask(opener).read().body == b"ok"


@pytest.mark.parametrize("moment", ["connected", "sent", "answered"])
def test_exception_thrown_at_any_moment_passes_and_closes(opened: Any, moment: str) -> None:
    """An interrupter's exception keeps its type, whatever it hits, and no connection stays."""
    opener, upstream = opened([read_request, OK, hang])

    class Striking(Moments):
        def strike(self) -> None:
            raise Struck

    watch = Striking()
    setattr(watch, moment, watch.strike)

    with pytest.raises(Struck):
        ask(opener, watch=watch)

    upstream.wait_until(lambda it: it.connections == 1 and it.open_connections == 0)


def test_unix_socket_serves_like_any_other(opened: Any, tmp_path: Path) -> None:
    """Requests, keep-alive and streams are the same."""
    body = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(b"a"), chunk(b"")]
    opener, upstream = opened(for_each_request(body), unix=tmp_path / "up.sock")

    assert ask(opener, fields=[]).read().body == b"a"
    assert ask(opener).read().attempt.reused
    assert upstream.requests[0].fields == [("Host", "localhost")]


def test_tls_serves_like_any_other(opened: Any, tls_files: TlsFiles) -> None:
    """Requests, keep-alive, uploads and streams are the same."""
    body = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(b"a" * 50_000), chunk(b"")]
    opener, upstream = opened(
        for_each_request(body), TlsToUpstream(ca=str(tls_files.ca)), tls=tls_files.server_context()
    )

    first = ask(opener, "POST", upload=ListedUpload([b"u" * 50_000], 50_000)).read()
    second = ask(opener).read()

    assert first.body == second.body == b"a" * 50_000
    assert upstream.requests[0].body == b"u" * 50_000
    assert second.attempt.reused


@pytest.mark.parametrize(("ending", "cut"), [(lambda connection: connection.close(), False), (cut_below_tls, True)])
def test_tls_end_counts_only_if_it_was_said(opened: Any, tls_files: TlsFiles, ending: Any, cut: bool) -> None:
    """Without close_notify anybody could have cut it: a body without framing is not complete then."""
    opener, _ = opened(
        [read_request, b"HTTP/1.1 200 OK\r\n\r\nall", ending],
        TlsToUpstream(ca=str(tls_files.ca)),
        tls=tls_files.server_context(),
    )

    asked = ask(opener).read()

    assert asked.body == b"all"
    assert (asked.broken is not None) is cut


def test_untrusted_certificate_fails_before_anything_is_sent(opened: Any, tls_files: TlsFiles) -> None:
    """Nobody else reads the request."""
    opener, upstream = opened([read_request, OK], TlsToUpstream(), tls=tls_files.server_context())

    assert ask(opener).kind == "tls_untrusted"
    assert upstream.requests == []


def test_unusable_bundle_is_found_when_the_opener_is_made() -> None:
    """Not with the first client's request."""
    endpoint = parse_endpoint("https://up.example")

    with pytest.raises(ValueError, match=r"tls\.ca"):
        Opener(Upstream("secure", (endpoint,), tls=TlsToUpstream(ca="/nonexistent.pem")))


def test_credential_is_put_on_last_and_only_on_the_wire(opened: Any) -> None:
    """What is recorded of the attempt stays without it."""
    opener, upstream = opened([read_request, OK])
    (endpoint,) = opener.endpoints
    attempt = Attempt(endpoint, "/a?b", [("Host", "up.example")])
    attempt.injected = Injected((("Authorization", "Bearer sk-secret"),), "key=sk-secret")

    opener.open(an_exchange(), attempt, Moments()).chunks.close()

    (request,) = upstream.requests
    assert (request.target, request.fields[-1]) == ("/a?b&key=sk-secret", ("Authorization", "Bearer sk-secret"))
    assert "sk-secret" not in f"{attempt.target} {attempt.fields} {attempt}"


def test_request_whose_credential_is_not_complete_is_not_sent(opened: Any) -> None:
    """An upstream that answers without one too must not be asked in nobody's name."""
    opener, upstream = opened([read_request, OK])
    (endpoint,) = opener.endpoints
    attempt = Attempt(endpoint, "/", [("Host", "up.example")], credential=Credential())

    with pytest.raises(FailureError, match="not completed"):
        opener.open(an_exchange(), attempt, Moments())
    assert upstream.connections == 0


@pytest.mark.parametrize(
    ("looks", "most"),
    [
        ({}, 512),
        ({"stream": Stream(format="auto")}, 256),
        ({"compression": Compression(("gzip",))}, 256),
        ({"convert": Conversions(("csv",))}, 256),
    ],
)
def test_octets_that_somebody_looks_into_are_read_in_smaller_pieces(
    opened: Any, monkeypatch: pytest.MonkeyPatch, looks: dict[str, Any], most: int
) -> None:
    """What each one costs would hold up all other streams; where they only pass, larger ones cost less."""
    asked: list[int | None] = []
    monkeypatch.setattr(StreamedResponse, "iter_content", lambda _, size=None: iter([asked.append(size)]))
    opener, _ = opened([read_request, OK])
    route = dataclasses.replace(a_route(), **looks)
    exchange, attempt = an_exchange(route=route), Attempt(opener.endpoints[0], fields=[], target="/")

    reply = opener.open(exchange, attempt, Moments())
    list(reply.chunks)
    reply.chunks.close()

    assert asked == [most * 1024]
