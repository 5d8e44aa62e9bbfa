"""What a route does beyond relaying: one file for each behaviour, its mechanism first, then its hooks."""

from collections.abc import Callable

from gateway.exchange.route import Route
from gateway.policy import (
    caller_credential,
    callers,
    forwarding,
    fresh_connection,
    host,
    request_id,
    request_limits,
    retry,
    safe_target,
    target,
)
from gateway.policy.hooks import Hooks

ORDER: tuple[Callable[[Route], Hooks], ...] = (
    safe_target.hooks,  # first: nothing else should look at a target that lies about where it leads
    callers.hooks,  # before anything is told, spent or counted: strangers learn nothing but that they are
    request_limits.hooks,  # refuses by the announcement alone, before anything is spent on the request
    host.hooks,  # the first line of the head that goes up
    target.hooks,  # after the endpoint is known; does not look at fields
    caller_credential.hooks,  # after the target is known, before anybody adds fields of their own
    forwarding.hooks,  # tells the upstream about the client as it really came, after Host was replaced
    request_id.hooks,  # near the end, so that no other policy removes it; on the reply only if the upstream has none
    fresh_connection.hooks,  # judges what no configured retry has to know: the race of an idle connection's close
    retry.hooks,  # after the repair that costs no try; what ends an attempt for good is judged before it
)
"""The policies of every route, in the order in which each phase calls them."""
