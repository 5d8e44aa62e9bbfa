"""How large a request may be, as far as it says so itself; a chunked body is counted while it is read."""

from gateway.config.units import SizeOrOff
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import BODY_TOO_LARGE, Failure, FailureError
from gateway.exchange.route import Route
from gateway.policy.hooks import Hooks
from gateway.policy.quotas import QuotaSettings

ACTS_ON = ("limits.max_request_body",)
"""The settings that decide what it does, as a route sees them."""


class LimitsSettings(QuotaSettings):
    """How much an exchange may take, and how many may be under way at once."""

    max_request_body: SizeOrOff = None
    """Octets that the body of a request may have; larger ones get 413. Size or "off". Default "off".
    Bodies are streamed, so that a large one costs time and not memory."""

    def compiled(self) -> dict[str, object]:
        """Return the fields of a `Route` that follow from these settings."""
        return {"max_request_body": self.max_request_body, **super().compiled()}


def too_large(body_length: int | None, limit: int | None) -> bool:
    """Say whether a body of ``body_length`` octets (None: not known yet) is above ``limit`` octets (None: no limit)."""
    return body_length is not None and limit is not None and body_length > limit


def hooks(route: Route) -> Hooks:
    """Refuse announced bodies above ``max_request_body`` before a single octet of them is read."""
    limit = route.max_request_body
    if limit is None:
        return Hooks()

    def admit(exchange: Exchange) -> None:
        length = exchange.request.body_length
        if too_large(length, limit):
            raise FailureError(Failure(BODY_TOO_LARGE, f"{length} octets announced, {limit} allowed"))

    return Hooks(admit=admit)
