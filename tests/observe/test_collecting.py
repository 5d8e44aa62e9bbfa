"""The way from several workers' counts to one page."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.exchanges import a_reply, a_route, an_exchange

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CLIENT_GONE, INTERNAL, Failure
from gateway.exchange.outcome import Outcome
from gateway.observe import collecting
from gateway.observe import families as f
from gateway.observe.collecting import Collector, States

SERIES = ("demo", "demo")


@dataclass
class Sheet:
    """What one worker wrote."""

    content: bytes
    alive: bool = True


@dataclass
class Ledger:
    """The ledger as one worker sees it; ``sheets`` is shared."""

    sheets: list[Sheet]
    at: int
    writes: int = 0

    def claim(self) -> bytes | None:
        while len(self.sheets) <= self.at:
            self.sheets.append(Sheet(b""))
        return self.sheets[self.at].content or None

    def write(self, content: bytes) -> None:
        self.writes += 1
        self.sheets[self.at] = Sheet(content)

    def read(self) -> list[Sheet]:
        return list(self.sheets)


@dataclass
class Worker:
    """A collector with all that it looks at."""

    ledger: Ledger
    running: list[tuple[Exchange, float | None]] = field(default_factory=list)
    tripped: float = 0
    breathe: Callable[[], object] = lambda: None
    now: float = 110.0

    def __post_init__(self) -> None:
        self.collector = Collector(
            self.ledger,
            lambda: list(self.running),
            self._states,
            lambda: self.now,
            breathe=lambda: self.breathe(),
            build=("1", "3"),
        )

    def _states(self) -> States:
        gauges = {f.WORKERS.name: {(): 1.0}, f.ENDPOINT_STATE.name: {("up", "http://one", "tripped"): self.tripped}}
        return gauges, {f.FAILED_OPEN.name: {("up",): 2.0}}

    def read(self) -> dict[tuple[str, ...], float]:
        """Return its page, by name of the sample and values of its labels."""
        _, pieces = self.collector.page("")
        families = text_string_to_metric_families("".join(pieces))
        return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


def workers(number: int) -> list[Worker]:
    """Return workers with one ledger."""
    sheets: list[Sheet] = []
    return [Worker(Ledger(sheets, at)) for at in range(number)]


def streaming(octets: int = 100) -> Exchange:
    """Return an exchange that is relayed at this moment."""
    exchange = an_exchange(route=a_route())
    exchange.reply, exchange.relayed_bytes = a_reply(), octets
    exchange.head_at = exchange.committed_at = 100.5
    return exchange


def end(worker: Worker, exchange: Exchange) -> None:
    """End it, as the spine does."""
    worker.running = [each for each in worker.running if each[0] is not exchange]
    exchange.outcome, exchange.finished_at = Outcome.COMPLETE, 111.0
    worker.collector.metrics.finish(exchange)


COMPLETE = ("slowgate_exchanges_total", *SERIES, "complete", "200")
OCTETS = ("slowgate_response_body_bytes_total", *SERIES)


def test_whoever_is_asked_tells_of_all() -> None:
    """Counts and gauges add up, and what the asked one has counted this very moment is in it."""
    one, other = workers(2)
    for worker, ends in ((one, 2), (other, 3)):
        for _ in range(ends):
            end(worker, streaming())
        worker.tripped = 1
        worker.running = [(streaming(7), None)]
    other.collector.tick()
    told = one.read()

    assert (told[COMPLETE], told[OCTETS]) == (5, 500 + 14)
    assert told["slowgate_duration_seconds_count", *SERIES] == 5
    assert told["slowgate_open_exchanges", *SERIES, "relay"] == 2
    assert told["slowgate_endpoint_state", "up", "http://one", "tripped"] == 2
    assert (told[("slowgate_workers",)], told["slowgate_build_info", "1", "3"]) == (2, 1)
    assert told["slowgate_failed_open_total", "up"] == 4


def test_a_worker_that_died_is_counted_and_no_gauge_of_its_stays() -> None:
    """Nor does anything go back when another one follows it and counts on."""
    one, other = workers(2)
    end(other, streaming())
    other.running = [(streaming(50), None)]
    other.collector.tick()
    sheets = one.ledger.sheets
    sheets[1].alive = False
    told = one.read()
    assert (told[COMPLETE], told[OCTETS], told[("slowgate_workers",)]) == (1, 150, 1)
    assert ("slowgate_open_exchanges", *SERIES, "relay") not in told

    successor = Worker(Ledger(sheets, 1))
    before = one.read()
    end(successor, streaming())
    successor.collector.tick()
    after = one.read()
    assert before[COMPLETE] == 1
    assert (after[COMPLETE], after[OCTETS], after[("slowgate_workers",)]) == (2, 250, 2)


def test_what_was_told_once_is_written_before() -> None:
    """A worker that dies right after its answer takes nothing back of it."""
    (one,) = workers(1)
    end(one, streaming())
    assert one.read()[COMPLETE] == 1
    assert Worker(Ledger(one.ledger.sheets, 0)).read()[COMPLETE] == 1


def test_nothing_is_written_where_nothing_has_changed() -> None:
    """An idle gateway costs a look a second; a breaker that trips is a change."""
    (one,) = workers(1)
    for _ in range(3):
        one.collector.tick()
    assert one.ledger.writes == 1
    one.tripped = 1
    one.collector.tick()
    assert one.ledger.writes == 2
    end(one, streaming())
    one.collector.tick()
    one.collector.tick()
    assert one.ledger.writes == 3


def test_of_two_that_write_together_the_later_picture_stays() -> None:
    """Others run while one writes, a scrape for instance: it must not be overwritten by what was taken before it."""
    (one,) = workers(1)
    end(one, streaming())
    one.collector.tick()
    told: list[float] = []

    def scrape() -> None:
        one.breathe = lambda: None
        end(one, streaming())
        told.append(one.read()[COMPLETE])

    end(one, streaming())
    one.breathe = scrape
    one.collector.tick()
    assert told == [3]
    assert Worker(Ledger(one.ledger.sheets, 0)).read()[COMPLETE] == 3


def test_an_exchange_that_ends_while_others_are_looked_at_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its octets came with its end; the look that follows adds nothing."""
    monkeypatch.setattr(collecting, "_LOOKED_AT_TOGETHER", 1)
    (one,) = workers(1)
    streams = [streaming() for _ in range(3)]
    one.running = [(each, None) for each in streams]

    def end_the_last() -> None:
        if streams[2].outcome is None:
            end(one, streams[2])

    one.breathe = end_the_last
    told = one.read()
    assert told[OCTETS] == 300
    assert told["slowgate_open_exchanges", *SERIES, "relay"] == 2


