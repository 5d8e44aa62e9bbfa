"""What a route does beyond relaying: one file for each behaviour, its mechanism first, then its hooks."""

from collections.abc import Callable

from gateway.exchange.route import Route
from gateway.policy import (
    credentials,
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
    request_limits.hooks,  # refuses by the announcement alone, before anything is spent on the request
    host.hooks,  # the first line of the head that goes up
    target.hooks,  # after the endpoint is known; does not look at fields
    forwarding.hooks,  # tells the upstream about the client as it really came, after Host was replaced
    request_id.hooks,  # near the end, so that no other policy removes it; on the reply only if the upstream has none
    credentials.hooks,  # behind all that change the head: it signs what goes up, and a client's line must not follow
    fresh_connection.hooks,  # judges what no configured retry has to know: the race of an idle connection's close
    retry.hooks,  # after the repair that costs no try; what ends an attempt for good is judged before it
)
"""The policies of every route, in the order in which each phase calls them."""
