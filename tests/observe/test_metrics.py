"""What an exchange adds to the metrics, and when."""

from collections.abc import Callable

import pytest
from support.exchanges import a_reply, a_request, a_route, an_attempt, an_exchange

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import BODY_CUT, CLIENT_GONE, CONNECT_REFUSED, NO_ROUTE, Failure
from gateway.exchange.marks import Marks, Usage
from gateway.exchange.message import Source
from gateway.exchange.outcome import Outcome
from gateway.observe import families as f
from gateway.observe.metrics import Metrics, open_exchanges, status_label

SERIES = ("demo", "demo")
ENDPOINT = "http://127.0.0.1:9000"


def ended(outcome: Outcome = Outcome.COMPLETE, status: int = 200) -> Exchange:
    """Return an exchange that was relayed and has ended so."""
    exchange = an_exchange(a_request(), a_route())
    attempt = an_attempt()
    attempt.status, attempt.ended = status, 100.2
    exchange.attempts.append(attempt)
    exchange.reply = a_reply(status)
    exchange.head_at = exchange.committed_at = 100.2
    exchange.first_byte_at, exchange.finished_at = 100.3, 107.0
    exchange.chunks, exchange.relayed_bytes, exchange.received_bytes = 3, 300, 20
    exchange.longest_gap_seconds = 4.0
    exchange.outcome = outcome
    return exchange


def counted(*exchanges: Exchange) -> Metrics:
    """Return the metrics once they have ended."""
    metrics = Metrics()
    for exchange in exchanges:
        metrics.finish(exchange)
    return metrics


def sums(metrics: Metrics, family: f.Family) -> dict[tuple[str, ...], float]:
    """Return a histogram's sums; each series must have as many values as it says."""
    return {labels: round(row[-1], 6) for labels, row in metrics.table.histograms.get(family.name, {}).items()}


def test_a_whole_relay_counts_once_everywhere() -> None:
    """Its end, its octets, its attempt, and each of its times from the request on."""
    metrics = counted(ended())

    assert metrics.table.counters == {
        f.EXCHANGES.name: {(*SERIES, "complete", "200"): 1},
        f.RESPONSE_BYTES.name: {SERIES: 300},
        f.REQUEST_BYTES.name: {SERIES: 20},
        f.CHUNKS.name: {SERIES: 3},
        f.ATTEMPTS.name: {("demo", ENDPOINT, "2xx"): 1},
    }
    assert {family.name: sums(metrics, family) for family in f.FAMILIES if sums(metrics, family)} == {
        f.HEAD_SECONDS.name: {SERIES: 0.2},
        f.FIRST_BYTE_SECONDS.name: {SERIES: 0.3},
        f.LONGEST_GAP_SECONDS.name: {SERIES: 4.0},
        f.DURATION_SECONDS.name: {SERIES: 7.0},
    }


@pytest.mark.parametrize("outcome", Outcome, ids=lambda outcome: outcome.value)
def test_each_outcome_counts_exactly_once(outcome: Outcome) -> None:
    """There is no end that is not counted, and none that is counted twice."""
    assert counted(ended(outcome)).table.counters[f.EXCHANGES.name] == {(*SERIES, outcome.value, "200"): 1}


def test_what_met_no_route_has_empty_labels() -> None:
    """Ten thousand paths that nobody configured are one series."""
    exchanges = [an_exchange(a_request(target=f"/odd/{number}", method=f"M{number}")) for number in range(100)]
    for exchange in exchanges:
        exchange.fail(Failure(NO_ROUTE))
        exchange.reply = a_reply(404, source=Source.LOCAL)
        exchange.outcome, exchange.committed_at, exchange.finished_at = Outcome.REJECTED, 100.0, 100.0
    metrics = counted(*exchanges)

    assert metrics.table.counters[f.EXCHANGES.name] == {("", "", "rejected", "404"): 100}
    assert metrics.table.counters[f.FAILURES.name] == {("", "", "no_route", "gateway"): 100}
    assert f.HEAD_SECONDS.name not in metrics.table.histograms


@pytest.mark.parametrize(
    ("status", "expected"), [(None, "none"), (200, "200"), (504, "504"), (299, "2xx"), (777, "7xx"), (999, "9xx")]
)
def test_a_status_that_is_not_registered_counts_as_its_class(status: int | None, expected: str) -> None:
    """An upstream may send any three digits; it must not make a series with each."""
    assert status_label(status) == expected


def _gone(exchange: Exchange) -> None:
    exchange.fail(Failure(CLIENT_GONE))
    exchange.outcome, exchange.committed_at, exchange.head_at = Outcome.CLIENT_GONE, None, None
    exchange.attempts[-1].ended = None


def _retried(exchange: Exchange) -> None:
    before = an_attempt()
    before.failure = Failure(CONNECT_REFUSED)
    exchange.attempts.insert(0, before)


def _hedged(exchange: Exchange) -> None:
    beside = an_attempt()
    beside.hedging = True
    exchange.attempts.append(beside)
    exchange.hedged = "lost"


