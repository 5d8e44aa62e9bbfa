"""Spans of ended exchanges: when they begin and end, what they say, and what is an error."""

import pytest
from support.exchanges import ENDPOINT, a_request, a_route, an_attempt, an_exchange
from support.records import END
from support.tracing import TRACE, a_try, an_ended, decoded

from gateway.observe.record import record_of
from gateway.tracing.ended import ended
from gateway.tracing.otlp import Batch, refused_spans
from gateway.tracing.spans import spans_of

END_NS = round(END * 1e9)
MS = 1_000_000


def test_times_count_back_from_the_end() -> None:
    """The wall clock is read once; all else is measured by the monotonic one."""
    own, attempt = spans_of(an_ended(total_ms=40.0, first_byte_ms=12.5, head_ms=12.0))
    assert (own.start_ns, own.end_ns) == (END_NS - 40 * MS, END_NS)
    assert (attempt.start_ns, attempt.end_ns) == (END_NS - 40 * MS + 400_000, END_NS)
    assert [(event.name, event.at_ns - own.start_ns) for event in own.events] == [
        ("slowgate.head", 12_000_000),
        ("slowgate.first_byte", 12_500_000),
    ]


def test_spans_hang_together() -> None:
    """The caller's span, ours, the attempt's."""
    own, attempt = spans_of(an_ended())
    assert (own.span_id, own.parent_id, own.remote_parent, own.server) == (TRACE.span_id, TRACE.parent_id, True, True)
    assert (attempt.parent_id, attempt.remote_parent, attempt.server) == (TRACE.span_id, False, False)


FAILED = {"outcome": "failed", "failure": "connect_refused", "side": "upstream", "detail": "nobody"}
CUT = {"outcome": "truncated", "failure": "body_cut", "side": "upstream"}
GONE = {"outcome": "client_gone", "failure": "client_gone", "side": "downstream"}
OK = a_try(1, 2, 200)


@pytest.mark.parametrize(
    ("members", "faults"),
    [
        ({}, [None, None]),
        ({"tries": (a_try(1, 2, 404),)}, [None, "404"]),
        ({"tries": (a_try(1, 2, 503),), "status": 503}, [None, "503"]),
        ({**CUT, "tries": (OK,)}, ["body_cut", "body_cut"]),
        ({**FAILED, "tries": (a_try(1, 2, None, "connect_refused"),)}, ["connect_refused: nobody", "connect_refused"]),
        ({**GONE, "tries": (OK,)}, [None, None]),
        ({**GONE, "tries": (a_try(1, None),)}, [None, None]),
        ({"outcome": "drained", "failure": "drained", "side": "gateway", "tries": (OK,)}, [None, None]),
        ({"outcome": "broken", "failure": "internal", "side": "gateway", "tries": (OK,)}, ["internal", None]),
        ({"outcome": "rejected", "failure": "no_route", "side": "downstream", "tries": ()}, [None]),
        ({"tries": (a_try(1, 9, None, "superseded"), a_try(4, 8, 200, hedging=True))}, [None, None, None]),
        ({"tries": (a_try(1, 3, None, "first_byte_timeout"), a_try(4, 8, 200))}, [None, "first_byte_timeout", None]),
    ],
)
def test_error_is_whose_fault_it_is(members: dict[str, object], faults: list[str | None]) -> None:
    """Of the exchange where the log's level is error; of an attempt where its upstream failed or said so."""
    made = spans_of(an_ended(**members))  # type: ignore[arg-type]
    assert [span.fault for span in made] == faults
    assert ["error.type" in span.attributes for span in made] == [fault is not None for fault in faults]


