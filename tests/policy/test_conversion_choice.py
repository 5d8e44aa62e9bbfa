"""Which conversion is made: tables of what the client accepts, what is offered and what the upstream answers."""

import pytest
from support.exchanges import a_request

from gateway.exchange.message import Fields, ReplyHead
from gateway.policy.conversion_choice import Wish, accept_for, chosen, convertible, promised, wishes

SSE, NDJSON, JSON, CSV = "text/event-stream", "application/x-ndjson", "application/json", "text/csv"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"


def an_answer(media: str | None = JSON, *fields: tuple[str, str], status: int = 200) -> ReplyHead:
    return ReplyHead(status, "OK", [*([("Content-Type", media)] if media is not None else []), *fields])


def made(accept: str | None, media: str, offered: tuple[str, ...] = ("ndjson", "sse", "csv")) -> str | None:
    """The media type that a client gets for an answer of type ``media``; None where that goes on as it is."""
    request = a_request(fields=[] if accept is None else [("Accept", accept)])
    found = chosen(wishes(request, offered), request, an_answer(media))
    return None if found is None else found[1].media


@pytest.mark.parametrize(
    ("accept", "media", "expected"),
    [
        # Who names nothing gets nothing else than there is.
        (None, JSON, None),
        ("", JSON, None),
        ("*/*", JSON, None),
        ("text/*", JSON, None),
        ("application/*", SSE, None),
        (BROWSER, JSON, None),
        (BROWSER, SSE, None),
        ("application/json, text/plain, */*", SSE, None),
        # Who names a format gets it.
        (NDJSON, SSE, NDJSON),
        (NDJSON, JSON, NDJSON),
        (SSE, JSON, SSE),
        (SSE, NDJSON, SSE),
        (CSV, JSON, CSV),
        (CSV, NDJSON, CSV),
        ("application/jsonl", JSON, "application/jsonl"),
        ("application/jsonl;q=0.5, application/x-ndjson;q=0.7", JSON, NDJSON),
        (f"{NDJSON}, */*;q=0.1", SSE, NDJSON),
        # The upstream's own type wins where it is as good.
        (f"{NDJSON}, */*", SSE, None),
        (f"{NDJSON}, {JSON}", JSON, None),
        (f"{NDJSON};q=0.5, {JSON};q=0.6", JSON, None),
        (f"{NDJSON};q=0.7, {JSON};q=0.6", JSON, NDJSON),
        (f"{NDJSON}, text/*;q=0.9", SSE, NDJSON),
        (f"{CSV}, text/*;q=0.9", JSON, CSV),
        (NDJSON, NDJSON, None),
        ("application/jsonl", NDJSON, None),
        (CSV, CSV, None),
        # Of several the most wanted that can be made, of equals the one that is offered first.
        (f"{CSV};q=0.8, {NDJSON};q=0.9", JSON, NDJSON),
        (f"{CSV}, {NDJSON}", JSON, NDJSON),
        (f"{CSV}, {NDJSON};q=0.2", SSE, NDJSON),
        (f"{CSV}, {SSE};q=0.2", NDJSON, CSV),
        # What cannot be made, is not offered or not wanted, is not made.
        (CSV, SSE, None),
        (f"{NDJSON};q=0", JSON, None),
        (f"{NDJSON};q=nonsense", JSON, None),
        (NDJSON, "text/html", None),
        (NDJSON, "application/problem+json", None),
    ],
)
def test_what_a_client_accepts_decides(accept: str | None, media: str, expected: str | None) -> None:
    """Proactive negotiation over what is offered and what the upstream has."""
    assert made(accept, media) == expected


def test_what_is_not_offered_is_not_made() -> None:
    """The route says what there is."""
    assert made(NDJSON, JSON, ("sse", "csv")) is None
    assert made(f"{CSV}, {NDJSON}", JSON, ("csv", "ndjson")) == CSV


def test_several_lines_of_accept_are_one_list() -> None:
    """RFC 9110 section 5.3."""
    request = a_request(fields=[("Accept", "text/html"), ("accept", NDJSON)])

    assert wishes(request, ("ndjson",)) == (Wish("ndjson", NDJSON, 1.0),)


