"""Trace context: what is read, what is ignored, who is believed, and what goes up."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exchanges import a_request, a_route, an_attempt, an_exchange

from gateway.exchange.trace import TraceRule
from gateway.policy.trace_context import (
    begin,
    format_traceparent,
    hooks,
    parse_traceparent,
    parse_tracestate,
    sampled,
    trace_of,
)

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
RULE = TraceRule(1.0, "all", True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (PARENT, (TRACE, SPAN, True)),
        (f"00-{TRACE}-{SPAN}-00", (TRACE, SPAN, False)),
        (f"00-{TRACE}-{SPAN}-03", (TRACE, SPAN, True)),
        (f"00-{TRACE}-{SPAN}-fe", (TRACE, SPAN, False)),
        (f"01-{TRACE}-{SPAN}-01", (TRACE, SPAN, True)),
        (f"fe-{TRACE}-{SPAN}-01-more-to-come", (TRACE, SPAN, True)),
        (f"cc-{TRACE}-{SPAN}-01-", (TRACE, SPAN, True)),
        (f"cc-{TRACE}-{SPAN}-01.", None),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"00-{TRACE}-{SPAN}-01-", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN.upper()}-01", None),
        (f"0-{TRACE}-{SPAN}-01", None),
        (f"00-{TRACE[:-1]}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}0-01", None),
        (f"00-{TRACE}-{SPAN}-1", None),
        (f"00-{TRACE}-{SPAN}-0x", None),
        (f"00-{TRACE}-{SPAN}", None),
        (f"00_{TRACE}_{SPAN}_01", None),
        (f" {PARENT}", None),
        (f"{PARENT}\n", None),
        (f"{PARENT},{PARENT}", None),
        ("", None),
    ],
)
def test_traceparent_is_read_by_its_grammar(value: str, expected: tuple[str, str, bool] | None) -> None:
    """Section 3.2 of Trace Context; of later versions the known beginning, and of ff nothing."""
    assert parse_traceparent(value) == expected


@given(st.text(max_size=80))
def test_fuzz_traceparent_is_valid_or_nothing(value: str) -> None:
    """Whatever comes, what is taken can be written and read again."""
    found = parse_traceparent(value)
    assert found is None or parse_traceparent(format_traceparent(*found)) == found


LONG = f"long={'x' * 200}"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], ""),
        (["a=1"], "a=1"),
        (["a=1,b=2", "c=3"], "a=1,b=2,c=3"),
        ([" a=1 ,\tb=2"], "a=1,b=2"),
        (["a=1,,b=2,"], "a=1,b=2"),
        (["tenant@vendor=x y"], "tenant@vendor=x y"),
        (["0key=1"], "0key=1"),
        (["a=1,a=2"], ""),
        (["a=1", "a=2"], ""),
        (["A=1"], ""),
        (["a"], ""),
        (["a="], ""),
        (["a=b=c"], ""),
        (["a=\x7f"], ""),
        (["a=\xe9"], ""),
        (["=1"], ""),
        ([f"{'k' * 257}=1"], ""),
        ([f"{'k' * 256}=1"], f"{'k' * 256}=1"),
        ([f"a={'x' * 257}"], ""),
        ([",".join(f"k{n}=1" for n in range(32))], ",".join(f"k{n}=1" for n in range(32))),
        ([",".join(f"k{n}=1" for n in range(33))], ""),
        ([f"a=1,{LONG},{LONG.replace('long', 'longer')},{LONG.replace('long', 'other')},b=2"], "a=1,b=2"),
        (
            [",".join(f"k{n}={'x' * 50}" for n in range(12))],
            ",".join(f"k{n}={'x' * 50}" for n in range(9)),
        ),
    ],
)
def test_tracestate_is_passed_on_whole_or_not_at_all(values: list[str], expected: str) -> None:
    """One bad member makes all bad; of too much, long members go first, then the last ones."""
    assert parse_tracestate(values) == expected


@pytest.mark.parametrize(
    ("trust", "trusted_peer", "continued"),
    [
        ("all", False, True),
        ("all", True, True),
        ("trusted_peers", True, True),
        ("trusted_peers", False, False),
        ("none", True, False),
    ],
)
def test_only_who_is_believed_has_its_trace_continued(trust: str, trusted_peer: bool, continued: bool) -> None:
    """Of others neither the ids count, nor what they want sampled, nor their state."""
    fields = [("TraceParent", PARENT), ("tracestate", "a=1")]
    trace = begin(fields, TraceRule(0.0, trust, True), trusted_peer=trusted_peer)
    assert (trace.trace_id == TRACE) is (trace.parent_id == SPAN) is (trace.state == "a=1") is continued
    assert trace.sampled is continued
    assert trace.span_id != SPAN


def test_two_parents_are_none() -> None:
    """Nobody can say which one is meant, so a new trace begins, without the state of either."""
    trace = begin([("traceparent", PARENT), ("traceparent", PARENT), ("tracestate", "a=1")], RULE, trusted_peer=False)
    assert (trace.parent_id, trace.state) == (None, "")


@pytest.mark.parametrize("share", [1.0, 0.0])
def test_caller_decides_what_is_sampled_of_its_trace(share: float) -> None:
    """The share is about traces that begin here."""
    for flags, expected in (("01", True), ("00", False)):
        fields = [("traceparent", f"00-{TRACE}-{SPAN}-{flags}")]
        assert begin(fields, TraceRule(share, "all", True), trusted_peer=False).sampled is expected


def test_share_is_kept_among_new_traces() -> None:
    """All, none, or about as many as it says; and the same id always gets the same answer."""
    ids = [begin([], RULE, trusted_peer=False).trace_id for _ in range(2000)]
    assert len(set(ids)) == 2000
    assert all(sampled(each, 1.0) for each in ids)
    assert not any(sampled(each, 0.0) for each in ids)
    assert 350 < sum(sampled(each, 0.25) for each in ids) < 650
    assert not sampled("0" * 16 + "8" + "0" * 15, 0.5)
    assert sampled("0" * 16 + "7" + "f" * 15, 0.5)


def test_upstream_gets_the_span_of_each_attempt_in_place_of_the_clients() -> None:
    """One line each, whatever the client sent; the trace stays the same from attempt to attempt."""
    sent = [("Traceparent", PARENT), ("Tracestate", "a=1"), ("x", "y"), ("tracestate", "b=2")]
    route = a_route()
    route = replace(route, tracing=RULE)
    exchange = an_exchange(a_request(fields=list(sent)), route)
    prepare = hooks(route).prepare
    assert prepare is not None
    spans = []
    for _ in range(2):
        attempt = an_attempt(list(sent))
        prepare(exchange, attempt)
        assert attempt.span_id is not None
        spans.append(attempt.span_id)
        assert attempt.fields == [
            ("traceparent", f"00-{TRACE}-{attempt.span_id}-01"),
            ("tracestate", "a=1,b=2"),
            ("x", "y"),
        ]
    assert exchange.trace is trace_of(exchange, RULE)
    assert len({*spans, SPAN, exchange.trace.span_id}) == 4


def test_state_of_a_caller_that_is_not_believed_does_not_go_up() -> None:
    """It belongs to another trace."""
    route = a_route()
    rule = TraceRule(0.0, "none", True)
    route = replace(route, tracing=rule)
    prepare = hooks(route).prepare
    attempt = an_attempt([("tracestate", "a=1"), ("traceparent", PARENT)])
    assert prepare is not None
    exchange = an_exchange(a_request(fields=list(attempt.fields or [])), route)
    prepare(exchange, attempt)
    assert exchange.trace is not None
    assert attempt.fields == [("traceparent", f"00-{exchange.trace.trace_id}-{attempt.span_id}-00")]


def test_propagation_that_is_off_leaves_the_clients_lines_alone() -> None:
    """They pass as any other field does; the attempt has its span all the same."""
    route = a_route()
    rule = TraceRule(1.0, "all", False)
    route = replace(route, tracing=rule)
    prepare = hooks(route).prepare
    attempt = an_attempt([("traceparent", PARENT)])
    assert prepare is not None
    prepare(an_exchange(a_request(), route), attempt)
    assert attempt.fields == [("traceparent", PARENT)]
    assert attempt.span_id


def test_route_without_tracing_has_no_hook() -> None:
    """What is off is not even asked."""
    assert hooks(a_route()).prepare is None
