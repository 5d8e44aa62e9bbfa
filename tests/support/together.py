"""A route with everything turned on that it can do about its streams, and what its answers are compared with."""

import re
import threading
from dataclasses import dataclass, field
from typing import Any

from support.decoding import DECODERS
from support.gateway_process import Line
from support.rude_client import RawResponse
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import Script, chunk, play

STREAM: dict[str, object] = {
    "format": "sse", "complete": "terminal", "terminal": ["data:[DONE]"], "after_terminal": "300ms",
    "on_error": "frame", "keepalive": "100ms", "grace": "450ms", "stall": "350ms", "peek": "700ms",
    "on_disconnect": "drain", "drain": "3s",
}  # fmt: skip
EVERYTHING: dict[str, object] = {
    "stream": STREAM,
    "convert": {"to": ["ndjson"]},
    "compression": {"codings": ["zstd", "gzip"], "min_length": "0B"},
    "hedge": {"after": "200ms", "methods": ["GET", "HEAD"]},
    "retry": {
        "attempts": 3,
        "on": ["peek", "connect", "reset", 503],
        "methods": ["GET", "HEAD", "POST"],
        "budget": "off",
        "backoff": "1ms",
    },
    "timeouts": {"first_byte": "1500ms", "first_frame": "2s", "idle": "900ms", "write": "2s", "total": "6s"},
}
ROUTES: dict[str, dict[str, Any]] = {
    "all": EVERYTHING,
    "auto": {**EVERYTHING, "stream": {**STREAM, "format": "auto"}},
    "alone": {**EVERYTHING, "hedge": {"after": "off"}},
    "once": {**EVERYTHING, "hedge": {"after": "off"}, "retry": {"attempts": 1}},
    "chat": {**EVERYTHING, "stream": {**STREAM, "format": "openai", "terminal": []}},
    "chat-once": {
        **EVERYTHING, "stream": {**STREAM, "format": "openai", "terminal": []}, "retry": {"attempts": 1}
    },
    "shut": {
        **EVERYTHING, "stream": {**STREAM, "grace": "150ms", "peek": "5s"}, "timeouts": {"idle": "8s"}
    },
    "once-auto": {
        **EVERYTHING, "hedge": {"after": "off"}, "retry": {"attempts": 1}, "stream": {**STREAM, "format": "auto"}
    },
}  # fmt: skip

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
NDJSON = SSE.replace(b"text/event-stream", b"application/x-ndjson")
JSON = SSE.replace(b"text/event-stream", b"application/json")
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
ONE, TWO, DONE = b'data: {"n":1}\n\n', b'data: {"n":2}\n\n', b"data: [DONE]\n\n"
LINES = b'{"data":{"n":1}}\n{"data":{"n":2}}\n{"data":"[DONE]"}\n'
ERROR = b'event: error\ndata: {"error":{"type":"overloaded_error","message":"busy"}}\n\n'
END = chunk(b"")
GOOD: Script = [SSE, chunk(ONE), chunk(TWO), chunk(DONE), END]
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 5000\r\n\r\n"
WHOLE_BODY = ONE + TWO + DONE


def by_request(*scripts: Script) -> Script:
    """Return a script that plays the first for a scene's first request, whichever endpoint gets it, and so on."""
    lock, left = threading.Lock(), list(scripts)

    def each(connection: ScriptedConnection) -> None:
        with lock:
            script = left.pop(0) if len(left) > 1 else left[0]
        play(script, connection)

    return each


@dataclass(frozen=True)
class Expected:
    """What a scene comes to."""

    body: str
    """A pattern of the body behind its content coding, without the pings that stand between its frames."""
    complete: bool | None = True
    """None where either will do."""
    status: int = 200
    pings: bool = False
    """Whether some must have come."""
    line: dict[str, object] = field(default_factory=dict)


def told(code: str) -> str:
    """A pattern of the error frame for a failure."""
    return rf'event: error\ndata: \{{"error":\{{[^\n]*"code":"{code}"[^\n]*\n\n'


def line_told(code: str) -> str:
    return rf'\{{"error":\{{[^\n]*"code":"{code}"[^\n]*\n'


def ends(behind: bytes, code: str, outcome: str = "truncated", pings: bool = False) -> Expected:
    """Return what a stream comes to that broke behind whole events."""
    return Expected(re.escape(behind.decode()) + told(code), pings=pings, line={"failure": code, "outcome": outcome})


def plain(answer: RawResponse) -> bytes:
    """Return the body behind its coding; its end is there where the message is whole, and nowhere else."""
    coding = answer.first("content-encoding")
    if coding is None:
        return answer.body
    decoder = DECODERS[coding]()
    body = decoder(answer.body)
    assert decoder.ended == answer.complete
    return body


def check(answer: RawResponse, line: Line, expected: Expected, ping: bytes = b": ping\n") -> None:
    assert answer.status == expected.status, (answer, line)
    assert expected.complete in (None, answer.complete), (answer, line)
    found = plain(answer)
    assert re.fullmatch(expected.body, found.replace(ping, b"").decode(), re.DOTALL), (found, line)
    if expected.pings:
        assert ping in found
        assert line["pings"] > 0
    for name, value in expected.line.items():
        assert line.get(name) == value or (value is any and line.get(name) is not None), (name, line)
