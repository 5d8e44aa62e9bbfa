"""Spans as the octets of OTLP: one message for a batch. `opentelemetry-proto` has the messages; nothing else of theirs.

The SDK is not used: it makes a batch in one go, which holds up all streams for as long, and takes settings from the
environment.
"""

from collections.abc import Iterable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from gateway import __version__
from gateway.exchange.trace import Trace
from gateway.tracing.ended import Ended
from gateway.tracing.spans import Attributes, Span, Value, spans_of

CONTENT_TYPE = "application/x-protobuf"
_SCHEMA = "https://opentelemetry.io/schemas/1.40.0"
_SCOPE = InstrumentationScope(name="slowgate", version=__version__)
_SAMPLED, _REMOTENESS_KNOWN, _REMOTE = 0x001, 0x100, 0x200


class Batch:
    """A message under construction: pieces that are whole messages, for several, one behind the other, are one.

    (Repeated fields of Protocol Buffers add up, so that no piece has to be looked at again.)
    """

    def __init__(self, resource: tuple[tuple[str, str], ...]) -> None:
        self._resource = Resource(attributes=_key_values(dict(resource)))
        self._pieces: list[bytes] = []

    def add(self, several: Iterable[Ended]) -> None:
        """Add the spans of some exchanges as one piece."""
        request = ExportTraceServiceRequest()
        group = request.resource_spans.add(resource=self._resource, schema_url=_SCHEMA)
        scope = group.scope_spans.add(scope=_SCOPE, schema_url=_SCHEMA)
        for ended in several:
            for span in spans_of(ended):
                _write(scope.spans.add(), span, ended.trace)
        self._pieces.append(request.SerializeToString())

    def octets(self) -> bytes:
        """Return the message."""
        return b"".join(self._pieces)


def refused_spans(answer: bytes) -> tuple[int, str]:
    """Return how many spans a receiver says that it did not take, and why; 0 for an answer that cannot be read."""
    response = ExportTraceServiceResponse()
    try:
        response.ParseFromString(answer)
    except Exception:  # Whatever the decoder makes of octets of somebody else.
        return 0, ""
    return max(0, response.partial_success.rejected_spans), response.partial_success.error_message[:200]


def _write(message: Message, span: Span, trace: Trace) -> None:
    flags = _REMOTENESS_KNOWN | (_SAMPLED if trace.sampled else 0) | (_REMOTE if span.remote_parent else 0)
    message.trace_id = bytes.fromhex(trace.trace_id)
    message.span_id = bytes.fromhex(span.span_id)
    message.parent_span_id = b"" if span.parent_id is None else bytes.fromhex(span.parent_id)
    message.trace_state = trace.state
    message.name = _text(span.name)
    message.kind = Message.SPAN_KIND_SERVER if span.server else Message.SPAN_KIND_CLIENT
    message.start_time_unix_nano, message.end_time_unix_nano = span.start_ns, span.end_ns
    message.flags = flags
    message.attributes.extend(_key_values(span.attributes))
    for event in span.events:
        message.events.add(name=event.name, time_unix_nano=event.at_ns, attributes=_key_values(event.attributes))
    if span.fault is not None:
        message.status.code, message.status.message = Status.STATUS_CODE_ERROR, _text(span.fault)


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
