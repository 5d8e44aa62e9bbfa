"""What a route does beyond relaying: one file for each behaviour, its mechanism first, then its hooks."""

from collections.abc import Callable

from gateway.exchange.route import Route
from gateway.policy import (
    addresses,
    caller_credential,
    callers,
    compression,
    convert,
    cors,
    credentials,
    error_frames,
    forwarding,
    fresh_connection,
    header_rules,
    hedge,
    host,
    mark_behind_pings,
    plain_coding,
    request_id,
    request_limits,
    retry,
    safe_target,
    target,
    trace_context,
)
from gateway.policy.hooks import Hooks

ORDER: tuple[Callable[[Route], Hooks], ...] = (
    safe_target.hooks,  # first: nothing else should look at a target that lies about where it leads
    addresses.hooks,  # before anybody is asked who they are: from there nobody may even try
    cors.hooks,  # before authentication: a preflight has no credentials
    callers.hooks,  # before anything is told, spent or counted: strangers learn nothing but that they are
    request_limits.hooks,  # refuses by the announcement alone, before anything is spent on the request
    host.hooks,  # the first line of the head that goes up
    target.hooks,  # after the endpoint is known; does not look at fields
    caller_credential.hooks,  # after the target is known, before anybody adds fields of their own
    forwarding.hooks,  # tells the upstream about the client as it really came, after Host was replaced
    header_rules.hooks,  # the operator's last word, after what is said of the way; the id behind it stays
    plain_coding.hooks,  # after the rules, which could bring a coding back; what the gateway reads must be readable
    request_id.hooks,  # near the end, so that no other policy removes it; on the reply only if the upstream has none
    trace_context.hooks,  # likewise near the end, and before anybody signs: the upstream must see this very attempt
    convert.hooks,  # asks for the upstream's own format; nearest to the upstream of all that stand in the stream
    hedge.hooks,  # decides about a second attempt when all that is asked of the first is known
    credentials.hooks,  # behind all that change the head: it signs what goes up, and a client's line must not follow
    fresh_connection.hooks,  # judges what no configured retry has to know: the race of an idle connection's close
    retry.hooks,  # after the repair that costs no try; what ends an attempt for good is judged before it
    mark_behind_pings.hooks,  # near the upstream, where a mark at the start of its body still is one
    error_frames.hooks,  # behind every stage that may fail, so that it can tell of it in what the client reads
    compression.hooks,  # last: the outermost stage, so that all that others put into the stream is compressed too
)
"""The policies of every route, in the order in which each phase calls them."""
