"""Trace context: whose trace an exchange continues, whether it is sampled, and what its upstream is told of it.

W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context-1/), with the keys of level 2 in ``tracestate``.
"""

import os
import re

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.fields import remove_field, set_field
from gateway.exchange.message import Fields
from gateway.exchange.route import Route
from gateway.exchange.trace import Trace, TraceRule
from gateway.policy.hooks import Hooks

_PARENT = re.compile("([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.S)
_STATE_KEY = re.compile(r"[a-z0-9][a-z0-9_\-*/@]{0,255}")
_STATE_VALUE = re.compile(r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")
_MOST_MEMBERS = 32
_MOST_STATE_CHARACTERS = 512
"""What everybody has to pass on, if it can be (section 3.3.1.5); we pass on no more."""
_LARGE_MEMBER_CHARACTERS = 128
"""Members that are longer go first."""
_SAMPLED = 0x01
_LOW_64_BITS = 2**64

ACTS_ON = ("tracing.endpoint", "tracing.trust", "tracing.propagate", "tracing.sample")
"""The settings that decide what it does, as a route sees them."""


def parse_traceparent(value: str) -> tuple[str, str, bool] | None:
    """Return trace id, the caller's span id and whether the caller sampled; None for what must be ignored.

    Of a version that we do not know the beginning is read as if it were 00 (section 4.3); ff is none.
    """
    match = _PARENT.fullmatch(value)
    if match is None:
        return None
    version, trace_id, parent_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more is not None):
        return None
    if not trace_id.strip("0") or not parent_id.strip("0"):
        return None
    return trace_id, parent_id, bool(int(flags, 16) & _SAMPLED)


def parse_tracestate(values: list[str]) -> str:
    """Return the members of all ``tracestate`` fields as one value; empty where they are not to be passed on.

    One bad member, a key that is there twice, or more than 32 members make all of it bad (section 3.3.1). Of more than
    512 characters, long members are dropped first, then the last ones.
    """
    members = [stripped for value in values for member in value.split(",") if (stripped := member.strip(" \t"))]
    if len(members) > _MOST_MEMBERS:
        return ""
    keys = set()
    for member in members:
        key, _, text = member.partition("=")
        if key in keys or not _STATE_KEY.fullmatch(key) or not _STATE_VALUE.fullmatch(text):
            return ""
        keys.add(key)
    if len(",".join(members)) > _MOST_STATE_CHARACTERS:
        members = [member for member in members if len(member) <= _LARGE_MEMBER_CHARACTERS]
    while len(state := ",".join(members)) > _MOST_STATE_CHARACTERS:
        members.pop()
    return state


def format_traceparent(trace_id: str, span_id: str, sampled: bool) -> str:
    """Return the value that makes ``span_id`` the parent of what the upstream does."""
    return f"00-{trace_id}-{span_id}-{'01' if sampled else '00'}"


def sampled(trace_id: str, share: float) -> bool:
    """Say whether a trace that begins here belongs to the ``share`` of all: by its id, so that others agree."""
    return int(trace_id[16:], 16) < share * _LOW_64_BITS


def begin(fields: Fields, rule: TraceRule, *, trusted_peer: bool) -> Trace:
    """Return the trace of an exchange: the caller's, where it says a valid one and is believed, else a new one."""
    caller = None
    if rule.trust == "all" or (rule.trust == "trusted_peers" and trusted_peer):
        parents = [value for name, value in fields if name.lower() == "traceparent"]
        caller = parse_traceparent(parents[0].strip(" \t")) if len(parents) == 1 else None
    if caller is None:
        trace_id = _fresh(16)
        return Trace(trace_id, _fresh(8), None, sampled(trace_id, rule.sample))
    trace_id, parent_id, is_sampled = caller
    state = parse_tracestate([value for name, value in fields if name.lower() == "tracestate"])
    return Trace(trace_id, _fresh(8), parent_id, is_sampled, state)


def trace_of(exchange: Exchange, rule: TraceRule) -> Trace:
    """Return the trace of an exchange, found out when it is first asked for."""
    if exchange.trace is None:
        exchange.trace = begin(exchange.request.fields, rule, trusted_peer=exchange.trusted_peer)
    return exchange.trace


def hooks(route: Route) -> Hooks:
    """Give each attempt a span of its own, and tell the upstream, in the place of what the client said."""
    rule = route.tracing
    if rule is None:
        return Hooks()

    def prepare(exchange: Exchange, attempt: Attempt) -> None:
        trace = trace_of(exchange, rule)
        attempt.span_id = _fresh(8)
        if not rule.propagate:
            return
        fields = attempt.fields = attempt.fields or []
        set_field(fields, "traceparent", format_traceparent(trace.trace_id, attempt.span_id, trace.sampled))
        if trace.state:
            set_field(fields, "tracestate", trace.state)
        else:
            remove_field(fields, "tracestate")

    return Hooks(prepare=prepare)


def _fresh(octets: int) -> str:
    """Return a random id that is not zero."""
    made = os.urandom(octets).hex()
    return made if made.strip("0") else _fresh(octets)
