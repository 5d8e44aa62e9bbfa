"""How large a request may be and what its body, as far as it says so itself; a chunked body is counted when read."""

from pydantic import Field

from gateway.config.units import SizeOrOff
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import BODY_TOO_LARGE, MEDIA_TYPE_REFUSED, Failure, FailureError
from gateway.exchange.message import RequestHead
from gateway.exchange.route import Route
from gateway.grammar.media_types import MediaPattern, essence, matcher
from gateway.policy.hooks import Hooks
from gateway.policy.quotas import QuotaSettings

ACTS_ON = ("limits.max_request_body", "limits.content_types")
"""The settings that decide what it does, as a route sees them."""


class LimitsSettings(QuotaSettings):
    """How much an exchange may take, and how many may be under way at once."""

    max_request_body: SizeOrOff = None
    """Octets that the body of a request may have; larger ones get 413. Size or "off". Default "off".
    Bodies are streamed, so that a large one costs time and not memory."""
    content_types: tuple[MediaPattern, ...] = Field(default=(), examples=[["application/json", "multipart/*"]])
    """Media types that the body of a request may have, parameters left out; others, and bodies without one, get 415.
    Array. Default empty: any. What the body really is nobody looks at."""

    def compiled(self) -> dict[str, object]:
        """Return the fields of a `Route` that follow from these settings."""
        own = {"max_request_body": self.max_request_body, "content_types": self.content_types}
        return {**own, **super().compiled()}


def too_large(body_length: int | None, limit: int | None) -> bool:
    """Say whether a body of ``body_length`` octets (None: not known yet) is above ``limit`` octets (None: no limit)."""
    return body_length is not None and limit is not None and body_length > limit


def media_type_refused(request: RequestHead, content_types: tuple[str, ...]) -> Failure:
    """Return the failure that tells what would be taken (RFC 9110 section 15.5.16, RFC 5789 section 3.1)."""
    listed = ", ".join(content_types)
    names = ["Accept", *({"POST": ["Accept-Post"], "PATCH": ["Accept-Patch"]}.get(request.method, ()))]
    detail = f"the body's Content-Type must be one of: {listed}"
    return Failure(MEDIA_TYPE_REFUSED, detail, tuple((name, listed) for name in names))


def hooks(route: Route) -> Hooks:
    """Refuse bodies that are announced to be too large, or of another type, before a single octet of them is read."""
    limit, content_types = route.max_request_body, route.content_types
    if limit is None and not content_types:
        return Hooks()
    accepts = matcher(content_types)

    def admit(exchange: Exchange) -> None:
        request = exchange.request
        if too_large(request.body_length, limit):
            detail = f"{request.body_length} octets announced, {limit} allowed"
            raise FailureError(Failure(BODY_TOO_LARGE, detail))
        if content_types and request.has_body and not accepts(essence(request.first("content-type"))):
            raise FailureError(media_type_refused(request, content_types))

    return Hooks(admit=admit)
