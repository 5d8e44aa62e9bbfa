"""What is compressed, what may not be, and what the head says then."""

from dataclasses import replace

import pytest
from support.decoding import DECODERS
from support.exchanges import a_reply, a_request, a_route, an_attempt, an_exchange

from gateway.exchange.exchange import Exchange
from gateway.exchange.message import Chunks, Fields, FixedChunks, ReplyHead
from gateway.exchange.route import Compression
from gateway.exchange.wire import Wire
from gateway.grammar.media_types import matcher
from gateway.policy.compression import TYPES, CompressionSettings, add_vary, hooks, keep_tag, may_be_coded, name_coding
from gateway.policy.content_coding import Coded

ROUTE = replace(a_route(), compression=Compression(("zstd", "gzip"), TYPES, 1024))
EVENTS: Fields = [("Content-Type", "text/event-stream; charset=utf-8")]
GZIP: Fields = [("Accept-Encoding", "gzip")]


def staged(
    fields: Fields,
    *,
    asked: Fields = GZIP,
    status: int = 200,
    method: str = "GET",
    version: tuple[int, int] = (1, 1),
    early: bool = False,
    wire: Wire | None = None,
) -> tuple[ReplyHead, Chunks, Exchange]:
    """Return head and chunks of a reply with ``fields`` once the policy had it, and its exchange."""
    exchange = an_exchange(a_request(method, fields=list(asked), version=version), ROUTE)
    head = ReplyHead(status, "", list(fields))
    exchange.attempts.append(an_attempt())
    exchange.attempts[-1].head = head
    exchange.early, exchange.wire = early, wire
    acts = hooks(ROUTE)
    assert acts.stage is not None and acts.commit is not None
    chunks = acts.stage(exchange, FixedChunks(b"data: x\n\n"))
    acts.commit(exchange, head)
    return head, chunks, exchange


def test_route_without_codings_does_nothing() -> None:
    """Off is off: no hook is called, neither for a head nor for a chunk."""
    acts = hooks(replace(ROUTE, compression=Compression((), TYPES)))
    assert (acts.stage, acts.commit, acts.prepare) == (None, None, None)


@pytest.mark.parametrize("coding", ["zstd", "gzip"])
def test_body_is_coded_and_the_head_says_so(coding: str) -> None:
    """The client gets the coding it asked for; length and ranges, which were those of other octets, are gone."""
    fields = [*EVENTS, ("content-length", "2000"), ("Accept-Ranges", "bytes"), ("ETag", '"abc"'), ("X-Kept", "1")]
    head, chunks, exchange = staged(fields, asked=[("Accept-Encoding", coding)])
    assert head.fields == [
        *EVENTS,
        ("ETag", 'W/"abc"'),
        ("X-Kept", "1"),
        ("Content-Encoding", coding),
        ("Vary", "Accept-Encoding"),
    ]
    read = DECODERS[coding]()
    assert b"".join(map(read, chunks)) == b"data: x\n\n" and read.ended
    assert exchange.plain_bytes == 9


@pytest.mark.parametrize(
    "forbidding",
    [
        ("Content-Encoding", "br"),
        ("Content-Encoding", "gzip, identity"),
        ("Cache-Control", "max-age=1, No-Transform"),
        ("Content-Range", "bytes 0-1/2"),
        ("ETag", "abc"),
        ("ETag", 'w/"abc"'),
        ("ETag", '"a"b"'),
        ("Content-Length", "1023"),
        ("Content-Length", "0"),
        ("Content-MD5", "x"),
        ("Digest", "sha-256=x"),
        ("Content-Digest", "sha-256=:x:"),
        ("Repr-Digest", "sha-256=:x:"),
        ("Signature", "s=:x:"),
    ],
    ids=": ".join,
)
def test_reply_that_may_not_change_stays_as_it_came(forbidding: tuple[str, str]) -> None:
    """What is coded already, must not be transformed, is a part, or is vouched for, reaches the client untouched."""
    fields = [*EVENTS, forbidding]
    head, chunks, exchange = staged(fields)
    assert head.fields == [*fields, ("Vary", "Accept-Encoding")]
    assert isinstance(chunks, FixedChunks) and exchange.plain_bytes is None


