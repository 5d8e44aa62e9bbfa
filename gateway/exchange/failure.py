"""Everything that can go wrong with an exchange, each with the side it happened on and what a client is told.

This table is the only place where an error becomes a status. Proxy-Status error types are those of RFC 9209
section 2.3; a failure that can only happen after the head went out has no status.
"""

from dataclasses import dataclass
from enum import Enum

from gateway.exchange.marks import InBandError


class Side(Enum):
    """Where a failure happened."""

    DOWNSTREAM = "downstream"
    GATEWAY = "gateway"
    UPSTREAM = "upstream"


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to fail."""

    code: str
    side: Side
    status: int | None
    proxy_error: str
    title: str
    retry_after_seconds: int | None = None
    unsent: bool = False
    """True where the request cannot have reached the upstream, so that trying again is always safe."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong once: a kind and the particulars, which never hold a secret."""

    kind: Kind
    detail: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    """Further fields of the reply that tells it, such as Allow."""
    told: InBandError | None = None
    """The upstream's own words, where it told the failure itself: they become the reply."""

    def __str__(self) -> str:
        return f"{self.kind.code}: {self.detail}" if self.detail else self.kind.code


class FailureError(Exception):
    """A failure on its way to the spine. It is never an OSError: the server takes those for the client's socket."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Interruption(BaseException):
    """Thrown into a waiting exchange by an interrupter: its client left, a deadline passed, shutdown is over.

    Not an Exception, so that no library on the way takes it for an error of its own.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Abort(BaseException):
    """Said to the server: end this client's connection so that the message looks cut, and say nothing more."""


_DOWN, _GATE, _UP = Side.DOWNSTREAM, Side.GATEWAY, Side.UPSTREAM

BAD_REQUEST = Kind("bad_request", _DOWN, 400, "http_request_error", "Bad request")
TARGET_REFUSED = Kind("target_refused", _DOWN, 400, "http_request_error", "Request target refused")
UPLOAD_CUT = Kind("upload_cut", _DOWN, 400, "http_request_error", "Request body incomplete")
UPLOAD_TIMEOUT = Kind("upload_timeout", _DOWN, 408, "http_request_error", "Request body too slow")
UPLOAD_RATE_TIMEOUT = Kind(
    "upload_rate_timeout", _DOWN, 408, "http_request_error", "Request body below the minimum rate"
)
MEDIA_TYPE_REFUSED = Kind("media_type_refused", _DOWN, 415, "http_request_denied", "Media type not allowed")
ADDRESS_DENIED = Kind("address_denied", _DOWN, 403, "http_request_denied", "Address not allowed")
ADDRESS_CROWDED = Kind("address_crowded", _DOWN, None, "", "Too many connections from one address")
PROXY_HEADER_INVALID = Kind("proxy_header_invalid", _DOWN, None, "", "PROXY header missing or not understood")
HEAD_TIMEOUT = Kind("head_timeout", _DOWN, 408, "http_request_error", "Request head too slow")
BODY_TOO_LARGE = Kind("body_too_large", _DOWN, 413, "http_request_error", "Request body too large")
TARGET_TOO_LONG = Kind("target_too_long", _DOWN, 414, "http_request_error", "Request line too long")
EXPECTATION_FAILED = Kind("expectation_failed", _DOWN, 417, "http_request_error", "Expectation failed")
FIELDS_TOO_LARGE = Kind("fields_too_large", _DOWN, 431, "http_request_error", "Request header fields too large")
UNAUTHENTICATED = Kind("unauthenticated", _DOWN, 401, "http_request_denied", "Not authenticated")
FORBIDDEN = Kind("forbidden", _DOWN, 403, "http_request_denied", "Not allowed")
METHOD_NOT_ALLOWED = Kind("method_not_allowed", _DOWN, 405, "http_request_denied", "Method not allowed")
CODING_UNSUPPORTED = Kind("coding_unsupported", _DOWN, 501, "http_request_error", "Transfer coding not supported")
METHOD_UNSUPPORTED = Kind("method_unsupported", _DOWN, 501, "http_request_denied", "Method not supported")
VERSION_UNSUPPORTED = Kind("version_unsupported", _DOWN, 505, "http_request_error", "HTTP version not supported")
RATE_LIMITED = Kind("rate_limited", _DOWN, 429, "http_request_denied", "Too many requests")
TOO_MANY_STREAMS = Kind("too_many_streams", _DOWN, 429, "http_request_denied", "Too many requests at once")
BUDGET_EXHAUSTED = Kind("budget_exhausted", _DOWN, 429, "http_request_denied", "Budget used up")
CLIENT_GONE = Kind("client_gone", _DOWN, None, "", "The client left")
CLIENT_STALLED = Kind("client_stalled", _DOWN, None, "", "The client stopped reading")