@pytest.mark.parametrize("cache_control", ["no-transform", "max-age=0, No-Transform"])
def test_who_forbids_to_transform_is_obeyed(cache_control: str) -> None:
    """The client as well as the upstream (RFC 9111 sections 5.2.1.6 and 5.2.2.6)."""
    field = ("Cache-Control", cache_control)

    assert wishes(a_request(fields=[("Accept", NDJSON), field]), ("ndjson",)) == ()
    assert convertible(an_answer(JSON, field)) is None


@pytest.mark.parametrize(
    ("status", "fields", "expected"),
    [
        (200, [("Content-Type", "Application/JSON; charset=UTF-8")], "json"),
        (201, [("Content-Type", 'application/json;charset="utf-8"')], "json"),
        (200, [("Content-Type", JSON), ("Content-Encoding", "identity")], "json"),
        (200, [("Content-Type", JSON), ("Content-Encoding", "gzip")], None),
        (200, [("Content-Type", "application/json; charset=iso-8859-1")], None),
        (200, [("Content-Type", "text/plain")], None),
        (200, [], None),
        *[(status, [("Content-Type", JSON)], None) for status in (204, 205, 206, 301, 304, 400, 404, 500)],
    ],
)
def test_only_whole_plain_successful_answers_are_converted(status: int, fields: Fields, expected: str | None) -> None:
    """All others pass as they are."""
    assert convertible(ReplyHead(status, "", fields)) == expected


@pytest.mark.parametrize(
    ("declared", "media", "expected"),
    [
        ("ndjson", "text/plain", "ndjson"),
        ("ndjson", JSON, "ndjson"),
        ("openai", "application/octet-stream", "sse"),
        ("json", None, "json"),
        ("auto", "text/plain", None),
        ("sse", JSON, "json"),
        ("opaque", "text/plain", None),
        ("json", NDJSON, "ndjson"),
    ],
)
def test_what_a_route_declares_counts_where_the_type_says_nothing(
    declared: str, media: str | None, expected: str | None
) -> None:
    """`stream.format` says what a vague type does not; lines of JSON are often called JSON."""
    assert convertible(an_answer(media), declared) == expected


@pytest.mark.parametrize(
    ("accept", "offered", "asked"),
    [
        (NDJSON, ("ndjson",), f"{SSE}, {JSON}"),
        (CSV, ("csv",), f"{NDJSON}, {JSON}"),
        (f"{CSV};q=0.5", ("csv",), f"{NDJSON};q=0.5, {JSON};q=0.5"),
        (f"{NDJSON}, application/jsonl, */*;q=0.1", ("ndjson",), f"{SSE}, {JSON}, */*;q=0.1"),
        (f"{NDJSON}, {JSON};q=0.5", ("ndjson",), f"{SSE}, {JSON}"),
        (f"{NDJSON};q=0.5, {JSON}", ("ndjson",), f"{SSE};q=0.5, {JSON}"),
        (f"{SSE}, {CSV};q=0.125", ("csv", "sse"), f"{NDJSON}, {JSON}"),
        (f"{CSV}, application/problem+json;q=0.8", ("csv",), f"{NDJSON}, {JSON}, application/problem+json;q=0.8"),
    ],
)
def test_upstream_is_asked_for_what_can_be_converted(accept: str, offered: tuple[str, ...], asked: str) -> None:
    """As much as the client wants what is made of it, beside all else that the client named."""
    request = a_request(fields=[("Accept", accept)])

    assert accept_for(wishes(request, offered), request) == asked


@pytest.mark.parametrize(
    ("accept", "promise", "source", "made"),
    [
        ("text/event-stream;q=0.5, application/x-ndjson", "text/event-stream", "text/event-stream", None),
        ("application/x-ndjson;q=0.5, text/event-stream", "application/x-ndjson", "text/event-stream", "ndjson"),
        ("application/x-ndjson;q=0.5, text/event-stream", "application/x-ndjson", "application/x-ndjson", None),
    ],
)
def test_what_was_promised_is_made_and_nothing_else(accept: str, promise: str, source: str, made: str | None) -> None:
    """Behind an early head it no longer matters what the client would like more."""
    request, head = a_request(fields=[("Accept", accept)]), ReplyHead(200, "", [("Content-Type", source)])
    found = chosen(promised(wishes(request, ("ndjson",)), frozenset({promise})), request, head)

    assert (None if found is None else found[1].format) == made