@pytest.mark.parametrize(
    ("what", "coded"),
    [
        ({"status": 101}, False),
        ({"status": 204}, False),
        ({"status": 205}, False),
        ({"status": 206}, False),
        ({"status": 304}, False),
        ({"status": 201}, True),
        ({"status": 500}, True),
        ({"version": (1, 0)}, False),
        ({"version": (2, 0)}, True),
        ({"early": True}, False),
        ({"asked": []}, False),
        ({"asked": [("Accept-Encoding", "br")]}, False),
        ({"asked": [("accept-encoding", "br"), ("Accept-Encoding", "gzip")]}, True),
        ({"asked": [*GZIP, ("Cache-Control", "no-cache, no-transform")]}, False),
        ({"asked": [*GZIP, ("Cache-Control", "no-cache")]}, True),
    ],
    ids=str,
)
def test_request_and_status_decide_too(what: dict[str, object], coded: bool) -> None:
    """Only a whole reply with a body is coded, for who can take it, while its head can still say so."""
    head, chunks, _ = staged(EVENTS, **what)  # type: ignore[arg-type]
    assert (head.first("content-encoding") is not None) is coded is isinstance(chunks, Coded)
    assert head.first("vary") == "Accept-Encoding"


@pytest.mark.parametrize("content_type", ["image/png", "application/zip", "multipart/mixed; boundary=x", "", None])
def test_other_types_are_left_alone(content_type: str | None) -> None:
    """What would not shrink, or is of no known type, is not touched, and does not vary."""
    fields: Fields = [] if content_type is None else [("Content-Type", content_type)]
    head, chunks, _ = staged(fields)
    assert head.fields == fields and isinstance(chunks, FixedChunks)


def test_parts_are_never_coded_whatever_the_types_say() -> None:
    """A multipart body is read part by part: a coding around all of them is what clients fail at."""
    assert not may_be_coded(a_request(), ReplyHead(200, "", [("Content-Type", "Multipart/x-mixed-replace")]), 0)


def test_body_known_to_be_empty_stays_empty() -> None:
    """Whatever the settings say, no octets are made of none."""
    assert not may_be_coded(a_request(), ReplyHead(200, "", [("Content-Length", "0")]), 0)
    assert may_be_coded(a_request(), ReplyHead(200, "", [("Content-Length", "1")]), 0)


def test_reply_with_two_validators_stays_as_it_came() -> None:
    """Nobody knows which of them a client would keep."""
    assert not may_be_coded(a_request(), ReplyHead(200, "", [("ETag", '"a"'), ("etag", '"b"')]), 0)


