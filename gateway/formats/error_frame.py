"""A failure told inside a stream, in the stream's own format, as its clients know it."""

import json

from gateway.exchange.failure import Failure
from gateway.exchange.problem import told_detail

FRAMED = frozenset({"sse", "openai", "anthropic", "ndjson"})
"""Formats in which a failure can be told behind whole frames. The others have no place for it."""


def error_frame(wire_format: str, failure: Failure, exchange_id: str) -> bytes | None:
    """Return the frame that tells ``failure`` to a client that reads ``wire_format``; None where there is no such.

    It stands behind whole frames and is the last: no success marker may follow. It says what the error reply would
    have said. Shapes: ``sse`` an event called ``error``; ``openai`` the same with the API's own members, which its
    clients raise for chats and responses alike; ``anthropic`` that API's ``error`` event; ``ndjson`` one line.
    An error that the upstream told, and whose head was held back, is told in its own words.
    """
    words = _of_the_upstream(failure) if wire_format in FRAMED else None
    if words is not None:
        return b"%s\n" % words if wire_format == "ndjson" else b"event: error\ndata: %s\n\n" % words
    detail = told_detail(failure)
    message = f"{failure.kind.title}: {detail}" if detail else failure.kind.title
    code = failure.kind.code
    if wire_format == "sse":
        return b"event: error\ndata: %s\n\n" % _json({"error": _told(message, code, exchange_id)})
    if wire_format == "openai":
        error: dict[str, object] = {"message": message, "type": "gateway_error", "code": code, "param": None}
        return b"event: error\ndata: %s\n\n" % _json({"error": error | {"exchange_id": exchange_id}})
    if wire_format == "anthropic":
        told = {"type": "api_error", "message": f"{message} ({code}, exchange {exchange_id})"}
        return b"event: error\ndata: %s\n\n" % _json({"type": "error", "error": told})
    if wire_format == "ndjson":
        return b"%s\n" % _json({"error": _told(message, code, exchange_id), "_gateway": True})
    return None


def _of_the_upstream(failure: Failure) -> bytes | None:
    """Return the JSON object that tells ``failure`` as the upstream told it, in one line; None where there is none."""
    try:
        words = json.loads(failure.told.body) if failure.told is not None else None
        return _json(words) if isinstance(words, dict) else None
    except (ValueError, RecursionError):
        return None


def _told(message: str, code: str, exchange_id: str) -> dict[str, object]:
    return {"message": message, "type": "gateway_error", "code": code, "exchange_id": exchange_id}


def _json(value: dict[str, object]) -> bytes:
    # ASCII alone: no octet of a message can end a line, whatever a client takes for one.
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
