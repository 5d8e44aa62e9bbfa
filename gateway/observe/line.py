"""One log line for each exchange, written at its end: all that is known of it and nothing that is secret.

Levels: an exchange that ended by the upstream's fault or ours (failed, truncated, timed_out, broken) is an ``error``;
every other end is ``info``, a client's mistake or departure too, for nobody on call can mend those.
"""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Literal

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.message import Source
from gateway.exchange.outcome import Outcome

Record = dict[str, str | int | float | None]
"""The members of a line, in the order they are written."""

MAX_TARGET_CHARACTERS = 2048
_MAX_NAME_CHARACTERS = 64
_MAX_DETAIL_CHARACTERS = 1024
_MAX_FOREIGN_ID_CHARACTERS = 128
_MASK = "***"
_FLAG = re.compile("[A-Za-z][A-Za-z_.-]{0,31}")
"""A parameter without value that can be told: a word. Anything else might be a token."""

_NOT_SHOWN = re.compile("[^!-~]")
_NOT_PRINTED = re.compile("[^ -~]")
_FAULTS = frozenset({Outcome.FAILED, Outcome.TRUNCATED, Outcome.TIMED_OUT, Outcome.BROKEN})


class LineLog:
    """Writes the line of each exchange to a logger."""

    def __init__(self, format: Literal["json", "text"], stream_logger: logging.Logger) -> None:
        self._render = as_json if format == "json" else as_text
        self._logger = stream_logger

    def finish(self, exchange: Exchange, wall_clock: float) -> None:
        """Write the line of an ended exchange. ``wall_clock`` is its end in seconds since 1970 (UTC)."""
        level = level_of(exchange)
        if self._logger.isEnabledFor(level):
            now = datetime.fromtimestamp(wall_clock, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self._logger.log(level, "%s", self._render(line(exchange, now)))


def level_of(exchange: Exchange) -> int:
    """Return the level of an exchange's line, by the rule above."""
    return logging.ERROR if exchange.outcome in _FAULTS else logging.INFO


def line(exchange: Exchange, now_iso: str) -> Record:
    """Return what is logged of an ended exchange. Times are milliseconds since its start, None where it had none."""
    route, failure = exchange.route, exchange.failure
    last = exchange.attempts[-1] if exchange.attempts else None
    record: Record = {
        "time": now_iso,
        "id": exchange.id,
        "route": route.name if route else None,
        "upstream": route.upstream.name if route else None,
        "endpoint": str(last.endpoint) if last else None,
        "method": exchange.request.method[:_MAX_NAME_CHARACTERS],
        "target": without_secrets(exchange.request.target),
        "status": exchange.status,
        "outcome": exchange.outcome.value if exchange.outcome else None,
        "failure": failure.kind.code if failure else None,
        "side": failure.kind.side.value if failure else None,
        "detail": failure.detail[:_MAX_DETAIL_CHARACTERS] or None if failure else None,
        "queued_ms": None if exchange.queued_seconds is None else round(exchange.queued_seconds * 1000, 1),
        "priority": route.priority if route is not None and exchange.queued_seconds is not None else None,
        "head_ms": _since_start(exchange, exchange.head_at),
        "first_byte_ms": _since_start(exchange, exchange.first_byte_at),
        "longest_gap_ms": round(exchange.longest_gap_seconds * 1000, 1),
        "total_ms": _since_start(exchange, exchange.finished_at),
        "bytes_down": exchange.relayed_bytes,
        "bytes_up": exchange.received_bytes,
        "chunks": exchange.chunks,
        "attempts": len(exchange.attempts),
        "retried": ",".join(map(_end, exchange.attempts[:-1])) or None,
        "not_retried": exchange.not_retried,
        "principal": exchange.identity.principal if exchange.identity else None,
        "auth": exchange.identity.method if exchange.identity else None,
        "peer": exchange.request.peer,
    }
    if exchange.plain_bytes is not None:
        record["bytes_plain"] = exchange.plain_bytes
    if exchange.hedged is not None:
        record["hedged"] = exchange.hedged
    record |= _of_the_stream(exchange)
    if exchange.drained is not None:
        record["drained"] = exchange.drained
        record["drained_bytes"] = exchange.drained_bytes
    foreign = _upstream_request_id(exchange)
    if foreign is not None:
        record["upstream_request_id"] = foreign
    return record


def _of_the_stream(exchange: Exchange) -> Record:
    """Return what was seen in a stream that its route has watched, or would have; nothing for others."""
    told: Record = {}
    marks = exchange.marks
    if marks is not None:
        told = {
            "format": marks.format,
            "frames": marks.frames,
            "first_frame_ms": _since_start(exchange, exchange.first_frame_at),
            "stalls": exchange.stalls,
        }
        if exchange.flaw is not None:
            told["flaw"] = exchange.flaw[:_MAX_DETAIL_CHARACTERS]
        if (usage := marks.usage) is not None:
            told["prompt_tokens"] = usage.prompt_tokens
            told["completion_tokens"] = usage.completion_tokens
            told["total_tokens"] = usage.total_tokens
    if exchange.unwatched is not None:
        told["unwatched"] = exchange.unwatched[:_MAX_DETAIL_CHARACTERS]
    if exchange.early:
        told["early_ms"] = _since_start(exchange, exchange.committed_at)
    if exchange.pings:
        told["pings"] = exchange.pings
    return told


def as_json(record: Record) -> str:
    """Return ``record`` as one line of JSON, pure ASCII; whatever a client sent cannot begin a second line."""
    return json.dumps(record, separators=(",", ":")).replace("\x7f", "\\u007f")


def as_text(record: Record) -> str:
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


def without_secrets(target: str) -> str:
    """Return ``target`` for a log: names of parameters stay, their values do not; at most 2 KiB of it."""
    path, mark, query = target.partition("?")
    if query:
        query = "&".join(map(_masked, query[: 2 * MAX_TARGET_CHARACTERS].split("&")))
    told = path + mark + query
    return told if len(told) <= MAX_TARGET_CHARACTERS else told[: MAX_TARGET_CHARACTERS - 3] + "..."


def _masked(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    if not equals:
        return name if not name or _FLAG.fullmatch(name) else _MASK
    return f"{name if len(name) <= _MAX_NAME_CHARACTERS else _MASK}={_MASK}"


def _upstream_request_id(exchange: Exchange) -> str | None:
    """Return the id the upstream gave the exchange, if it is another than ours."""
    reply, route = exchange.reply, exchange.route
    if reply is None or route is None or reply.source is not Source.UPSTREAM:
        return None
    # An early head is ours; theirs came too late to go out.
    head = exchange.attempts[-1].head if exchange.early and exchange.attempts else None
    theirs = (head or reply.head).first(route.forwarding.request_id_header.lower())
    return theirs[:_MAX_FOREIGN_ID_CHARACTERS] if theirs is not None and theirs != exchange.id else None


def _end(attempt: Attempt) -> str:
    """Return how an attempt ended, as one word."""
    return attempt.failure.kind.code if attempt.failure is not None else str(attempt.status)


def _since_start(exchange: Exchange, moment: float | None) -> float | None:
    return None if moment is None else round((moment - exchange.started) * 1000, 1)


def _seconds(milliseconds: str | int | float | None) -> str:
    return f"{milliseconds / 1000:.3f}s" if isinstance(milliseconds, int | float) else "-"


def _shown(value: str | int | float | None) -> str:
    """Return a value as one word: what is not visible ASCII is escaped, for it could break the line or its columns."""
    return "-" if value in (None, "") else _NOT_SHOWN.sub(_escaped, str(value))


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