def test_open_exchanges_go_down_to_nought() -> None:
    """A series that was there once stays, so that nobody takes a missing one for an unknown one."""
    (one,) = workers(1)
    exchange = streaming()
    one.running = [(exchange, None)]
    assert one.read()["slowgate_open_exchanges", *SERIES, "relay"] == 1
    end(one, exchange)
    assert one.read()["slowgate_open_exchanges", *SERIES, "relay"] == 0


def test_silences_are_those_of_upstreams_that_are_waited_for() -> None:
    """Also where nobody but us reads any more; not of clients that take their time, nor before the body begins."""
    (one,) = workers(1)
    read_on = streaming()
    read_on.fail(Failure(CLIENT_GONE))
    one.running = [
        (streaming(), 106.0),
        (read_on, 107.0),
        (streaming(), None),
        (an_exchange(route=a_route()), 100.0),
    ]
    one.collector.tick()
    told = one.read()
    assert told["slowgate_silence_seconds_count", *SERIES] == 2
    assert told["slowgate_silence_seconds_sum", *SERIES] == 7.0


def test_of_very_many_streams_only_some_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost of a look has a bound."""
    monkeypatch.setattr(collecting, "MOST_SAMPLED", 10)
    (one,) = workers(1)
    one.running = [(streaming(), 100.0) for _ in range(95)]
    one.collector.tick()
    assert 9 <= one.read()["slowgate_silence_seconds_count", *SERIES] <= 10


def test_series_of_a_route_that_is_gone_go_with_it() -> None:
    """Reloads with ever new names cannot fill memory."""
    (one,) = workers(1)
    exchange = streaming()
    one.running = [(exchange, None)]
    one.collector.tick()
    end(one, exchange)
    one.collector.adopt({"route": frozenset({"", "other"})})
    told = one.read()
    assert not any("demo" in key for key in told)
    assert told[("slowgate_workers",)] == 1


def test_a_defect_that_never_happened_is_counted_as_none() -> None:
    """So that the first one is a growth; one that was counted is not forgotten by the next reload."""
    (one,) = workers(1)
    defects = ("slowgate_failures_total", *SERIES, "internal", "gateway")
    one.collector.adopt({}, [SERIES])
    assert one.read()[defects] == 0
    exchange = streaming()
    exchange.fail(Failure(INTERNAL))
    end(one, exchange)
    one.collector.adopt({}, [SERIES])
    assert one.read()[defects] == 1
