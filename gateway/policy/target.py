"""What an attempt asks for: the route's prefix replaced, the endpoint's base path in front."""

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.route import Route
from gateway.exchange.target import upstream_target
from gateway.policy.hooks import Hooks

ACTS_ON = ("strip_prefix", "rewrite")
"""The settings that decide what it does, as a route sees them."""


def hooks(route: Route) -> Hooks:
    """Set each attempt's target from the request's, for the endpoint it goes to."""

    def prepare(exchange: Exchange, attempt: Attempt) -> None:
        attempt.target = upstream_target(
            exchange.request.target, route.strip_prefix, route.rewrite, attempt.endpoint.base_path
        )

    return Hooks(prepare=prepare)
