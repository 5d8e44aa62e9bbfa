"""A receiver of OTLP over HTTP: takes what a collector would take, decodes it, and answers as it is told to."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from support.conditions import wait_until


class Seen:
    """One span that came, as plain values."""

    def __init__(self, span: Any, resource: dict[str, Any]) -> None:
        self.name: str = span.name
        self.server = span.kind == Span.SPAN_KIND_SERVER
        self.client = span.kind == Span.SPAN_KIND_CLIENT
        self.trace_id: str = span.trace_id.hex()
        self.span_id: str = span.span_id.hex()
        self.parent_id: str = span.parent_span_id.hex()
        self.state: str = span.trace_state
        self.flags: int = span.flags
        self.start = span.start_time_unix_nano / 1e9
        self.end = span.end_time_unix_nano / 1e9
        self.attributes = {each.key: _plain(each.value) for each in span.attributes}
        self.events = [
            (each.name, each.time_unix_nano / 1e9, {one.key: _plain(one.value) for one in each.attributes})
            for each in span.events
        ]
        self.failed = span.status.code == Status.STATUS_CODE_ERROR
        self.message: str = span.status.message
        self.resource = resource

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end - self.start

    def event(self, name: str) -> tuple[float, dict[str, Any]]:
        """Return when the one event ``name`` was, and what it says."""
        ((_, at, attributes),) = [each for each in self.events if each[0] == name]
        return at, attributes


class OtlpReceiver:
    """Listens on loopback. ``status`` and ``delay_seconds`` say how it answers from now on."""

    def __init__(self) -> None:
        self.status = 200
        self.rejects = 0
        """Spans of each message that it says it did not take."""
        self.delay_seconds = 0.0
        self.messages: list[tuple[str, dict[str, str], int]] = []
        """Path, fields by lower-case name and octets of each message."""
        self.octets = b""
        """Of all messages."""
        self._spans: list[Seen] = []
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver._take(self)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The base URL, as the configuration has it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def spans(self) -> list[Seen]:
        """All that were taken so far."""
        with self._lock:
            return list(self._spans)

    def of(self, condition: Callable[[Seen], object], count: int = 1, timeout: float = 5.0) -> list[Seen]:
        """Return the spans for which ``condition`` holds, once there are ``count``."""
        return wait_until(
            lambda: found if len(found := [each for each in self.spans if condition(each)]) >= count else None,
            timeout,
            f"{count} spans",
        )

    def exchange(self, exchange_id: str, timeout: float = 5.0) -> tuple[Seen, list[Seen]]:
        """Return the server span of an exchange and the client spans below it, in the order of their starts."""
        own = self.of(lambda each: each.attributes.get("slowgate.id") == exchange_id, timeout=timeout)[0]
        below = [each for each in self.spans if each.parent_id == own.span_id and each.client]
        return own, sorted(below, key=lambda each: each.start)

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        octets = handler.rfile.read(int(handler.headers["Content-Length"]))
        time.sleep(self.delay_seconds)
        with self._lock:
            self.messages.append(
                (handler.path, {name.lower(): value for name, value in handler.headers.items()}, len(octets))
            )
            if self.status == 200:
                self.octets += octets
                self._decode(octets)
        answer = ExportTraceServiceResponse()
        if self.rejects:
            answer.partial_success.rejected_spans = self.rejects
            answer.partial_success.error_message = "too old"
        body = answer.SerializeToString()
        handler.send_response(self.status)
        handler.send_header("Content-Type", "application/x-protobuf")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _decode(self, octets: bytes) -> None:
        message = ExportTraceServiceRequest.FromString(octets)
        for group in message.resource_spans:
            resource = {each.key: _plain(each.value) for each in group.resource.attributes}
            for scope in group.scope_spans:
                self._spans += [Seen(span, resource) for span in scope.spans]


def _plain(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))
