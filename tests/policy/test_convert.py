"""Conversions in an exchange: what is asked of the upstream, what stands in the stream, what head goes out."""

import pytest
from support.exchanges import ListedChunks, a_failure, a_request, a_route, an_attempt, an_exchange

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import ANSWER_MALFORMED, ANSWER_UNFINISHED, BODY_CUT, IN_BAND_ERROR, FailureError, Kind
from gateway.exchange.message import Chunks, Fields, ReplyHead
from gateway.exchange.route import Conversions
from gateway.policy.convert import ConvertSettings, asking, hooks, varies
from gateway.policy.hooks import Hooks

NDJSON = "application/x-ndjson"
ROUTE = a_route(convert=Conversions(("ndjson", "sse", "csv"), ("id",)))


def an_exchange_with(
    accept: str = NDJSON, answer: Fields | None = None, *, method: str = "GET", status: int = 200
) -> Exchange:
    """An exchange whose upstream has answered with the lines ``answer``."""
    exchange = an_exchange(a_request(method, fields=[("Accept", accept)]), ROUTE)
    attempt = an_attempt()
    attempt.head = ReplyHead(status, "OK", [("Content-Type", "application/json")] if answer is None else answer)
    exchange.attempts.append(attempt)
    return exchange


def staged(exchange: Exchange, chunks: Chunks) -> Chunks:
    stage = hooks(ROUTE).stage
    assert stage is not None
    return stage(exchange, chunks)


def committed(exchange: Exchange, head: ReplyHead | None = None) -> Fields:
    """Return the lines that go out: under the upstream's head, or one of our own."""
    commit = hooks(ROUTE).commit
    assert commit is not None
    head = head or exchange.attempts[-1].head
    assert head is not None
    commit(exchange, head)
    return head.fields


def taken(chunks: Chunks) -> tuple[list[bytes], Kind | None]:
    """Return what comes, and the failure that it ends with."""
    found: list[bytes] = []
    try:
        for chunk in chunks:
            found.append(chunk)  # one by one: they stay where the next fails
    except FailureError as error:
        return found, error.failure.kind
    return found, None


def test_route_that_offers_nothing_has_no_hooks() -> None:
    """What is off costs nothing."""
    assert hooks(a_route()) == Hooks()
    assert ConvertSettings().compiled() == {"convert": Conversions()}


