"""One log line for each exchange, written at its end: all that is known of it and nothing that is secret.

Levels: an exchange that ended by the upstream's fault or ours (failed, truncated, timed_out, broken) is an ``error``;
every other end is ``info``, a client's mistake or departure too, for nobody on call can mend those.
"""

import logging
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any, Literal, TextIO

from gateway.exchange.exchange import Exchange
from gateway.exchange.outcome import Outcome
from gateway.observe.record import Record

Line = dict[str, str | int | float | None]
"""The members of a line, in the order they are written."""

_NOT_SHOWN = re.compile("[^!-~]")
_NOT_PRINTED = re.compile("[^ -~]")
_FAULTS = frozenset({Outcome.FAILED, Outcome.TRUNCATED, Outcome.TIMED_OUT, Outcome.BROKEN})


class LineHandler(logging.StreamHandler[TextIO]):
    """A handler whose records are lines and nothing else, so that a line can be written without a record."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(logging.Formatter("%(message)s"))

    def write(self, text: str) -> None:
        """Write one line and flush it. As with a record, a stream that takes nothing is nobody's failure.

        Without the handler's lock: nothing in here lets another greenlet run, and no thread writes lines.
        """
        with suppress(Exception):
            self.stream.write(text + self.terminator)
            self.stream.flush()


class LineLog:
    """Writes the line of each exchange to a logger."""

    def __init__(self, format: Literal["json", "text"], stream_logger: logging.Logger) -> None:
        self._render = as_json if format == "json" else as_text
        self._logger = stream_logger

    def wants(self, exchange: Exchange) -> bool:
        """Whether the line of an ended exchange would be written."""
        return self._logger.isEnabledFor(level_of(exchange))

    def write(self, record: Record, level: int) -> None:
        """Write the line of a record."""
        text = self._render(line_of(record, _iso(record.time)))
        only = self._only_handler()
        if only is not None:
            only.write(text)
        else:
            self._logger.log(level, "%s", text)

    def _only_handler(self) -> LineHandler | None:
        """Return the handler that alone would get the line, as it is: without a record it costs a third."""
        logger = self._logger
        if len(logger.handlers) != 1 or logger.propagate or logger.filters:
            return None
        (handler,) = logger.handlers
        return handler if isinstance(handler, LineHandler) and not handler.filters and not handler.level else None


def _iso(moment: float) -> str:
    """Return a moment, in seconds since 1970, as ISO 8601 has it in UTC, down to milliseconds."""
    second, milliseconds = divmod(int(round(moment * 1_000_000) // 1000), 1000)
    return f"{_iso_second(second)}.{milliseconds:03}Z"


@lru_cache(maxsize=8)
def _iso_second(second: int) -> str:
    """Return all but the milliseconds, which many lines have in common."""
    return datetime.fromtimestamp(second, UTC).isoformat().removesuffix("+00:00")


def level_of(exchange: Exchange) -> int:
    """Return the level of an exchange's line, by the rule above."""
    return logging.ERROR if exchange.outcome in _FAULTS else logging.INFO


def line_of(record: Record, now_iso: str) -> Line:
    """Return what is logged of a record. Times are milliseconds since its start, None where it had none."""
    told: Line = {
        "time": now_iso,
        "id": record.id,
        "route": record.route,
        "upstream": record.upstream,
        "endpoint": record.endpoint,
        "method": record.method,
        "target": record.target,
        "status": record.status,
        "outcome": record.outcome,
        "failure": record.failure,
        "side": record.side,
        "detail": record.detail,
        "queued_ms": record.queued_ms,
        "priority": record.priority,
        "head_ms": record.head_ms,
        "first_byte_ms": record.first_byte_ms,
        "longest_gap_ms": record.longest_gap_ms,
        "total_ms": record.total_ms,
        "bytes_down": record.bytes_down,
        "bytes_up": record.bytes_up,
        "chunks": record.chunks,
        "attempts": len(record.tries),
        "retried": retried(record),
        "not_retried": record.not_retried,
        "principal": record.principal,
        "auth": record.auth,
        "peer": record.peer,
    }
    if record.bytes_plain is not None:
        told["bytes_plain"] = record.bytes_plain
    if record.converted is not None:
        told["converted"] = record.converted
    if record.hedged is not None:
        told["hedged"] = record.hedged
    _tell_the_stream(record, told)
    if record.drained is not None:
        told["drained"] = record.drained
        told["drained_bytes"] = record.drained_bytes
    if record.upstream_request_id is not None:
        told["upstream_request_id"] = record.upstream_request_id
    if record.trace_id is not None:
        told["trace_id"] = record.trace_id
    return told


