"""Ask the upstream for bodies without a content coding, where the gateway itself works on what they say."""

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.fields import set_field
from gateway.exchange.route import Route
from gateway.policy.hooks import Hooks

ACTS_ON = ("compression.codings",)
"""The settings that decide what it does, as a route sees them."""


def needs_plain(route: Route) -> bool:
    """Say whether ``route`` works on the octets of its answers."""
    return bool(route.compression.codings)


def hooks(route: Route) -> Hooks:
    """Replace what the client accepts (RFC 9110 section 12.5.3): the gateway is the one who reads."""
    if not needs_plain(route):
        return Hooks()

    def prepare(exchange: Exchange, attempt: Attempt) -> None:
        attempt.fields = attempt.fields or []
        set_field(attempt.fields, "Accept-Encoding", "identity")

    return Hooks(prepare=prepare)
