"""Formats that a client may ask for instead of the upstream's own, made while the answer streams."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from gateway.config.model import Model
from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import ANSWER_MALFORMED, ANSWER_UNFINISHED, IN_BAND_ERROR, Failure, FailureError
from gateway.exchange.fields import remove_field, set_field
from gateway.exchange.message import Chunks, Fields, ReplyHead
from gateway.exchange.promise import Promise
from gateway.exchange.route import Conversions, Route
from gateway.exchange.wire import Wire
from gateway.formats.conversion.converter import Converter, converter
from gateway.formats.conversion.fault import UnconvertibleError, Why
from gateway.grammar.columns import Column
from gateway.policy.conversion_choice import Wish, accept_for, chosen, joined, promised, wishes
from gateway.policy.hooks import Hooks

ACTS_ON = ("convert.to", "convert.columns")
"""The settings that decide what it does, as a route sees them."""

_KINDS = {Why.MALFORMED: ANSWER_MALFORMED, Why.UNFINISHED: ANSWER_UNFINISHED, Why.ERROR: IN_BAND_ERROR}
_OF_THE_SOURCE = (
    "accept-ranges",
    "content-digest",
    "content-length",
    "content-location",
    "content-md5",
    "digest",
    "etag",
    "last-modified",
    "repr-digest",
)
"""Fields of an answer that speak of octets, or of a representation, which the client does not get."""
_OF_A_KNOWN_ONE = ("if-modified-since", "if-none-match", "if-range", "range")
"""Fields of a request that speak of a representation which the client has: never one of ours, which have no
validators and no ranges."""


class ConvertSettings(Model):
    """What a client may ask for, by Accept, instead of the format in which the upstream answers."""

    to: tuple[Literal["ndjson", "sse", "csv"], ...] = Field(default=(), examples=[["ndjson", "csv"]])
    """Formats to offer, the preferred first: "ndjson" (made from SSE and JSON), "sse" (from NDJSON and JSON), "csv"
    (from NDJSON and JSON). Array. Default none. The upstream is then asked for a format that they can be made from."""
    columns: tuple[Column, ...] = Field(default=(), examples=[["id", "user.name"]])
    """The columns of CSV, in their order: members of each object, those of objects within it with dots between the
    names. Array. Default none; "csv" needs at least one."""

    def compiled(self) -> dict[str, object]:
        """Return the fields of a `Route` that follow from these settings."""
        return {"convert": Conversions(self.to, self.columns)}


class Converted:
    """A body in another format: each frame goes on the moment it is whole, half a frame never."""

    __slots__ = ("_chunks", "_converter")

    def __init__(self, chunks: Chunks, converter: Converter) -> None:
        self._chunks = chunks
        self._converter = converter

    def __iter__(self) -> Iterator[bytes]:
        """Yield for each chunk what it made whole, ``b""`` too: that the upstream sent something is no secret."""
        convert = self._converter.feed
        for chunk in self._chunks:
            try:
                made = convert(chunk)
            except UnconvertibleError as error:
                if error.before:
                    yield error.before
                raise _failure(error) from None
            yield made
        try:
            last = self._converter.end()
        except UnconvertibleError as error:
            if error.before:
                yield error.before
            raise _failure(error) from None
        if last:
            yield last

    def ready(self) -> bool:
        """See `Chunks`."""
        return self._chunks.ready()

    def close(self) -> None:
        """See `Chunks`."""
        self._chunks.close()


def wished(route: Route, exchange: Exchange) -> tuple[Wish, ...]:
    """Return the conversions that the exchange's client asks for; whose answer may then be in another format."""
    return wishes(exchange.request, route.convert.to) if route.convert.to else ()


def conversion(route: Route, exchange: Exchange, head: ReplyHead, promise: Promise | None) -> tuple[str, Wish] | None:
    """Return the format of the answer under ``head`` and what to make of it; None where it goes on as it is.

    Where an early head made a ``promise``, nothing else is made of it than what was promised.
    """
    wants = wished(route, exchange)
    if promise is not None:
        wants = promised(wants, promise.media_types)
    return chosen(wants, exchange.request, head, route.stream.format)


def hooks(route: Route) -> Hooks:
    """Ask for what can be converted, stand in the stream where it is, and tell caches what it depends on."""
    if not route.convert.to:
        return Hooks()

    def prepare(exchange: Exchange, attempt: Attempt) -> None:
        wants = wished(route, exchange)
        if wants:
            attempt.fields = asking(attempt.fields or [], accept_for(wants, exchange.request))

    def stage(exchange: Exchange, chunks: Chunks) -> Chunks:
        head = exchange.attempts[-1].head if exchange.attempts else None
        if head is None:
            return chunks
        found = conversion(route, exchange, head, exchange.promised)
        if found is None:
            return chunks
        source, wish = found
        exchange.converted = wish.media
        described(head.fields, wish.media)  # Not at the commit: what a client was promised is compared before.
        if exchange.request.method == "HEAD":
            return chunks
        exchange.wire = Wire(wish.format, _always)
        return Converted(chunks, converter(source, wish.format, route.convert.columns))

    return Hooks(prepare=prepare, stage=stage, commit=lambda exchange, head: varies(head.fields))


def asking(fields: Fields, accept: str) -> Fields:
    """Return a request's lines such that the answer can be converted: whole, without coding, as ``accept`` says."""
    asked = list(fields)
    for name in _OF_A_KNOWN_ONE:
        remove_field(asked, name)
    set_field(asked, "Accept", accept)
    set_field(asked, "Accept-Encoding", "identity")
    return asked


def described(fields: Fields, media: str) -> None:
    """Let the head of an answer speak of what the client gets."""
    for name in _OF_THE_SOURCE:
        remove_field(fields, name)
    set_field(fields, "Content-Type", f"{media}; charset=utf-8" if media == "text/csv" else media)


def varies(fields: Fields) -> None:
    """Tell caches that the answer depends on Accept (RFC 9110 section 12.5.5)."""
    listed = joined(fields, "vary")
    names = {name.strip().lower() for name in listed.split(",")}
    if not names & {"*", "accept"}:
        set_field(fields, "Vary", f"{listed}, Accept" if listed else "Accept")


def _failure(error: UnconvertibleError) -> FailureError:
    return FailureError(Failure(_KINDS[error.why], error.detail))


def _always() -> bool:
    return True
