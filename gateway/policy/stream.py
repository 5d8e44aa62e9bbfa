"""What a route knows of the meaning of its streams, and does about it. The rooms that relay act on it."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway.config.model import Kind, Model
from gateway.config.problem import Unacceptable
from gateway.config.units import DurationOrOff, PositiveDuration, Size
from gateway.exchange.route import Stream

_MAX_TERMINAL_CHARACTERS = 256

HOLDS_IN = {
    "peek": "open",
    "peek_bytes": "open",
    "format": "relay",
    "complete": "relay",
    "terminal": "relay",
    "after_terminal": "relay",
    "stall": "relay",
    "keepalive": "throughout",
    "grace": "throughout",
    "on_disconnect": "throughout",
    "drain": "throughout",
}
"""The phase in which each setting acts; that of `on_error` is told by its policy."""


def _terminal(text: str) -> str:
    expected = '"event:NAME" or "data:TEXT"'
    kind, colon, rest = text.partition(":")
    if kind not in ("event", "data") or not colon:
        # The name alone is what people write first.
        raise Unacceptable(expected, suggestion=f"event:{text}" if re.fullmatch("[A-Za-z0-9_.-]{1,64}", text) else None)
    if not rest.strip(" "):
        raise Unacceptable(expected, message=f"{kind}: names nothing; write {expected}")
    if any(character in rest for character in "\r\n\0"):
        raise Unacceptable(expected, message="a line of an event has no line ends in it")
    if len(rest) > _MAX_TERMINAL_CHARACTERS:
        raise Unacceptable(expected, message=f"has more than {_MAX_TERMINAL_CHARACTERS} characters")
    return text


Terminal = Annotated[str, AfterValidator(_terminal), Kind("event:NAME or data:TEXT")]


class StreamSettings(Model):
    """What the gateway knows of the meaning of a stream, and does about it. Without it a stream is not looked at."""

    format: Literal["auto", "sse", "openai", "anthropic", "ndjson", "json", "csv", "opaque"] | None = Field(
        default=None, examples=["openai"]
    )
    """What the answers are: "sse", "ndjson", "json", "csv", "opaque", "openai" or "anthropic" (events of their APIs),
    or "auto": by the answer's Content-Type. Default: "auto" where another setting here needs it, else nothing looks."""
    complete: Literal["framing", "terminal"] = "framing"
    """Who says that an answer is whole: "framing" (HTTP), or "terminal": the format's own end must have come, too.
    Default "framing". With "terminal" an answer that lacks it is cut, and counts as truncated."""
    terminal: tuple[Terminal, ...] = Field(default=(), examples=[["event:done", "data:[DONE]"]])
    """How plain SSE says that it is whole: "event:NAME" or "data:TEXT". Array. Default: any end between two events."""
    after_terminal: DurationOrOff = 2.0
    """With `complete = "terminal"`, how long the upstream may take to end the body once the answer is whole; then it is
    ended for it. Duration or "off". Default "2s". Bodies with a Content-Length are waited for."""
    on_error: Literal["abort", "frame"] = "abort"
    """What a client is told of a stream that breaks: "abort" cuts its connection, "frame" ends the stream with an
    error in its format where that can be done between two frames. Default "abort"."""
    keepalive: DurationOrOff = Field(default=None, examples=["15s"])
    """Silence of the upstream after which the client is sent a ping, again and again. Duration or "off". Default "off".
    SSE gets a comment, NDJSON an empty line, JSON a blank before its first octet where `format` says "json"."""
    grace: DurationOrOff = 10.0
    """With `keepalive`, how long a real status is waited for before the head goes out as 200 so that pings can follow.
    Duration or "off", for never. Default "10s"."""
    stall: PositiveDuration = 10.0
    """Silence of the upstream that the record counts as a stall. Duration. Default "10s"."""
    on_disconnect: Literal["cancel", "drain"] = "cancel"
    """What becomes of the upstream's answer when its client leaves: "cancel" lets it go at once, "drain" reads it to
    its end for the record. Default "cancel"."""
    drain: PositiveDuration = 60.0
    """How long "drain" reads on at most. Duration. Default "60s"."""
    peek: DurationOrOff = Field(default=None, examples=["5s"])
    """How long the head is held back for the first frame that means something, so that an error told instead of it
    becomes a real status, and can be tried again. Duration or "off". Default "off"."""
    peek_bytes: Size = 65536
    """Octets of the body that `peek` holds at most. Size. Default "64KiB"."""

    def compiled(self) -> dict[str, object]:
        """Return the fields of a `Route` that follow from these settings."""
        format = self.format
        if format is None and (
            self.complete == "terminal" or self.on_error == "frame" or self.keepalive is not None
            or self.peek is not None or self.terminal
        ):  # fmt: skip
            format = "auto"
        return {
            "stream": Stream(
                format=format,
                complete=self.complete,
                terminal=self.terminal,
                after_terminal=self.after_terminal,
                on_error=self.on_error,
                keepalive=self.keepalive,
                grace=self.grace,
                stall=self.stall,
                on_disconnect=self.on_disconnect,
                drain=self.drain,
                peek=self.peek,
                peek_bytes=self.peek_bytes,
            )
        }
