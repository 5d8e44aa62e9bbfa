"""Ended exchanges with a trace, and messages of spans read back."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.exchange.trace import Trace
from gateway.observe.record import Record, Try
from gateway.tracing.ended import Asked, Ended
from support.otlp_receiver import Seen
from support.records import a_record

TRACE = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7", True, "a=1")


def an_ended(
    number: int = 0, *, trace: Trace = TRACE, stalls: tuple[tuple[float, float], ...] = (), **members: object
) -> Ended:
    """Return an ended exchange whose record has ``members``, with a span id for each of its tries."""
    record: Record = a_record(number, **members)
    begun = sorted(each.started_ms for each in record.tries)
    asked = tuple(
        Asked(f"{at + 1:016x}", "127.0.0.1", 9000, begun.index(each.started_ms)) for at, each in enumerate(record.tries)
    )
    return Ended(record, trace, asked, "http", "api.example.com:8080", (1, 1), stalls)


def a_try(
    started_ms: float, ended_ms: float | None, status: int | None = None, failure: str | None = None, **more: object
) -> Try:
    """Return an attempt."""
    made = Try("http://127.0.0.1:9000", started_ms, ended_ms, status, failure, None, False, False)
    return made._replace(**more)  # type: ignore[arg-type]


def decoded(message: bytes) -> list[Seen]:
    """Return the spans in a message."""
    groups = ExportTraceServiceRequest.FromString(message).resource_spans
    return [Seen(span, {}) for group in groups for scope in group.scope_spans for span in scope.spans]
