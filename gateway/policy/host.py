"""Which Host an attempt carries: the endpoint's own, or the client's where the upstream wants it."""

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.fields import remove_field
from gateway.exchange.message import Fields
from gateway.exchange.route import Route
from gateway.policy.hooks import Hooks

ACTS_ON = ("upstream.keep_host",)
"""The settings that decide what it does, as a route sees them."""


def with_host(fields: Fields, authority: str) -> Fields:
    """Return ``fields`` with exactly one Host, as the first line (RFC 9110 section 7.2)."""
    result = [("Host", authority), *fields]
    rest = result[1:]
    remove_field(rest, "host")
    result[1:] = rest
    return result


def hooks(route: Route) -> Hooks:
    """Name the endpoint; with ``keep_host`` what the client named, if it named one."""
    keep = route.upstream.keep_host

    def prepare(exchange: Exchange, attempt: Attempt) -> None:
        kept = exchange.request.authority if keep else ""
        attempt.fields = with_host(attempt.fields or [], kept or attempt.endpoint.authority)

    return Hooks(prepare=prepare)
