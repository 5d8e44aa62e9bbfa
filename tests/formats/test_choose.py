"""Which format watches a reply, and which replies cannot be watched."""

import pytest

from gateway.exchange.message import ReplyHead
from gateway.formats.choose import choose
from gateway.formats.coded import Coded


def head(media_type: str | None, status: int = 200, *codings: str) -> ReplyHead:
    """Return a reply's head."""
    fields = [("content-Encoding", coding) for coding in codings]
    return ReplyHead(status, "", fields if media_type is None else [("Content-type", media_type), *fields])


@pytest.mark.parametrize(
    ("media_type", "format"),
    [
        ("text/event-stream", "sse"),
        ("Text/Event-Stream; charset=utf-8", "sse"),
        ("application/x-ndjson", "ndjson"),
        ("application/ndjson", "ndjson"),
        ("application/jsonl", "ndjson"),
        ("application/x-jsonlines", "ndjson"),
        ("application/jsonlines", "ndjson"),
        ("application/stream+json", "ndjson"),
        ("application/json", "json"),
        ("application/problem+json;x=y", "json"),
        ("text/csv; header=present", "csv"),
        ("application/json-seq", "opaque"),
        ("text/html", "opaque"),
        ("", "opaque"),
        (None, "opaque"),
    ],
)
def test_auto_goes_by_the_media_type(media_type: str | None, format: str) -> None:
    """What no format knows is opaque, not unwatched."""
    found = choose("auto", head(media_type))
    assert not isinstance(found, str)
    assert found.marks.format == format


@pytest.mark.parametrize(
    ("name", "media_type", "found"),
    [
        ("sse", "text/event-stream", "sse"),
        ("sse", "text/plain", "sse"),
        ("sse", None, "sse"),
        ("sse", "application/json", "Content-Type is application/json"),
        ("ndjson", "application/json", "ndjson"),
        ("ndjson", "text/csv", "Content-Type is text/csv"),
        ("json", "application/hal+json", "json"),
        ("json", "application/octet-stream", "json"),
        ("json", "application/x-ndjson", "Content-Type is application/x-ndjson"),
        ("json", "text/html; charset=utf-8", "Content-Type is text/html"),
        ("csv", "application/csv", "csv"),
        ("csv", "text/html", "Content-Type is text/html"),
        ("opaque", "text/html", "opaque"),
        ("openai", "text/event-stream", "openai"),
        ("openai", "application/json", "json"),
        ("openai", None, "Content-Type is missing"),
        ("openai", "text/plain", "Content-Type is text/plain"),
        ("anthropic", "text/event-stream", "anthropic"),
        ("anthropic", "application/json", "json"),
        ("anthropic", "text/html", "Content-Type is text/html"),
    ],
)
def test_named_format_is_used_unless_the_media_type_says_otherwise(
    name: str, media_type: str | None, found: str
) -> None:
    """An HTML page where JSON should be is not malformed JSON: it is something else."""
    chosen = choose(name, head(media_type))
    assert (chosen if isinstance(chosen, str) else chosen.marks.format) == found


@pytest.mark.parametrize("status", [100, 204, 205, 206, 304, 400, 500])
def test_reply_that_is_no_whole_answer_is_not_watched(status: int) -> None:
    """Errors tell themselves by their status, and a part of a body ends where it likes."""
    assert choose("json", head("application/json", status)) == f"the status is {status}"


@pytest.mark.parametrize("status", [200, 201, 203, 226])
def test_successful_reply_is_watched(status: int) -> None:
    """All of 2xx that bring a whole body."""
    assert not isinstance(choose("json", head("application/json", status)), str)


@pytest.mark.parametrize("codings", [("gzip",), ("x-gzip",), ("Deflate",), ("identity, GZIP",), ("", "gzip")])
def test_coded_body_is_decoded_on_the_side(codings: tuple[str, ...]) -> None:
    """A content coding is looked through."""
    assert isinstance(choose("auto", head("text/event-stream", 200, *codings)), Coded)


@pytest.mark.parametrize(
    ("codings", "reason"),
    [(("br",), "br"), (("gzip, br",), "gzip, br"), (("gzip", "GZIP"), "gzip, gzip"), (("secret",), "secret")],
)
def test_body_in_a_coding_that_cannot_be_read_here_is_not_watched(codings: tuple[str, ...], reason: str) -> None:
    """Nothing is claimed of what cannot be seen."""
    assert choose("auto", head("text/event-stream", 200, *codings)) == f"Content-Encoding is {reason}"


@pytest.mark.parametrize("coding", ["identity", "", " "])
def test_body_without_a_coding_is_watched_as_it_is(coding: str) -> None:
    """``identity`` is no coding."""
    assert not isinstance(choose("auto", head("text/csv", 200, coding)), Coded | str)


def test_opaque_body_is_never_decoded() -> None:
    """Where only octets are counted, those that pass are."""
    assert not isinstance(choose("auto", head("text/html", 200, "br")), Coded | str)