def test_only_the_attempt_that_counts_lasts_until_the_end() -> None:
    """Another one ended when its failure, or its status, was there; one that never ended lasts, too."""
    tries = (a_try(1, 3, 503), a_try(5, 9, None, "connect_refused"), a_try(10, 12, 200))
    own, *below = spans_of(an_ended(tries=tries, total_ms=40.0))
    assert [(span.end_ns - own.start_ns) // MS for span in below] == [3, 9, 40]
    (_, endless) = spans_of(an_ended(**GONE, tries=(a_try(1, None),), total_ms=40.0))  # type: ignore[arg-type]
    assert endless.end_ns == END_NS


def test_retries_and_stalls_are_events_with_their_times() -> None:
    """In the order in which they were, whatever order they are kept in."""
    tries = (a_try(1, 3, 503), a_try(5, 9, 200))
    own, _, second = spans_of(
        an_ended(tries=tries, head_ms=9.0, first_byte_ms=9.0, stalls=((30.0, 20.0),), total_ms=40.0)
    )
    assert [(event.name, (event.at_ns - own.start_ns) // MS) for event in own.events] == [
        ("slowgate.retry", 5),
        ("slowgate.head", 9),
        ("slowgate.first_byte", 9),
        ("slowgate.stall", 30),
    ]
    assert own.events[0].attributes["slowgate.after"] == "503"
    assert own.events[-1].attributes == {"slowgate.gap_ms": 20.0}
    assert second.attributes["http.request.resend_count"] == 1


USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


@pytest.mark.parametrize(
    ("format", "target", "operation"),
    [
        ("openai", "/v1/chat/completions?x=***", "chat"),
        ("openai", "/v1/completions", "text_completion"),
        ("openai", "/v1/responses", "chat"),
        ("anthropic", "/v1/messages", "chat"),
        ("openai", "/v1/else", None),
    ],
)
def test_tokens_stand_on_the_attempt_by_the_names_of_the_conventions(
    format: str, target: str, operation: str | None
) -> None:
    """What the path does not say is left out."""
    _, attempt = spans_of(an_ended(format=format, target=target, **USAGE))  # type: ignore[arg-type]
    found = {name: value for name, value in attempt.attributes.items() if name.startswith("gen_ai.")}
    expected = {
        "gen_ai.provider.name": format,
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 4,
    }
    assert found == expected | ({} if operation is None else {"gen_ai.operation.name": operation})


def test_stream_that_told_no_tokens_says_nothing_of_them() -> None:
    """Nor one of another kind."""
    for members in ({"format": "openai"}, {"format": "ndjson", **USAGE}):
        _, attempt = spans_of(an_ended(**members))  # type: ignore[arg-type]
        assert not any(name.startswith("gen_ai.") for name in attempt.attributes)


@pytest.mark.parametrize(
    ("authority", "address", "port"),
    [
        ("example.com", "example.com", None),
        ("example.com:8080", "example.com", 8080),
        ("[::1]:80", "::1", 80),
        ("[::1]", "::1", None),
        ("", None, None),
        ("x:999999", "x", None),
        ("x:port", "x", None),
    ],
)
def test_host_field_becomes_address_and_port(authority: str, address: str | None, port: int | None) -> None:
    """Whatever a client wrote there."""
    (own, *_) = spans_of(an_ended()._replace(authority=authority))
    assert (own.attributes.get("server.address"), own.attributes.get("server.port")) == (address, port)


def test_unknown_method_does_not_become_a_name() -> None:
    """Names of spans are few; what was asked is told beside it."""
    own, _ = spans_of(an_ended(method="X" * 64))
    assert own.name == "HTTP demo"
    assert own.attributes["http.request.method"] == "_OTHER"
    assert own.attributes["http.request.method_original"] == "X" * 64


def test_message_says_what_the_spans_say() -> None:
    """Ids, state, flags, status, kinds and types of values, also of text that is no Unicode."""
    batch = Batch((("service.name", "x"),))
    batch.add([an_ended(**CUT, detail="half \udcff", queued_ms=1.5)])  # type: ignore[arg-type]
    own, attempt = decoded(batch.octets())
    assert (own.trace_id, own.span_id, own.parent_id, own.state) == (
        TRACE.trace_id,
        TRACE.span_id,
        TRACE.parent_id,
        TRACE.state,
    )
    assert (own.flags, attempt.flags) == (0x301, 0x101)
    assert (own.failed, own.message) == (True, "body_cut: half ?")
    assert own.attributes["slowgate.queued_ms"] == 1.5
    assert attempt.attributes["slowgate.reused"] is False


def test_what_is_kept_holds_no_value_of_a_query() -> None:
    """Nor anything of the request's fields."""
    exchange = an_exchange(a_request(target="/demo?key=s3cret", fields=[("Authorization", "s3cret")]), a_route())
    attempt = an_attempt()
    attempt.target, attempt.span_id, attempt.started = "/base/x?key=s3cret", "1" * 16, 101.0
    exchange.attempts.append(attempt)
    exchange.finished_at, exchange.stalled = 103.0, ((102.0, 0.5),)
    kept = ended(exchange, record_of(exchange, END), TRACE)
    assert "s3cret" not in repr(kept)
    assert ENDPOINT.base_path and ENDPOINT.base_path not in repr(kept), "a base path may be somebody's key"
    assert kept.stalls == ((2000.0, 500.0),)


def test_answer_of_a_receiver_that_is_no_message_refuses_nothing() -> None:
    """Some answer with a page, or with nothing."""
    assert refused_spans(b"") == (0, "")
    assert refused_spans(b"<html>not found</html>") == (0, "")
