"""Which pings may be sent when, and which heads may go out early."""

from dataclasses import replace

import pytest
from support.exchanges import a_reply, a_request, a_route, an_attempt, an_exchange

from gateway.exchange.exchange import Exchange
from gateway.exchange.marks import Marks
from gateway.exchange.message import Fields, ReplyHead
from gateway.exchange.route import Conversions, Stream
from gateway.exchange.wire import Wire
from gateway.formats.choose import choose
from gateway.policy.keepalive import body_ping, promise


def in_a_body(format: str = "sse", of_route: str = "sse", boundary: bool = True) -> Exchange:
    """An exchange that relays a body in ``format`` on a route for ``of_route``."""
    exchange = an_exchange(route=replace(a_route(), stream=Stream(format=of_route, keepalive=15.0)))
    exchange.reply = a_reply()
    exchange.marks, exchange.wire = Marks(format), Wire(format, lambda: boundary)
    attempt = an_attempt()
    attempt.head = ReplyHead(200, "", [])
    exchange.attempts.append(attempt)
    return exchange


@pytest.mark.parametrize(
    ("format", "of_route", "octets"),
    [
        ("sse", "auto", b": ping\n"),
        ("ndjson", "sse", b"\n"),
        ("json", "json", b" "),
        ("json", "auto", b""),
        ("json", "openai", b""),
        ("csv", "csv", b""),
        ("opaque", "auto", b""),
    ],
)
def test_ping_is_that_of_what_the_client_reads(format: str, of_route: str, octets: bytes) -> None:
    """A blank in JSON must be asked for by name."""
    assert body_ping(in_a_body(format, of_route)) == octets


def test_nothing_is_put_where_it_would_be_read_as_part_of_the_answer() -> None:
    """Inside a frame, behind the end, into a part, into JSON that has begun, or where nobody looks."""
    inside = in_a_body(boundary=False)
    ended = in_a_body()
    assert ended.marks is not None
    ended.marks.terminal = True
    part = in_a_body()
    part.reply = a_reply(206)
    begun = in_a_body("json", "json")
    begun.relayed_bytes = 1
    unwatched = in_a_body()
    unwatched.wire = None

    assert [body_ping(each) for each in (inside, ended, part, begun, unwatched)] == [b""] * 5


def test_body_that_the_gateway_codes_gets_pings() -> None:
    """The head names the coding, but what is put in goes through the coder; one that came coded has no gaps."""
    coded = in_a_body()
    coded.attempts[0].head = ReplyHead(200, "", [("Content-Encoding", "gzip")])

    assert body_ping(coded) == b": ping\n"
    head = ReplyHead(200, "", [("Content-Type", "text/event-stream"), ("Content-Encoding", "gzip")])
    watch = choose("sse", head)
    assert not isinstance(watch, str) and not watch.marks.boundary


def asking(format: str, *fields: tuple[str, str], method: str = "GET", version: tuple[int, int] = (1, 1)) -> Exchange:
    """An exchange that waits, on a route for ``format``."""
    route = replace(a_route(), stream=Stream(format=format, keepalive=15.0))
    return an_exchange(a_request(method, fields=list(fields), version=version), route)


