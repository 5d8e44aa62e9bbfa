"""The record of an exchange."""

from support.exchanges import a_reply, a_request, a_route, an_attempt, an_exchange

from gateway.exchange.failure import CLIENT_GONE, CONNECT_REFUSED, Failure
from gateway.exchange.identity import Identity
from gateway.exchange.marks import Marks, Usage
from gateway.exchange.outcome import Outcome
from gateway.observe.record import record_of


def test_record_tells_who_asked_what_was_tried_and_who_ended_it() -> None:
    """All of it in one value that holds on to nothing of the exchange."""
    exchange = an_exchange(a_request(target="/demo?key=s3cret"), a_route())
    exchange.identity = Identity("tenant-a", "key")
    refused, last = an_attempt(), an_attempt()
    refused.started, refused.ended, refused.failure = 100.0, 100.25, Failure(CONNECT_REFUSED, "port 9")
    last.started, last.ended, last.status, last.reused = 100.5, 101.0, 200, True
    exchange.attempts += [refused, last]
    exchange.reply = a_reply()
    exchange.marks = Marks("openai", frames=7, usage=Usage(1, None, 3))
    exchange.first_frame_at, exchange.stalls, exchange.pings, exchange.relayed_bytes = 101.5, 2, 4, 99
    exchange.converted = "text/csv"
    exchange.fail(Failure(CLIENT_GONE, "FIN"))
    exchange.outcome, exchange.finished_at = Outcome.CLIENT_GONE, 102.0

    record = record_of(exchange, 1_700_000_000.5)

    assert (record.time, record.principal, record.target) == (1_700_000_000.5, "tenant-a", "/demo?key=***")
    assert (record.outcome, record.failure, record.side) == ("client_gone", "client_gone", "downstream")
    assert [(each.failure, each.detail, each.status, each.reused) for each in record.tries] == [
        ("connect_refused", "port 9", None, False),
        (None, None, 200, True),
    ]
    assert [(each.started_ms, each.ended_ms) for each in record.tries] == [(0.0, 250.0), (500.0, 1000.0)]
    assert (record.frames, record.first_frame_ms, record.stalls, record.pings) == (7, 1500.0, 2, 4)
    assert (record.prompt_tokens, record.completion_tokens, record.total_tokens) == (1, None, 3)
    assert (record.bytes_down, record.total_ms, record.converted) == (99, 2000.0, "text/csv")


def test_stream_that_told_no_cost_has_no_tokens() -> None:
    """The line keeps its three keys for streams that did."""
    exchange = an_exchange()
    exchange.marks = Marks("sse")
    assert record_of(exchange, 0.0).has_usage is False
    exchange.marks = Marks("sse", usage=Usage(None, 0, None))
    assert record_of(exchange, 0.0).has_usage is True