def _told(**fields: object) -> Callable[[Exchange], None]:
    def tell(exchange: Exchange) -> None:
        for name, value in fields.items():
            setattr(exchange, name, value)

    return tell


@pytest.mark.parametrize(
    ("tell", "family", "expected"),
    [
        (_gone, f.CLIENT_GONE, {(*SERIES, "peek"): 1}),
        (_gone, f.FAILURES, {(*SERIES, "client_gone", "downstream"): 1}),
        (_retried, f.RETRIES, {SERIES: 1}),
        (_retried, f.ATTEMPTS, {("demo", ENDPOINT, "connect_refused"): 1, ("demo", ENDPOINT, "2xx"): 1}),
        (_hedged, f.RETRIES, {SERIES: 0}),
        (_hedged, f.HEDGES, {(*SERIES, "lost"): 1}),
        (_hedged, f.ATTEMPTS, {("demo", ENDPOINT, "2xx"): 1, ("demo", ENDPOINT, "abandoned"): 1}),
        (_told(not_retried="budget"), f.NOT_RETRIED, {(*SERIES, "budget"): 1}),
        (_told(failure=Failure(BODY_CUT)), f.FAILURES, {(*SERIES, "body_cut", "upstream"): 1}),
        (_told(pings=4), f.PINGS, {SERIES: 4}),
        (_told(stalls=2), f.STALLS, {SERIES: 2}),
        (_told(early=True), f.EARLY_HEADS, {SERIES: 1}),
        (_told(drained="timeout"), f.READ_ON, {(*SERIES, "timeout"): 1}),
        (_told(marks=Marks("openai"), flaw="a word"), f.FLAWED, {SERIES: 1}),
        (
            _told(marks=Marks("openai", usage=Usage(7, 5, 12))),
            f.TOKENS,
            {(*SERIES, "prompt"): 7, (*SERIES, "completion"): 5},
        ),
        (_told(marks=Marks("openai", usage=Usage(10**400))), f.TOKENS, {(*SERIES, "prompt"): 2**53}),
    ],
)
def test_what_is_told_of_an_exchange_is_counted(
    tell: Callable[[Exchange], None], family: f.Family, expected: dict[tuple[str, ...], float]
) -> None:
    """Each in its own family, with labels from lists of ours."""
    exchange = ended()
    tell(exchange)
    assert counted(exchange).table.counters[family.name] == expected


@pytest.mark.parametrize(
    ("tell", "family", "expected"),
    [
        (_told(queued_seconds=1.5), f.QUEUED_SECONDS, {SERIES: 1.5}),
        (_told(marks=Marks("sse"), first_frame_at=101.0), f.FIRST_FRAME_SECONDS, {SERIES: 1.0}),
        (_told(chunks=1), f.LONGEST_GAP_SECONDS, {}),
        (_told(reply=a_reply(503, source=Source.LOCAL)), f.HEAD_SECONDS, {}),
        (_told(reply=a_reply(503, source=Source.LOCAL)), f.DURATION_SECONDS, {SERIES: 7.0}),
    ],
)
def test_times_are_those_of_exchanges_that_had_them(
    tell: Callable[[Exchange], None], family: f.Family, expected: dict[tuple[str, ...], float]
) -> None:
    """A reply of our own says nothing about how fast an upstream answers, nor one chunk about gaps."""
    exchange = ended()
    tell(exchange)
    assert sums(counted(exchange), family) == expected


def test_octets_of_a_long_stream_count_while_it_runs_and_once() -> None:
    """Whoever looks adds what came since the last look; the end adds the rest, and nothing is left behind."""
    exchange, metrics = ended(), Metrics()
    exchange.outcome = None
    metrics.look(exchange)
    assert metrics.table.counters[f.RESPONSE_BYTES.name] == {SERIES: 300}
    exchange.relayed_bytes, exchange.pings = 1000, 2
    metrics.look(exchange)
    metrics.look(exchange)
    assert metrics.table.counters[f.RESPONSE_BYTES.name] == {SERIES: 1000}

    exchange.relayed_bytes, exchange.outcome = 1001, Outcome.COMPLETE
    metrics.finish(exchange)
    metrics.look(exchange)
    assert metrics.table.counters[f.RESPONSE_BYTES.name] == {SERIES: 1001}
    assert metrics.table.counters[f.PINGS.name] == {SERIES: 2}
    assert metrics._seen == {}


def test_open_exchanges_are_counted_by_their_phase() -> None:
    """One that has ended is not open, though somebody may still hold it."""
    asking, relayed, read_on = an_exchange(route=a_route()), ended(), ended()
    relayed.outcome = read_on.outcome = None
    read_on.fail(Failure(CLIENT_GONE))
    assert open_exchanges([asking, relayed, asking, read_on, ended()]) == {
        (*SERIES, "admit"): 2,
        (*SERIES, "relay"): 1,
        (*SERIES, "drain"): 1,
    }
