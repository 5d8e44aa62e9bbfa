"""A path never leads out of its route, whatever a reader behind us makes of its dot segments (RFC 9110 section 7.7)."""

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import TARGET_REFUSED, Failure, FailureError
from gateway.exchange.path import below, escapes, prefix_segments, split_query
from gateway.exchange.route import Route
from gateway.policy.hooks import Hooks

ACTS_ON = ("path",)
"""The settings that decide what it does, as a route sees them."""


def stays_inside(target: str, prefix_length: int) -> bool:
    """Say whether ``target`` stays below its first ``prefix_length`` segments for every reader."""
    path, _ = split_query(target)
    return not escapes(below(path, prefix_length))


def hooks(route: Route) -> Hooks:
    """Refuse targets that could leave the route's prefix."""
    prefix_length = len(prefix_segments(route.path))

    def admit(exchange: Exchange) -> None:
        if not stays_inside(exchange.request.target, prefix_length):
            raise FailureError(Failure(TARGET_REFUSED, f"dot segments lead out of {route.path}"))

    return Hooks(admit=admit)