@pytest.mark.parametrize(
    ("format", "accept", "asked", "expected"),
    [
        ("sse", None, False, ("sse", "text/event-stream")),
        ("sse", "application/json", False, ("sse", "text/event-stream")),
        ("sse", "text/event-stream, text/csv", False, ("sse", "text/event-stream")),
        ("sse", "application/x-ndjson", False, None),
        ("sse", "application/x-ndjson;q=0", False, ("sse", "text/event-stream")),
        ("openai", None, True, ("openai", "text/event-stream")),
        ("openai", "text/event-stream", False, None),
        ("anthropic", "application/json", True, ("anthropic", "text/event-stream")),
        ("ndjson", None, False, ("ndjson", "application/x-ndjson")),
        ("ndjson", "*/*, Application/JSONL ; q=0.5", False, ("ndjson", "application/jsonl")),
        ("json", None, False, ("json", "application/json")),
        ("auto", "text/event-stream", False, ("sse", "text/event-stream")),
        ("auto", "application/ndjson", False, ("ndjson", "application/ndjson")),
        ("auto", "text/event-stream, application/json", False, None),
        ("auto", "text/event-stream;q=0.0", False, None),
        ("auto", "*/*", True, None),
        ("auto", "text/csv, text/event-stream", False, None),
        ("auto", None, True, None),
        ("csv", None, True, None),
        ("opaque", "text/event-stream", True, None),
    ],
)
def test_early_head_says_what_the_client_counts_on(
    format: str, accept: str | None, asked: bool, expected: tuple[str, str] | None
) -> None:
    """There is none where that is not known."""
    found = promise(asking(format, *([("Accept", accept)] if accept else [])), asked)

    if expected is None:
        assert found is None
    else:
        assert found is not None
        head, promised = found
        assert (promised.wire.format, head.first("content-type")) == expected
        assert head.status == 200 and expected[1] in promised.media_types and promised.wire.boundary()


@pytest.mark.parametrize(
    ("fields", "method", "version"),
    [
        ([], "HEAD", (1, 1)),
        ([], "OPTIONS", (1, 1)),
        ([], "GET", (1, 0)),
        ([("range", "bytes=0-1")], "GET", (1, 1)),
        ([("If-None-Match", '"a"')], "GET", (1, 1)),
        ([("Origin", "https://a.example")], "POST", (1, 1)),
        ([("Origin", "https://a.example"), ("Sec-Fetch-Site", "same-site")], "POST", (1, 1)),
    ],
)
def test_requests_that_such_a_head_cannot_answer_get_none(
    fields: Fields, method: str, version: tuple[int, int]
) -> None:
    """What they ask for, status or fields of the upstream's may have to say."""
    assert promise(asking("sse", *fields, method=method, version=version), True) is None
    same_origin = [("Origin", "https://a.example"), ("Sec-Fetch-Site", "same-origin")]
    assert promise(asking("sse", *same_origin), True) is not None


@pytest.mark.parametrize(
    ("status", "ended", "early"), [(None, None, True), (200, None, True), (429, None, False), (503, 1.0, True)]
)
def test_bad_status_that_is_known_is_not_lost(status: int | None, ended: float | None, early: bool) -> None:
    """It goes out as it is, unless another attempt follows it."""
    exchange = asking("sse")
    attempt = an_attempt()
    attempt.status, attempt.ended = status, ended
    exchange.attempts.append(attempt)

    assert (promise(exchange, False) is not None) is early


@pytest.mark.parametrize(
    ("accept", "to", "fields", "early"),
    [
        ("text/event-stream", (), [("Content-Type", "text/event-stream")], True),
        ("text/event-stream", (), [("Content-Type", "application/json")], False),
        ("text/event-stream", (), [("Content-Type", "text/event-stream"), ("Content-Encoding", "gzip")], False),
        ("application/x-ndjson", (), [("Content-Type", "text/event-stream")], False),
        ("application/x-ndjson", ("ndjson",), [("Content-Type", "text/event-stream")], True),
        ("application/x-ndjson;q=0.1, text/event-stream", ("ndjson",), [("Content-Type", "text/event-stream")], True),
        ("application/x-ndjson", ("ndjson",), [("Content-Type", "text/plain")], False),
    ],
)
def test_head_that_is_held_and_would_break_the_promise_is_not_lost(
    accept: str, to: tuple[str, ...], fields: Fields, early: bool
) -> None:
    """What has answered already, in a way that the early head could not be kept with, is waited for."""
    exchange = asking("auto", ("Accept", accept))
    assert exchange.route is not None
    exchange.route = replace(exchange.route, convert=Conversions(to))
    attempt = an_attempt()
    attempt.status, attempt.head = 200, ReplyHead(200, "", fields)
    exchange.attempts.append(attempt)

    assert (promise(exchange, False) is not None) is early
