"""Spans as the octets of OTLP: one message for a batch. `opentelemetry-proto` has the messages; nothing else of theirs.

The SDK is not used: it makes a batch in one go, which holds up all streams for as long, and takes settings from the
environment.
"""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message

from gateway import __version__
from gateway.exchange.trace import Trace
from gateway.tracing.ended import Ended
from gateway.tracing.spans import Attributes, Span, Value, spans_of

CONTENT_TYPE = "application/x-protobuf"
_SCHEMA = "https://opentelemetry.io/schemas/1.40.0"
_SAMPLED, _REMOTENESS_KNOWN, _REMOTE = 0x001, 0x100, 0x200


class Batch:
    """A message under construction."""

    def __init__(self, resource: tuple[tuple[str, str], ...]) -> None:
        self._scope = ScopeSpans(scope=InstrumentationScope(name="slowgate", version=__version__), schema_url=_SCHEMA)
        self._resource = Resource(attributes=_key_values(dict(resource)))

    def add(self, ended: Ended) -> None:
        """Add the spans of an exchange."""
        self._scope.spans.extend([_message(span, ended.trace) for span in spans_of(ended)])

    def octets(self) -> bytes:
        """Return the message."""
        spans = ResourceSpans(resource=self._resource, scope_spans=[self._scope], schema_url=_SCHEMA)
        octets: bytes = ExportTraceServiceRequest(resource_spans=[spans]).SerializeToString()
        return octets


def refused_spans(answer: bytes) -> tuple[int, str]:
    """Return how many spans a receiver says that it did not take, and why; 0 for an answer that cannot be read."""
    response = ExportTraceServiceResponse()
    try:
        response.ParseFromString(answer)
    except Exception:  # Whatever the decoder makes of octets of somebody else.
        return 0, ""
    return max(0, response.partial_success.rejected_spans), response.partial_success.error_message[:200]


def _message(span: Span, trace: Trace) -> Message:
    flags = _REMOTENESS_KNOWN | (_SAMPLED if trace.sampled else 0) | (_REMOTE if span.remote_parent else 0)
    message = Message(
        trace_id=bytes.fromhex(trace.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=b"" if span.parent_id is None else bytes.fromhex(span.parent_id),
        trace_state=trace.state,
        name=_text(span.name),
        kind=Message.SPAN_KIND_SERVER if span.server else Message.SPAN_KIND_CLIENT,
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        attributes=_key_values(span.attributes),
        events=[
            Message.Event(name=event.name, time_unix_nano=event.at_ns, attributes=_key_values(event.attributes))
            for event in span.events
        ],
        flags=flags,
    )
    if span.fault is not None:
        message.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=_text(span.fault)))
    return message


def _key_values(attributes: Attributes | dict[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in attributes.items()]


def _value(value: Value) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=_text(value))
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(double_value=value)


def _text(text: str) -> str:
    """Return ``text`` as it can be sent: protobuf has no lone surrogates."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
