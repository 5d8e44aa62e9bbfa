"""The record of an exchange: all that is told of it when it has ended, as one value.

It is made once, in `finish`, from an exchange that will be forgotten; the log line and the rows of the store are made
from it. It holds no body, no field of a message but the upstream's request id, and no value of a query's parameter.
"""

from typing import NamedTuple

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.marks import Usage
from gateway.exchange.message import Source
from gateway.observe.masking import without_secrets

MAX_DETAIL_CHARACTERS = 1024
_MAX_NAME_CHARACTERS = 64
_MAX_FOREIGN_ID_CHARACTERS = 128
_NO_USAGE = Usage()


class Try(NamedTuple):
    """One attempt. Times are milliseconds since the exchange began."""

    endpoint: str
    started_ms: float
    ended_ms: float | None
    """When its head, or its failure, was there."""
    status: int | None
    failure: str | None
    detail: str | None
    reused: bool
    hedging: bool

    @property
    def end(self) -> str:
        """How it ended, as one word."""
        return self.failure if self.failure is not None else str(self.status)


class Record(NamedTuple):
    """What is told of an ended exchange. Times are milliseconds since its start, None for what did not happen."""

    time: float
    """Its end in seconds since 1970 (UTC)."""
    id: str
    route: str | None
    upstream: str | None
    endpoint: str | None
    """Of the attempt that counted."""
    method: str
    target: str
    """As it came, without the values of its parameters."""
    status: int | None
    outcome: str | None
    failure: str | None
    side: str | None
    """Who caused the failure: ``downstream``, ``gateway`` or ``upstream``."""
    detail: str | None
    principal: str | None
    """Who asked; None where the route does not ask."""
    auth: str | None
    """How that was found out: ``key``, ``jwt`` and so on."""
    queued_ms: float | None
    priority: str | None
    head_ms: float | None
    first_byte_ms: float | None
    longest_gap_ms: float
    total_ms: float | None
    bytes_down: int
    bytes_plain: int | None
    bytes_up: int
    chunks: int
    tries: tuple[Try, ...]
    not_retried: str | None
    hedged: str | None
    peer: str
    format: str | None
    """None where nobody watched the stream; so are ``frames`` and the tokens then."""
    frames: int | None
    first_frame_ms: float | None
    """When the first meaningful frame was there."""
    stalls: int
    flaw: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    unwatched: str | None
    early_ms: float | None
    pings: int
    drained: str | None
    drained_bytes: int
    upstream_request_id: str | None
    trace_id: str | None = None
    """The trace it belongs to; None where nothing is traced."""
    converted: str | None = None
    """The media type that the upstream's answer was made into; None where it went on as it came."""

    @property
    def has_usage(self) -> bool:
        """Whether the stream told what it cost."""
        return not self.prompt_tokens is self.completion_tokens is self.total_tokens is None


def record_of(exchange: Exchange, wall_clock: float) -> Record:
    """Return the record of an ended exchange; ``wall_clock`` is its end in seconds since 1970 (UTC)."""
    route, failure, marks = exchange.route, exchange.failure, exchange.marks
    usage = (marks.usage if marks is not None else None) or _NO_USAGE
    queued = exchange.queued_seconds
    tries = tuple([_try(exchange, attempt) for attempt in exchange.attempts])
    return Record(
        time=wall_clock,
        id=exchange.id,
        route=route.name if route else None,
        upstream=route.upstream.name if route else None,
        endpoint=tries[-1].endpoint if tries else None,
        method=exchange.request.method[:_MAX_NAME_CHARACTERS],
        target=without_secrets(exchange.request.target),
        status=exchange.status,
        outcome=exchange.outcome.value if exchange.outcome else None,
        failure=failure.kind.code if failure else None,
        side=failure.kind.side.value if failure else None,
        detail=failure.detail[:MAX_DETAIL_CHARACTERS] or None if failure else None,
        principal=exchange.identity.principal if exchange.identity is not None else None,
        auth=exchange.identity.method if exchange.identity is not None else None,
        queued_ms=None if queued is None else round(queued * 1000, 1),
        priority=route.priority if route is not None and queued is not None else None,
        head_ms=_since_start(exchange, exchange.head_at),
        first_byte_ms=_since_start(exchange, exchange.first_byte_at),
        longest_gap_ms=round(exchange.longest_gap_seconds * 1000, 1),
        total_ms=_since_start(exchange, exchange.finished_at),
        bytes_down=exchange.relayed_bytes,
        bytes_plain=exchange.plain_bytes,
        bytes_up=exchange.received_bytes,
        chunks=exchange.chunks,
        tries=tries,
        not_retried=exchange.not_retried,
        hedged=exchange.hedged,
        peer=exchange.request.peer,
        format=marks.format if marks is not None else None,
        frames=marks.frames if marks is not None else None,
        first_frame_ms=_since_start(exchange, exchange.first_frame_at),
        stalls=exchange.stalls,
        flaw=exchange.flaw[:MAX_DETAIL_CHARACTERS] if exchange.flaw is not None else None,
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        unwatched=exchange.unwatched[:MAX_DETAIL_CHARACTERS] if exchange.unwatched is not None else None,
        early_ms=_since_start(exchange, exchange.committed_at) if exchange.early else None,
        pings=exchange.pings,
        drained=exchange.drained,
        drained_bytes=exchange.drained_bytes,
        upstream_request_id=_upstream_request_id(exchange),
        trace_id=exchange.trace.trace_id if exchange.trace is not None else None,
        converted=exchange.converted,
    )


def _try(exchange: Exchange, attempt: Attempt) -> Try:
    failure = attempt.failure
    return Try(
        str(attempt.endpoint),
        round((attempt.started - exchange.started) * 1000, 1),
        _since_start(exchange, attempt.ended),
        attempt.status,
        failure.kind.code if failure is not None else None,
        failure.detail[:MAX_DETAIL_CHARACTERS] or None if failure is not None else None,
        attempt.reused,
        attempt.hedging,
    )


def _upstream_request_id(exchange: Exchange) -> str | None:
    """Return the id the upstream gave the exchange, if it is another than ours."""
    reply, route = exchange.reply, exchange.route
    if reply is None or route is None or reply.source is not Source.UPSTREAM:
        return None
    # An early head is ours; theirs came too late to go out.
    head = exchange.attempts[-1].head if exchange.early and exchange.attempts else None
    theirs = (head or reply.head).first(route.forwarding.request_id_header.lower())
    return theirs[:_MAX_FOREIGN_ID_CHARACTERS] if theirs is not None and theirs != exchange.id else None


def _since_start(exchange: Exchange, moment: float | None) -> float | None:
    return None if moment is None else round((moment - exchange.started) * 1000, 1)
