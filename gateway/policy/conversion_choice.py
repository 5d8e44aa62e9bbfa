"""Which conversion a client asked for (RFC 9110 section 12.5.1), and how the upstream is then asked for its own format.

A client asks by naming a format's media type: ranges such as ``*/*``, and no Accept at all, ask for nothing.
"""

import math
from dataclasses import dataclass, replace

from gateway.exchange.accept import media_ranges, quality
from gateway.exchange.message import Fields, ReplyHead, RequestHead
from gateway.formats.conversion.converter import SOURCES
from gateway.formats.media_types import CSV, JSON, NDJSON, SSE, VAGUE

MEDIA_TYPES = {"ndjson": NDJSON, "sse": SSE, "csv": CSV[:1], "json": JSON}
"""Media types of each format, the one we would ask for first."""

_FORMATS = {media: name for name, types in MEDIA_TYPES.items() for media in types}
_SEEN_AS = {"openai": "sse", "anthropic": "sse"}
_PLAIN_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii"})
_WITHOUT_FULL_CONTENT = frozenset({204, 205, 206})


@dataclass(frozen=True, slots=True)
class Wish:
    """One format that a client named and its route offers."""

    format: str
    media: str
    """By which of its names."""
    quality: float


def sources_of(format: str) -> tuple[str, ...]:
    """Return the formats from which ``format`` can be made."""
    return SOURCES[format]


def wishes(request: RequestHead, offered: tuple[str, ...]) -> tuple[Wish, ...]:
    """Return what the client asks for of what is ``offered``, the most wanted first; of equals the one offered first.

    Nothing for a client that forbids transformations (RFC 9111 section 5.2.1.6).
    """
    accept = joined(request.fields, "accept")
    if not accept or forbids(request.fields):
        return ()
    ranges = media_ranges(accept)
    named = [
        max((Wish(name, media, ranges.get(media, 0.0)) for media in MEDIA_TYPES[name]), key=lambda wish: wish.quality)
        for name in offered
    ]
    return tuple(sorted((wish for wish in named if wish.quality > 0), key=lambda wish: -wish.quality))


def promised(wished: tuple[Wish, ...], media_types: frozenset[str]) -> tuple[Wish, ...]:
    """Return the wishes for what a client was promised already (``media_types``), above all that it may like more."""
    return tuple(replace(wish, quality=math.inf) for wish in wished if wish.media in media_types)


def chosen(
    wished: tuple[Wish, ...], request: RequestHead, head: ReplyHead, declared: str | None = None
) -> tuple[str, Wish] | None:
    """Return the format of the upstream's answer and what to make of it; None where it goes on as it is.

    ``declared`` is the format that the route says its answers have, if it says one.
    """
    source = convertible(head, declared)
    if source is None:
        return None
    own = quality(media_ranges(joined(request.fields, "accept")), media_type(head))
    for wish in wished:
        if wish.format == source or wish.quality <= own:
            return None
        if source in SOURCES[wish.format]:
            return source, wish
    return None


def convertible(head: ReplyHead, declared: str | None = None) -> str | None:
    """Return the format of an answer that may be converted: whole, successful, plain, and not forbidden."""
    if not 200 <= head.status < 300 or head.status in _WITHOUT_FULL_CONTENT or forbids(head.fields):
        return None
    if (head.first("content-encoding") or "identity").strip().lower() != "identity":
        return None
    _, *parameters = (part.strip().lower() for part in (head.first("content-type") or "").split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "charset" and value.strip('"') not in _PLAIN_CHARSETS:
            return None
    return _format(media_type(head), declared)


def source_called(format: str) -> str:
    """Return what a conversion calls a stream's ``format``: the events of every API are SSE."""
    return _SEEN_AS.get(format, format)


def _format(media: str, declared: str | None) -> str | None:
    found = _FORMATS.get(media)
    if declared is None or declared == "auto":
        return found
    declared = source_called(declared)
    # Lines of JSON are often called JSON.
    trusted = media in VAGUE or (found == "json" and declared == "ndjson")
    return declared if trusted and declared in MEDIA_TYPES else found


def accept_for(wished: tuple[Wish, ...], request: RequestHead) -> str:
    """Return the Accept for the upstream: what the wishes can be made from, and what else the client named."""
    asked: dict[str, float] = {}
    for wish in wished:
        for source in SOURCES[wish.format]:
            media = MEDIA_TYPES[source][0]
            asked[media] = max(asked.get(media, 0.0), wish.quality)
    made = {media for wish in wished for media in MEDIA_TYPES[wish.format]}
    for media, wanted in media_ranges(joined(request.fields, "accept")).items():
        if media and (media in asked or media not in made):
            asked[media] = max(asked.get(media, 0.0), wanted)
    return ", ".join(media if wanted == 1 else f"{media};q={wanted:.3g}" for media, wanted in asked.items())


def media_type(head: ReplyHead) -> str:
    """Return the media type of an answer in lower case, without its parameters."""
    return (head.first("content-type") or "").partition(";")[0].strip().lower()


def joined(fields: Fields, name: str) -> str:
    """Return the list that all lines called ``name`` (lower case) make together."""
    return ", ".join(value for field, value in fields if field.lower() == name)


def forbids(fields: Fields) -> bool:
    """Say whether Cache-Control forbids to change the content (RFC 9110 section 7.7)."""
    directives = joined(fields, "cache-control").lower().split(",")
    return any(directive.strip() == "no-transform" for directive in directives)
