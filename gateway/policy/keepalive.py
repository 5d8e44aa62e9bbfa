"""When the client is sent something although the upstream is silent, and what. Pure: relay has the timer.

A ping goes between two frames of the body. Before the upstream has answered there is no body yet: after `grace` a head
of ours can go out for it, where we know what the client expects. Its status is 200, whatever comes.
"""

import re

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.message import Fields, ReplyHead, RequestHead
from gateway.exchange.promise import Promise
from gateway.exchange.route import Route
from gateway.exchange.wire import Wire
from gateway.formats.asks_to_stream import AsksToStream as AsksToStream
from gateway.formats.ping import ping as ping
from gateway.policy.conversion_choice import MEDIA_TYPES
from gateway.policy.convert import conversion

_SSE = "text/event-stream"
_NDJSON = MEDIA_TYPES["ndjson"]
_CSV = "text/csv"
_STREAMS = {_SSE: "sse", **dict.fromkeys(_NDJSON, "ndjson"), _CSV: "csv"}
"""Formats by the media types that a client may ask for."""
_TYPES = {"sse": (_SSE,), "openai": (_SSE,), "anthropic": (_SSE,), "ndjson": _NDJSON, "json": ("application/json",)}
EARLY = frozenset({"auto", *_TYPES})
"""Formats of routes whose clients may get a head early."""
_ASKED_IN_THE_BODY = ("openai", "anthropic")
_PART_OR_NOTHING = frozenset(
    {"range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"}
)
"""Fields of requests that may rightly be answered with something else than the whole."""
_NOT_WANTED = re.compile(r"q=0(\.0*)?")
_WITHOUT_A_BODY_OF_ITS_OWN = (204, 206, 304)


def body_ping(exchange: Exchange) -> bytes:
    """Return the ping that may go out at this moment of a body, before its content coding; ``b""`` where none may.

    That the head is out, and a body without announced length follows it, the server knows. A body that the upstream
    has coded never stands between two frames; into one that the gateway codes pings go by way of its coder.
    """
    wire, reply, route = exchange.wire, exchange.reply, exchange.route
    if wire is None or reply is None or route is None:
        return b""
    if exchange.marks is not None and exchange.marks.terminal:
        return b""
    if reply.head.status in _WITHOUT_A_BODY_OF_ITS_OWN:
        return b""
    if wire.format == "json" and (exchange.relayed_bytes or route.stream.format != "json"):
        return b""
    return ping(wire.format) if wire.boundary() else b""


def promise(exchange: Exchange, asked: bool) -> tuple[ReplyHead, Promise] | None:
    """Return the head that can go out for an upstream that has not answered, and what it promises; None where we do
    not know what the client expects, or it expects more than such a head can say.

    ``asked`` says whether the request's body asks for a stream.
    """
    request, route = exchange.request, exchange.route
    if route is None or request.method in ("HEAD", "OPTIONS") or request.version < (1, 1):
        return None
    if any(name.lower() in _PART_OR_NOTHING for name, _ in request.fields) or _crosses_origins(request):
        return None
    if exchange.attempts and not _still_open(exchange):
        return None
    found = _expected(route.stream.format, _named(request), asked)
    if found is None:
        return None
    format, media_type = found
    fields: Fields = [("Content-Type", media_type), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")]
    promise = Promise(Wire(format, lambda: True), frozenset(_TYPES[format]))
    if exchange.attempts and not _fits(route, exchange, exchange.attempts[-1], promise):
        return None
    return ReplyHead(200, "OK", fields), promise


def _still_open(exchange: Exchange) -> bool:
    """Say whether the last attempt may still bring a good answer: a bad status that is known must not be lost."""
    last = exchange.attempts[-1]
    return last.ended is not None or last.status is None or 200 <= last.status < 300


def _fits(route: Route, exchange: Exchange, attempt: Attempt, promise: Promise) -> bool:
    """Say whether the head of an answer, where one is there and held back, would keep the promise."""
    head = attempt.head
    if head is None or attempt.ended is not None or promise.broken_by(head) is None:
        return True
    return conversion(route, exchange, head, promise) is not None


def _crosses_origins(request: RequestHead) -> bool:
    """Say whether a browser asks across origins: without the upstream's CORS fields it would not read the answer."""
    return request.first("origin") is not None and request.first("sec-fetch-site") != "same-origin"


def _expected(format: str | None, named: list[str], asked: bool) -> tuple[str, str] | None:
    """Return format and media type of the stream that the client counts on."""
    if format == "auto":
        # Who takes JSON, too, may get either: what it will be only the upstream knows.
        streams = () if "application/json" in named else named
        media_type = next((name for name in streams if name in _STREAMS), None)
        found = None if media_type is None else (_STREAMS[media_type], media_type)
        return None if found is None or found[0] not in _TYPES else found
    if format not in _TYPES or (format in _ASKED_IN_THE_BODY and not asked):
        return None
    own = _TYPES[format]
    if any(name in _STREAMS for name in named) and not any(name in own for name in named):
        return None  # It asks for a conversion, or for something that the route does not have.
    return format, next((name for name in named if name in own), own[0])


def _named(request: RequestHead) -> list[str]:
    """Return the media types that the Accept fields name, in order, without those that are refused (q=0)."""
    named = []
    for field, value in request.fields:
        if field.lower() == "accept":
            for member in value.lower().split(","):
                media_type, *parameters = (part.strip(" \t") for part in member.split(";"))
                if not any(_NOT_WANTED.fullmatch(each) for each in parameters):
                    named.append(media_type)
    return named
