"""The reply that tells a failure: a problem document (RFC 9457), or one line of text for who asks for text."""

import json
import re
from http import HTTPStatus

from gateway.exchange.accept import media_ranges, quality
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
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
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


def problem(exchange_id: str, failure: Failure, accept: str | None, method: str) -> Reply:
    """Return the local reply that tells ``failure``.

    ``accept`` is the request's Accept field: text/plain is sent where it is preferred, else JSON. A reply to HEAD has
    the fields of the one to GET and no octets. A kind without a status, which can only fail after the head went out,
    is told as 500. What the upstream told itself keeps its status, and its JSON document where there is one.
    """
    kind, told_by_upstream = failure.kind, failure.told
    status = kind.status or 500
    if told_by_upstream is not None:
        status = told_by_upstream.status
    detail = told_detail(failure)
    if told_by_upstream is not None and told_by_upstream.body:
        content_type, body = "application/json", told_by_upstream.body
    elif _prefers_text(accept):
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
    return Reply(ReplyHead(status, _reason(status), fields), FixedChunks(sent), Source.LOCAL, len(sent))


def _reason(status: int) -> str:
    try:
        return _REASONS.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return ""  # Nobody has named it; a reason may be empty (RFC 9112 section 4).


def told_detail(failure: Failure) -> str:
    """Return what a client is told of the particulars: one line without controls, of a bounded length."""
    return _CONTROLS.sub(" ", failure.detail)[:_MAX_DETAIL]


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
    ranges = media_ranges(accept)
    return quality(ranges, _TEXT) > max(quality(ranges, _JSON), quality(ranges, "application/json"))
