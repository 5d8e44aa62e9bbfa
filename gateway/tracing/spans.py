"""Spans made of an ended exchange: one for itself, one for each of its attempts. Pure; docs/tracing.md has the names.

They follow the semantic conventions for HTTP (stable) and for generative AI; what only we know is ``slowgate.*``.
"""

from collections.abc import Iterator
from typing import NamedTuple

from gateway.exchange.failure import KINDS, SUPERSEDED, Side
from gateway.exchange.outcome import Outcome
from gateway.observe.record import Record, Try
from gateway.tracing.ended import Asked, Ended

Value = str | int | float | bool
Attributes = dict[str, Value]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"})
_FAULTS = frozenset(each.value for each in (Outcome.FAILED, Outcome.TRUNCATED, Outcome.TIMED_OUT, Outcome.BROKEN))
_NOT_OF_THE_ATTEMPT = frozenset(kind.code for kind in KINDS if kind is SUPERSEDED or kind.side is Side.DOWNSTREAM)
"""Failures that ended an attempt and say nothing against it."""
_GEN_AI_FORMATS = frozenset({"openai", "anthropic"})
_OPERATIONS = (
    ("/chat/completions", "chat"),
    ("/completions", "text_completion"),
    ("/messages", "chat"),
    ("/responses", "chat"),
)
"""What an API is asked for, by the end of its path."""
_ALWAYS = ("outcome", "failure", "side", "route", "upstream", "principal", "auth", "hedged", "drained", "format",
           "flaw", "not_retried", "queued_ms", "longest_gap_ms", "first_byte_ms", "first_frame_ms", "early_ms",
           "chunks", "frames", "upstream_request_id")  # fmt: skip
"""Members of a record that become attributes of the same name where they tell something."""


class Event(NamedTuple):
    """Something that happened within a span."""

    name: str
    at_ns: int
    attributes: Attributes


class Span(NamedTuple):
    """One span. Times are nanoseconds since 1970 (UTC)."""

    name: str
    server: bool
    """Whether it is what we did for a client; else what we asked of an upstream."""
    span_id: str
    parent_id: str | None
    remote_parent: bool
    start_ns: int
    end_ns: int
    attributes: Attributes
    events: tuple[Event, ...]
    fault: str | None
    """What went wrong, in words; None where the span is no error."""


def spans_of(ended: Ended) -> list[Span]:
    """Return the spans of an exchange, its own one first."""
    record = ended.record
    clock = _Clock(record)
    tries = zip(record.tries, ended.asked, strict=True)
    last = len(record.tries) - 1
    return [
        _own(ended, clock),
        *(_of_try(ended, each, asked, clock, i == last) for i, (each, asked) in enumerate(tries)),
    ]


class _Clock:
    """Tells when something was that a record knows in milliseconds since the exchange began."""

    def __init__(self, record: Record) -> None:
        self.total_ms = record.total_ms or 0.0
        self._start_ns = round(record.time * 1e9) - round(self.total_ms * 1e6)

    def at(self, milliseconds: float) -> int:
        return self._start_ns + round(milliseconds * 1e6)


def _own(ended: Ended, clock: _Clock) -> Span:
    record, trace = ended.record, ended.trace
    path, mark, query = record.target.partition("?")
    host, port = _host_and_port(ended.authority)
    attributes = _method(record.method)
    attributes |= {"url.path": path, "url.scheme": ended.scheme, "network.protocol.version": _version(ended.version)}
    if mark:
        attributes["url.query"] = query
    if record.route is not None:
        attributes["http.route"] = record.route
    if record.peer:
        attributes |= {"client.address": record.peer, "network.peer.address": record.peer}
    if host:
        attributes["server.address"] = host
    if port:
        attributes["server.port"] = port
    if record.status is not None:
        attributes["http.response.status_code"] = record.status
    attributes |= {"http.request.body.size": record.bytes_up, "http.response.body.size": record.bytes_down}
    attributes |= {"slowgate.id": record.id, "slowgate.attempts": len(record.tries), "slowgate.stalls": record.stalls}
    for name in _ALWAYS:
        value = getattr(record, name)
        if value is not None:
            attributes[f"slowgate.{name}"] = value
    fault = _fault(record)
    if fault is not None:
        attributes["error.type"] = record.failure or "_OTHER"
    name = _span_method(record.method)
    return Span(
        name=name if record.route is None else f"{name} {record.route}",
        server=True,
        span_id=trace.span_id,
        parent_id=trace.parent_id,
        remote_parent=trace.parent_id is not None,
        start_ns=clock.at(0),
        end_ns=clock.at(clock.total_ms),
        attributes=attributes,
        events=tuple(sorted(_events(ended, clock), key=lambda event: event.at_ns)),
        fault=fault,
    )


