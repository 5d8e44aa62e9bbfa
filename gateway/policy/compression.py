"""Compress answers for clients that accept it, where a route turns it on, without holding anything back.

What may not be changed stays as it came: no-transform, parts, digests, signatures, what has a coding already.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway.config.model import Model
from gateway.config.problem import Unacceptable
from gateway.config.units import Size
from gateway.exchange.exchange import Exchange
from gateway.exchange.fields import remove_field, set_field
from gateway.exchange.message import Chunks, Fields, ReplyHead, RequestHead
from gateway.exchange.route import Compression, Route
from gateway.grammar.media_types import MediaPattern, essence, matcher
from gateway.policy.accept_encoding import preferred
from gateway.policy.content_coding import Coded, coder
from gateway.policy.hooks import Hooks

ACTS_ON = ("compression.codings", "compression.types", "compression.min_length")
"""The settings that decide what it does, as a route sees them."""

TYPES = (
    "text/*", "application/json", "application/*+json", "application/x-ndjson", "application/ndjson",
    "application/jsonl", "application/x-jsonlines", "application/json-seq", "application/xml", "application/*+xml",
    "application/javascript", "application/x-javascript", "application/yaml", "application/wasm", "image/svg+xml",
)  # fmt: skip
"""What is text, or shrinks like it; never what is compressed already."""

_BODILESS = frozenset({204, 205, 304})
_PART = 206
_MAY_NOT_CHANGE = frozenset(
    {"content-range", "content-md5", "digest", "content-digest", "repr-digest", "signature", "signature-input"}
)
"""Fields that would be wrong about a coded body, and that somebody checks (RFC 9530 section 2, RFC 9421)."""
_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_TAGS = re.compile(r'(?:W/)?"[^"]*"')


def _once(values: tuple[str, ...]) -> tuple[str, ...]:
    for at, value in enumerate(values):
        if value in values[:at]:
            raise Unacceptable(message=f'names "{value}" twice')
    return values


class CompressionSettings(Model):
    """Which answers are compressed on their way to the client. Without `codings`, none."""

    codings: Annotated[tuple[Literal["zstd", "gzip"], ...], AfterValidator(_once)] = Field(
        default=(), examples=[["zstd", "gzip"]]
    )
    """Content codings that clients are offered, the preferred one first: "zstd", "gzip". Array. Default empty: bodies
    pass as they are. The upstream is then asked for plain ones. Where an answer holds a secret beside what a stranger
    can choose, its compressed length can betray the secret to who sees the traffic (BREACH)."""
    types: tuple[MediaPattern, ...] = Field(
        default=TYPES, min_length=1, examples=[["text/event-stream", "text/csv", "application/json"]]
    )
    """Media types to compress: "text/csv", "text/*", "application/*+json". Array. Default: text in all forms, event
    streams too."""
    min_length: Size = 1024
    """Octets that a body must have, where its length is known. Size. Default "1KiB"."""

    def compiled(self) -> dict[str, object]:
        """Return the fields of a `Route` that follow from these settings."""
        return {"compression": Compression(self.codings, self.types, self.min_length)}


def hooks(route: Route) -> Hooks:
    """Code bodies of the route's types, and tell caches that it depends on the client."""
    rule = route.compression
    if not rule.codings:
        return Hooks()
    compressible = matcher(rule.types)
    coders = {coding: coder(coding) for coding in rule.codings}

    def stage(exchange: Exchange, chunks: Chunks) -> Chunks:
        request, head = exchange.request, exchange.attempts[-1].head if exchange.attempts else None
        # A head that went out early can no longer name a coding; an HTTP/1.0 client could not tell a body that was cut.
        if head is None or exchange.early or request.version < (1, 1):
            return chunks
        if not compressible(essence(head.first("content-type"))) or not may_be_coded(request, head, rule.min_length):
            return chunks
        coding = preferred(_values(request.fields, "accept-encoding"), rule.codings)
        if coding is None:
            return chunks
        name_coding(head, coding)
        if request.method == "HEAD":
            return chunks
        made = coders[coding]()
        wire = exchange.wire
        if wire is not None:
            inner, encode = wire.encode, made.encode
            wire.encode = lambda octets: encode(inner(octets))
        return Coded(exchange, chunks, made)

    def commit(exchange: Exchange, head: ReplyHead) -> None:
        if head.status == 304:
            keep_tag(exchange.request, head)
        elif not compressible(essence(head.first("content-type"))):
            return
        add_vary(head.fields)

    return Hooks(stage=stage, commit=commit)


def may_be_coded(request: RequestHead, head: ReplyHead, min_length: int) -> bool:
    """Say whether nothing in the heads forbids to code the body, and it is not known to be smaller than wanted."""
    if head.status in _BODILESS or head.status == _PART or head.status < 200:
        return False
    if any(_says_no_transform(value) for value in _values(request.fields, "cache-control")):
        return False
    tags = 0
    for name, value in head.fields:
        lower = name.lower()
        if lower in _MAY_NOT_CHANGE:
            return False
        if lower == "cache-control" and _says_no_transform(value):
            return False
        if lower == "content-encoding" and value.strip(" \t").lower() not in ("", "identity"):
            return False
        if lower == "content-type" and value.lstrip(" \t").lower().startswith("multipart/"):
            return False
        if lower == "content-length" and int(value) < max(1, min_length):
            return False
        if lower == "etag":
            tags += 1
            if tags > 1 or not _ENTITY_TAG.fullmatch(value):
                return False
    return True


def name_coding(head: ReplyHead, coding: str) -> None:
    """Make ``head`` that of the coded body: other octets, of unknown length, in no parts, for a weak validator only."""
    set_field(head.fields, "Content-Encoding", coding)
    for gone in ("content-length", "accept-ranges"):
        remove_field(head.fields, gone)
    tag = head.first("etag")
    if tag is not None and not tag.startswith("W/"):
        set_field(head.fields, "ETag", f"W/{tag}")  # Not the same octets for all (RFC 9110 section 8.8.3.3).


def keep_tag(request: RequestHead, head: ReplyHead) -> None:
    """Let a 304 name the validator as the client knows it: a cache does not match a weak one with a strong one.

    RFC 9111 section 4.3.4.
    """
    tag = head.first("etag")
    if tag is None or tag.startswith("W/"):
        return
    known = [each for value in _values(request.fields, "if-none-match") for each in _TAGS.findall(value)]
    if f"W/{tag}" in known and tag not in known:
        set_field(head.fields, "ETag", f"W/{tag}")


def add_vary(fields: Fields) -> None:
    """Let Vary name Accept-Encoding, in one line: too many readers know only the first or the last one."""
    values = [value for value in _values(fields, "vary") if value.strip(" \t")]
    names = {name.strip(" \t").lower() for value in values for name in value.split(",")}
    if not names & {"*", "accept-encoding"}:
        set_field(fields, "Vary", ", ".join([*values, "Accept-Encoding"]))


def _says_no_transform(value: str) -> bool:
    return any(part.partition("=")[0].strip(" \t").lower() == "no-transform" for part in value.split(","))


def _values(fields: Fields, name: str) -> list[str]:
    return [value for field, value in fields if field.lower() == name]