def retried(record: Record) -> str | None:
    """Return how each attempt but the last ended; None where there was no other."""
    return ",".join(each.end for each in record.tries[:-1]) or None


def _tell_the_stream(record: Record, told: Line) -> None:
    """Add what was seen in a stream that its route has watched, or would have; nothing for others."""
    if record.format is not None:
        told["format"] = record.format
        told["frames"] = record.frames
        told["first_frame_ms"] = record.first_frame_ms
        told["stalls"] = record.stalls
        if record.flaw is not None:
            told["flaw"] = record.flaw
        if record.has_usage:
            told["prompt_tokens"] = record.prompt_tokens
            told["completion_tokens"] = record.completion_tokens
            told["total_tokens"] = record.total_tokens
    if record.unwatched is not None:
        told["unwatched"] = record.unwatched
    if record.early_ms is not None:
        told["early_ms"] = record.early_ms
    if record.pings:
        told["pings"] = record.pings


def as_json(record: Line) -> str:
    """Return ``record`` as one line of JSON, pure ASCII; whatever a client sent cannot begin a second line."""
    # Put together here, in a third of the time: json makes an encoder anew for each text.
    members = ",".join([f'"{name}":{_AS_JSON[type(value)](value)}' for name, value in record.items()])
    return f"{{{members}}}".replace("\x7f", "\\u007f")


_AS_JSON: dict[type, Callable[[Any], str]] = {
    str: encode_basestring_ascii,
    int: int.__repr__,
    float: float.__repr__,
    type(None): {None: "null"}.__getitem__,
}


def as_text(record: Line) -> str:
    """Return ``record`` as one line to read: what it was, how it went, where it went, and why it failed."""
    parts = [
        _shown(record["status"]),
        _shown(record["outcome"]),
        _shown(record["method"]),
        _shown(record["target"]),
        _seconds(record["total_ms"]),
        f"ttfb {_seconds(record['first_byte_ms'])}",
        f"{record['chunks']} chunks",
        f"{record['bytes_down']}B",
    ]
    if "format" in record:
        parts.append(f"{record['frames']} {record['format']} frames")
    if record["upstream"] is not None:
        endpoint = _shown(record["endpoint"]).removeprefix("http://")
        parts.append(f"-> {_shown(record['upstream'])}@{endpoint}")
    if isinstance(record["attempts"], int) and record["attempts"] > 1:
        parts.append(f"{record['attempts']} attempts (after {record['retried']})")
    if record["not_retried"] is not None:
        parts.append(f"not retried ({record['not_retried']})")
    if "converted" in record:
        parts.append(f"as {_shown(record['converted'])}")
    if "hedged" in record:
        parts.append(f"hedge {record['hedged']}")
    if record["principal"] is not None:
        parts.append(f"by={_shown(record['principal'])}")
    parts.append(f"id={_shown(record['id'])}")
    if "upstream_request_id" in record:
        parts.append(f"upstream_id={_shown(record['upstream_request_id'])}")
    if record["failure"] is not None:
        parts.append(f"{record['failure']} ({record['side']})")
        if record["detail"] is not None:
            parts[-1] += ": " + _NOT_PRINTED.sub(_escaped, str(record["detail"]))
    return " ".join(parts)


def _seconds(milliseconds: str | int | float | None) -> str:
    return f"{milliseconds / 1000:.3f}s" if isinstance(milliseconds, int | float) else "-"


def _shown(value: str | int | float | None) -> str:
    """Return a value as one word: what is not visible ASCII is escaped, for it could break the line or its columns."""
    return "-" if value in (None, "") else _NOT_SHOWN.sub(_escaped, str(value))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