@pytest.mark.parametrize("value", ["identity", "Identity", ""])
def test_identity_is_no_coding(value: str) -> None:
    """An upstream that names the absence of a coding has it replaced."""
    head, chunks, _ = staged([*EVENTS, ("content-encoding", value)])
    assert head.fields == [*EVENTS, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
    assert isinstance(chunks, Coded)


def test_head_is_answered_like_get() -> None:
    """HEAD gets the head that GET would have, and no body is made."""
    fields = [*EVENTS, ("Content-Length", "2000"), ("ETag", '"a"')]
    head, chunks, _ = staged(fields, method="HEAD")
    assert head.fields == staged(fields)[0].fields
    assert isinstance(chunks, FixedChunks)


def test_local_reply_is_not_coded() -> None:
    """What the gateway says itself is short, and passes as it is."""
    stage = hooks(ROUTE).stage
    reply = a_reply(fields=list(EVENTS))
    assert stage is not None
    assert stage(an_exchange(a_request(fields=GZIP), ROUTE), reply.chunks) is reply.chunks


def test_octets_beside_the_stages_take_the_same_way() -> None:
    """A ping can be read the moment it is out, between two chunks, and does not break what follows."""
    wire = Wire("sse", lambda: True, lambda octets: b"<" + octets + b">")
    _, chunks, exchange = staged(EVENTS, wire=wire)
    read, coded = DECODERS["gzip"](), iter(chunks)
    assert read(wire.encode(b": ping\n")) == b"<: ping\n>"
    assert read(next(coded)) == b"data: x\n\n"
    assert read(wire.encode(b": ping\n")) == b"<: ping\n>"
    assert read(next(coded)) == b"" and read.ended
    assert exchange.plain_bytes == 9


def test_weak_tag_stays_as_it_is() -> None:
    """A validator that promised no octets needs no change."""
    head = ReplyHead(200, "", [("ETag", 'W/"a"')])
    name_coding(head, "gzip")
    assert head.first("etag") == 'W/"a"'


@pytest.mark.parametrize(
    ("known", "tag", "told"),
    [
        (['W/"a"'], '"a"', 'W/"a"'),
        (['"b", W/"a,b"'], '"a,b"', 'W/"a,b"'),
        (['"b"', 'W/"a"'], '"a"', 'W/"a"'),
        (['"a"'], '"a"', '"a"'),
        (['"a", W/"a"'], '"a"', '"a"'),
        (['W/"b"'], '"a"', '"a"'),
        (["*"], '"a"', '"a"'),
        (['W/"a"'], 'W/"a"', 'W/"a"'),
        (['W/"a"'], None, None),
    ],
)
def test_not_modified_names_the_tag_that_the_client_has(known: list[str], tag: str | None, told: str | None) -> None:
    """A cache that was given a weak validator is answered with it: a strong one would match nothing it has."""
    head = ReplyHead(304, "", [] if tag is None else [("ETag", tag)])
    keep_tag(a_request(fields=[("If-None-Match", value) for value in known]), head)
    assert head.first("etag") == told


def test_not_modified_varies_and_keeps_the_tag() -> None:
    """A 304 has no type to go by: it says what the 200 would have said."""
    head, _, _ = staged([("ETag", '"a"')], status=304, asked=[*GZIP, ("If-None-Match", 'W/"a"')])
    assert head.fields == [("ETag", 'W/"a"'), ("Vary", "Accept-Encoding")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], ["Accept-Encoding"]),
        (["Origin"], ["Origin, Accept-Encoding"]),
        (["Origin", "Cookie"], ["Origin, Cookie, Accept-Encoding"]),
        (["*"], ["*"]),
        (["origin , ACCEPT-ENCODING"], ["origin , ACCEPT-ENCODING"]),
        ([""], ["Accept-Encoding"]),
    ],
)
def test_vary_names_what_it_depends_on_once(before: list[str], after: list[str]) -> None:
    """A cache in front never gives a coded body to who cannot read it."""
    fields: Fields = [("Vary", value) for value in before]
    add_vary(fields)
    assert [value for _, value in fields] == after


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/event-stream", True),
        ("text/csv", True),
        ("application/json", True),
        ("application/problem+json", True),
        ("application/x-ndjson", True),
        ("image/svg+xml", True),
        ("application/wasm", True),
        ("application/octet-stream", False),
        ("application/gzip", False),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", False),
        ("image/png", False),
        ("video/mp4", False),
        ("font/woff2", False),
    ],
)
def test_types_that_are_compressed_by_default(content_type: str, expected: bool) -> None:
    """Text in all its forms, and nothing that is compressed already."""
    assert matcher(TYPES)(content_type) is expected


def test_settings_compile_to_what_the_hooks_use() -> None:
    """Off unless codings are named."""
    assert CompressionSettings().compiled() == {"compression": Compression((), TYPES, 1024)}