CREDENTIALS_MISSING = Kind("credentials_missing", _GATE, 403, "http_request_denied", "No credentials for who asks")
NO_ROUTE = Kind("no_route", _GATE, 404, "destination_not_found", "No route")
DRAINING = Kind("draining", _GATE, 503, "proxy_internal_response", "Shutting down", retry_after_seconds=1)
OVERLOADED = Kind("overloaded", _GATE, 503, "connection_limit_reached", "Overloaded", retry_after_seconds=1)
QUEUE_FULL = Kind("queue_full", _GATE, 503, "connection_limit_reached", "Too many requests wait already")
QUEUE_TIMEOUT = Kind("queue_timeout", _GATE, 503, "connection_limit_reached", "Waited too long for a turn")
AUTH_UNAVAILABLE = Kind(
    "auth_unavailable", _GATE, 503, "proxy_internal_response", "Caller could not be checked", retry_after_seconds=5
)
LIMITS_UNAVAILABLE = Kind(
    "limits_unavailable", _GATE, 503, "proxy_internal_error", "Limits cannot be checked", retry_after_seconds=1
)
TOTAL_TIMEOUT = Kind("total_timeout", _GATE, 504, "http_response_timeout", "The exchange took too long")
DRAINED = Kind("drained", _GATE, 503, "proxy_internal_response", "Ended by shutdown", retry_after_seconds=1)
SUPERSEDED = Kind("superseded", _GATE, None, "", "Another attempt was faster")
CANCELLED = Kind("cancelled", _GATE, 503, "proxy_internal_response", "Ended by an operator")
INTERNAL = Kind("internal", _GATE, 500, "proxy_internal_error", "Internal error")

CREDENTIALS_UNAVAILABLE = Kind(
    "credentials_unavailable", _UP, 502, "destination_unavailable", "Upstream credentials not available", unsent=True
)
DNS_FAILED = Kind("dns_failed", _UP, 502, "dns_error", "Upstream name not resolved", unsent=True)
ADDRESS_REFUSED = Kind(
    "address_refused", _UP, 502, "destination_ip_prohibited", "Upstream address refused by the gateway", unsent=True
)
CONNECT_REFUSED = Kind("connect_refused", _UP, 502, "connection_refused", "Upstream refused to connect", unsent=True)
CONNECT_FAILED = Kind("connect_failed", _UP, 502, "destination_ip_unroutable", "Upstream not reachable", unsent=True)
CONNECT_TIMEOUT = Kind("connect_timeout", _UP, 504, "connection_timeout", "Upstream connect timed out", unsent=True)
TLS_FAILED = Kind("tls_failed", _UP, 502, "tls_protocol_error", "TLS with the upstream failed", unsent=True)
TLS_UNTRUSTED = Kind("tls_untrusted", _UP, 502, "tls_certificate_error", "Upstream certificate refused", unsent=True)
SEND_FAILED = Kind("send_failed", _UP, 502, "connection_terminated", "Upstream stopped reading the request")
SEND_TIMEOUT = Kind("send_timeout", _UP, 504, "connection_write_timeout", "Upstream took the request too slowly")
HEAD_MISSING = Kind("head_missing", _UP, 502, "connection_terminated", "Upstream closed without an answer")
HEAD_INVALID = Kind("head_invalid", _UP, 502, "http_protocol_error", "Upstream answer not understood")
HEAD_TOO_LARGE = Kind(
    "head_too_large", _UP, 502, "http_response_header_section_size", "Upstream answer's header fields too large"
)
UPGRADE_REFUSED = Kind("upgrade_refused", _UP, 502, "http_upgrade_failed", "Upstream switched protocols unasked")
FIRST_BYTE_TIMEOUT = Kind("first_byte_timeout", _UP, 504, "http_response_timeout", "Upstream did not answer in time")
IDLE_TIMEOUT = Kind("idle_timeout", _UP, 504, "connection_read_timeout", "Upstream fell silent")
RATE_TIMEOUT = Kind("rate_timeout", _UP, 504, "connection_read_timeout", "Upstream below the minimum rate")
BODY_CUT = Kind("body_cut", _UP, 502, "http_response_incomplete", "Upstream body ended early")
BODY_INVALID = Kind("body_invalid", _UP, 502, "http_protocol_error", "Upstream body framing broken")
ANSWER_UNFINISHED = Kind("answer_unfinished", _UP, 502, "http_response_incomplete", "Upstream answer not finished")
ANSWER_MALFORMED = Kind("answer_malformed", _UP, 502, "http_protocol_error", "Upstream answer not in its format")
IN_BAND_ERROR = Kind("in_band_error", _UP, 502, "http_protocol_error", "Upstream told an error in its answer")
FIRST_FRAME_TIMEOUT = Kind(
    "first_frame_timeout", _UP, 504, "http_response_timeout", "Upstream sent nothing that means anything in time"
)
LATE_REFUSAL = Kind("late_refusal", _UP, 502, "http_protocol_error", "Upstream answer does not fit the early head")

KINDS: tuple[Kind, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Kind))
"""Every kind, in the order above; the documentation's table of failures is made from it."""