def test_upstream_is_asked_for_a_whole_plain_source() -> None:
    """Accept names the source; no coding, no ranges, and no conditions about what only we would have made."""
    lines = [
        ("Host", "h"),
        ("accept", "application/x-ndjson"),
        ("ACCEPT-Encoding", "gzip, br"),
        ("Range", "bytes=0-5"),
        ("If-Range", '"x"'),
        ("If-None-Match", '"x"'),
        ("If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("If-Match", '"kept"'),
        ("Accept", "*/*;q=0.1"),
    ]
    exchange = an_exchange(a_request(fields=list(lines)), ROUTE)
    attempt = an_attempt(list(lines))
    prepare = hooks(ROUTE).prepare
    assert prepare is not None

    prepare(exchange, attempt)

    assert attempt.fields == [
        ("Host", "h"),
        ("Accept", "text/event-stream, application/json, */*;q=0.1"),
        ("Accept-Encoding", "identity"),
        ("If-Match", '"kept"'),
    ]


def test_who_asks_for_no_conversion_is_passed_on_as_he_is() -> None:
    """Ranges, conditions and codings of everybody else stay."""
    lines = [("Accept", "*/*"), ("Accept-Encoding", "gzip"), ("Range", "bytes=0-5")]
    exchange, attempt = an_exchange(a_request(fields=list(lines)), ROUTE), an_attempt(list(lines))
    prepare = hooks(ROUTE).prepare
    assert prepare is not None

    prepare(exchange, attempt)

    assert attempt.fields == lines
    assert asking([], "x") == [("Accept", "x"), ("Accept-Encoding", "identity")]


def test_chunks_become_whole_frames() -> None:
    """For each chunk what it made whole, nothing where it made nothing, and pings may go between."""
    exchange = an_exchange_with()
    inner = ListedChunks(b'[{"id":1},{"i', b'd":2', b"}]", ready=True)

    chunks = staged(exchange, inner)

    assert taken(chunks) == ([b'{"id":1}\n', b"", b'{"id":2}\n'], None)
    assert chunks.ready()
    assert exchange.wire is not None
    assert (exchange.wire.format, exchange.wire.boundary(), exchange.converted) == ("ndjson", True, NDJSON)
    chunks.close()
    assert inner.closed == 1


@pytest.mark.parametrize(
    ("accept", "body", "frames", "kind"),
    [
        (NDJSON, [b"[1,", a_failure(BODY_CUT)], [b"1\n"], BODY_CUT),
        (NDJSON, [b"[1,2"], [b"1\n"], ANSWER_UNFINISHED),
        (NDJSON, [b"[1,x,3]"], [b"1\n"], ANSWER_MALFORMED),
        (NDJSON, [b"[x]"], [], ANSWER_MALFORMED),
        ("text/event-stream", [b'[{"error":1}]'], [b'event: error\ndata: {"error":1}\n\n'], None),
        ("text/csv", [b'[{"error":1}]'], [], IN_BAND_ERROR),
        ("text/csv", [b"[]"], [b"", b"id\r\n"], None),
        (NDJSON, [b"1", b"2"], [b"", b"", b"12\n"], None),
    ],
)
def test_all_that_was_whole_comes_before_a_failure(
    accept: str, body: list[bytes | BaseException], frames: list[bytes], kind: Kind | None
) -> None:
    """And nothing that was not."""
    assert taken(staged(an_exchange_with(accept), ListedChunks(*body))) == (frames, kind)


def test_head_speaks_of_what_the_client_gets() -> None:
    """Lengths, digests, validators and ranges of the source go; caches learn what it depends on."""
    gone = [
        ("Content-Length", "5"),
        ("ETag", 'W/"1"'),
        ("Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("Accept-Ranges", "bytes"),
        ("Content-MD5", "x"),
        ("Digest", "x"),
        ("Content-Digest", "x"),
        ("Repr-Digest", "x"),
        ("Content-Location", "/x.json"),
    ]
    answer = [("X-A", "1"), ("Content-Type", "application/json"), *gone, ("Vary", "Origin")]
    exchange = an_exchange_with("text/csv", list(answer))

    staged(exchange, ListedChunks())

    assert committed(exchange) == [
        ("X-A", "1"),
        ("Content-Type", "text/csv; charset=utf-8"),
        ("Vary", "Origin, Accept"),
    ]


def test_head_of_an_answer_to_head_is_that_to_get() -> None:
    """And nothing stands in a stream that there is not: no header line of CSV either."""
    exchange = an_exchange_with("text/csv", method="HEAD")
    inner = ListedChunks()

    assert staged(exchange, inner) is inner
    assert committed(exchange) == [("Content-Type", "text/csv; charset=utf-8"), ("Vary", "Accept")]


@pytest.mark.parametrize("status", [204, 206, 304, 404, 500])
def test_answer_that_is_not_converted_still_varies(status: int) -> None:
    """Whoever asks otherwise might get another one."""
    exchange = an_exchange_with(answer=[("Content-Type", "application/json"), ("ETag", '"1"')], status=status)
    inner = ListedChunks()

    assert staged(exchange, inner) is inner
    assert committed(exchange) == [("Content-Type", "application/json"), ("ETag", '"1"'), ("Vary", "Accept")]
    assert exchange.converted is None
    assert exchange.wire is None


def test_our_own_reply_about_a_failure_keeps_its_type() -> None:
    """A conversion that failed at once is told as a problem document."""
    exchange = an_exchange_with()
    staged(exchange, ListedChunks())
    problem = ReplyHead(502, "Bad Gateway", [("Content-Type", "application/problem+json"), ("Content-Length", "9")])

    assert committed(exchange, problem) == [
        ("Content-Type", "application/problem+json"),
        ("Content-Length", "9"),
        ("Vary", "Accept"),
    ]


def test_stages_that_are_asked_again_convert_once() -> None:
    """What is converted is in the format that the client asked for: no further conversion stands in its stream."""
    exchange = an_exchange_with()
    staged(exchange, ListedChunks())
    later = ListedChunks()

    assert staged(exchange, later) is later


def test_reply_without_any_attempt_is_left_alone() -> None:
    """What the gateway answers by itself has no source."""
    exchange, inner = an_exchange(a_request(fields=[("Accept", NDJSON)]), ROUTE), ListedChunks()

    assert staged(exchange, inner) is inner
    assert committed(exchange, ReplyHead(200, "OK", [])) == [("Vary", "Accept")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], [("Vary", "Accept")]),
        ([("Vary", "*")], [("Vary", "*")]),
        ([("vary", "Origin, ACCEPT")], [("vary", "Origin, ACCEPT")]),
        ([("Vary", "Origin"), ("X", "1"), ("Vary", "Cookie")], [("Vary", "Origin, Cookie, Accept"), ("X", "1")]),
        ([("Vary", "Accept-Encoding")], [("Vary", "Accept-Encoding, Accept")]),
    ],
)
def test_vary_names_accept_once(before: Fields, after: Fields) -> None:
    """Beside all that it named before."""
    varies(before)

    assert before == after