def _fault(record: Record) -> str | None:
    """Return what went wrong where it was the upstream's fault or ours, as in the levels of the log."""
    if record.outcome not in _FAULTS:
        return None
    return f"{record.failure}: {record.detail}" if record.detail else record.failure or record.outcome


def _events(ended: Ended, clock: _Clock) -> Iterator[Event]:
    record = ended.record
    moments = (("head", record.head_ms), ("first_byte", record.first_byte_ms), ("first_frame", record.first_frame_ms))
    for name, at_ms in moments:
        if at_ms is not None:
            yield Event(f"slowgate.{name}", clock.at(at_ms), {})
    for at_ms, milliseconds in ended.stalls:
        yield Event("slowgate.stall", clock.at(at_ms), {"slowgate.gap_ms": round(milliseconds, 1)})
    for asked, each in zip(ended.asked, record.tries, strict=True):
        if asked.resends:
            name = "slowgate.hedge" if each.hedging else "slowgate.retry"
            attributes: Attributes = {"slowgate.endpoint": each.endpoint, "http.request.resend_count": asked.resends}
            if not each.hedging:
                attributes["slowgate.after"] = next(
                    (t.end for a, t in zip(ended.asked, record.tries, strict=True) if a.resends == asked.resends - 1),
                    "-",
                )
            yield Event(name, clock.at(each.started_ms), attributes)


def _of_try(ended: Ended, each: Try, asked: Asked, clock: _Clock, last: bool) -> Span:
    """Return the span of an attempt. That of the one that counts lasts as long as its answer did."""
    record = ended.record
    counts = last and each.failure is None
    end_ms = clock.total_ms if counts or each.ended_ms is None else each.ended_ms
    attributes = _method(record.method)
    attributes |= {"slowgate.endpoint": each.endpoint, "server.address": asked.host, "network.protocol.name": "http"}
    if asked.port:
        attributes["server.port"] = asked.port
    else:
        attributes["network.transport"] = "unix"
    if each.status is not None:
        attributes["http.response.status_code"] = each.status
    if asked.resends:
        attributes["http.request.resend_count"] = asked.resends
    attributes |= {"slowgate.reused": each.reused, "slowgate.hedging": each.hedging}
    if record.upstream is not None:
        attributes["slowgate.upstream"] = record.upstream
    failure, detail = each.failure, each.detail
    if counts and record.side == Side.UPSTREAM.value:
        failure, detail = record.failure, record.detail
    if failure is not None:
        attributes["slowgate.failure"] = failure
    fault = error = None
    if failure is not None and failure not in _NOT_OF_THE_ATTEMPT:
        fault, error = f"{failure}: {detail}" if detail else failure, failure
    elif failure is None and each.status is not None and each.status >= 400:
        fault = error = str(each.status)
    if error is not None:
        attributes["error.type"] = error
    if counts:
        attributes |= _gen_ai(record)
    return Span(
        name=_span_method(record.method),
        server=False,
        span_id=asked.span_id,
        parent_id=ended.trace.span_id,
        remote_parent=False,
        start_ns=clock.at(each.started_ms),
        end_ns=clock.at(max(end_ms, each.started_ms)),
        attributes=attributes,
        events=(),
        fault=fault,
    )


def _gen_ai(record: Record) -> Attributes:
    """Return what the conventions for generative AI know, where the answer told what it cost."""
    if not record.has_usage or record.format not in _GEN_AI_FORMATS:
        return {}
    attributes: Attributes = {"gen_ai.provider.name": record.format}
    path = record.target.partition("?")[0]
    operation = next((name for end, name in _OPERATIONS if path.endswith(end)), None)
    if operation is not None:
        attributes["gen_ai.operation.name"] = operation
    if record.prompt_tokens is not None:
        attributes["gen_ai.usage.input_tokens"] = record.prompt_tokens
    if record.completion_tokens is not None:
        attributes["gen_ai.usage.output_tokens"] = record.completion_tokens
    return attributes


def _method(method: str) -> Attributes:
    if method in _METHODS:
        return {"http.request.method": method}
    return {"http.request.method": "_OTHER", "http.request.method_original": method}


def _span_method(method: str) -> str:
    return method if method in _METHODS else "HTTP"


def _version(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}" if version[0] < 2 else str(version[0])


def _host_and_port(authority: str) -> tuple[str, int]:
    """Return host and port of a Host field, which may be anything; 0 where it has no port that could be one."""
    host, colon, port = authority.rpartition(":")
    if not colon or "]" in port:
        return authority.strip("[]"), 0
    number = int(port) if port.isascii() and port.isdecimal() and len(port) <= 5 else 0
    return host.strip("[]"), number
