"""What may be put between two frames of a stream to keep its connection alive, by the format that the client reads."""

_COMMENT = b": ping\n"
"""One line feed only: a second one is an empty line, which makes some clients of SSE hand out an event without data."""

_PINGS = {"sse": _COMMENT, "openai": _COMMENT, "anthropic": _COMMENT, "ndjson": b"\n", "json": b" "}


def ping(format: str) -> bytes:
    """Return the ping of a format; ``b""`` where it knows nothing that every reader skips (csv, opaque).

    The one of ``json`` may stand before the first octet of the document only.
    """
    return _PINGS.get(format, b"")
