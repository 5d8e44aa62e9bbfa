"""The reply that tells a failure: a problem document (RFC 9457), or one line of text for who asks for text."""

import json
import re

from gateway.exchange.failure import Failure
from gateway.exchange.message import Fields, FixedChunks, Reply, ReplyHead, Source

PSEUDONYM = "slowgate"
"""How the gateway calls itself in Proxy-Status: a token (RFC 9209 section 2)."""

_JSON = "application/problem+json"
_TEXT = "text/plain"
_MAX_DETAIL = 1024
"""Characters of a detail that are told; more is somebody else's page, not a reason."""

_REASONS = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    414: "URI Too Long",
    417: "Expectation Failed",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NOT_STRUCTURED = re.compile("[^\x20-\x7e]")
_QUALITY = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def problem(exchange_id: str, failure: Failure, accept: str | None, method: str) -> Reply:
    """Return the local reply that tells ``failure``.

    ``accept`` is the request's Accept field: text/plain is sent where it is preferred, else JSON. A reply to HEAD has
    the fields of the one to GET and no octets. A kind without a status, which can only fail after the head went out,
    is told as 500.
    """
    kind = failure.kind
    status = kind.status or 500
    detail = _CONTROLS.sub(" ", failure.detail)[:_MAX_DETAIL]
    if _prefers_text(accept):
        content_type = "text/plain; charset=utf-8"
        told = f"{kind.title}: {detail}" if detail else kind.title
        body = f"{told} ({kind.code}, exchange {exchange_id})\n".encode("utf-8", "replace")
    else:
        content_type = _JSON
        body = _document(exchange_id, failure, status, detail)
    fields: Fields = [
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("Proxy-Status", proxy_status(failure)),
    ]
    if kind.retry_after_seconds is not None:
        fields.append(("Retry-After", str(kind.retry_after_seconds)))
    fields += failure.fields
    sent = b"" if method == "HEAD" else body
    return Reply(ReplyHead(status, _REASONS.get(status, ""), fields), FixedChunks(sent), Source.LOCAL, len(sent))


def proxy_status(failure: Failure) -> str:
    """Return the Proxy-Status field for ``failure`` (RFC 9209 section 2; strings as in RFC 8941 section 3.3.3)."""
    member = PSEUDONYM
    if failure.kind.proxy_error:
        member += f"; error={failure.kind.proxy_error}"
    if failure.detail:
        details = _NOT_STRUCTURED.sub("?", failure.detail[:_MAX_DETAIL])
        details = details.replace("\\", "\\\\").replace('"', '\\"')
        member += f'; details="{details}"'
    return member


def _document(exchange_id: str, failure: Failure, status: int, detail: str) -> bytes:
    kind = failure.kind
    members: dict[str, str | int] = {
        "type": f"urn:slowgate:failure:{kind.code}",
        "title": kind.title,
        "status": status,
    }
    if detail:
        members["detail"] = detail
    members |= {"code": kind.code, "exchange_id": exchange_id}
    return json.dumps(members, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _prefers_text(accept: str | None) -> bool:
    """Say whether ``accept`` gives text/plain a higher quality than both kinds of JSON (RFC 9110 section 12.5.1)."""
    if not accept:
        return False
    ranges = _media_ranges(accept)
    return _quality(ranges, _TEXT) > max(_quality(ranges, _JSON), _quality(ranges, "application/json"))


def _media_ranges(accept: str) -> dict[str, float]:
    """Return the quality of each media range; one whose quality cannot be read counts as not acceptable."""
    ranges: dict[str, float] = {}
    for member in accept.lower().split(","):
        media, *parameters = (part.strip(" \t") for part in member.split(";"))
        quality = next((value[2:] for value in parameters if value.startswith("q=")), "1")
        ranges[media] = float(quality) if _QUALITY.fullmatch(quality) else 0.0
    return ranges


def _quality(ranges: dict[str, float], media: str) -> float:
    """Return the quality of ``media``: the most specific range that holds it decides."""
    for candidate in (media, f"{media.partition('/')[0]}/*", "*/*"):
        if candidate in ranges:
            return ranges[candidate]
    return 0.0
