"""Where the record of an ended exchange goes, and when."""

import logging
from typing import Any

import gevent
import pytest
from support.exchanges import a_request

from gateway import records as module
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CLIENT_GONE, CONNECT_REFUSED, Failure, Kind
from gateway.exchange.outcome import Outcome
from gateway.observe.failed import Failures
from gateway.observe.line import LineLog
from gateway.observe.record import Record, record_of
from gateway.records import Records


class Kept:
    """A store that remembers what it was given, or takes nothing."""

    def __init__(self, fails: bool = False) -> None:
        self.records: list[Record] = []
        self._fails = fails

    def put(self, record: Record) -> None:
        if self._fails:
            raise OSError("no room")
        self.records.append(record)


def ended(name: str) -> Exchange:
    exchange = Exchange(name, a_request(), 0.0)
    exchange.outcome, exchange.finished_at = Outcome.COMPLETE, 1.0
    return exchange


@pytest.fixture
def line_log(caplog: pytest.LogCaptureFixture) -> LineLog:
    caplog.set_level(logging.INFO, "lines")
    return LineLog("json", logging.getLogger("lines"))


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().partition('"id":"')[2].partition('"')[0] for record in caplog.records]


def test_line_and_row_come_when_the_loop_comes_round(line_log: LineLog, caplog: pytest.LogCaptureFixture) -> None:
    """Once each, in the order of the ends, with the moment of the end."""
    store: Any = Kept()
    records = Records(store, None, lambda exchange, error: pytest.fail(str(error)))
    finish = records.hooks(line_log).finish
    assert finish is not None
    for name in ("a", "b"):
        finish(ended(name))
    assert (told(caplog), store.records) == ([], [])
    gevent.sleep(0)
    gevent.sleep(0)
    assert (told(caplog), [each.id for each in store.records]) == (["a", "b"], ["a", "b"])
    assert store.records[0].time <= store.records[1].time


def test_what_has_ended_goes_where_it_was_meant_to(line_log: LineLog) -> None:
    """Flushed before another store takes the place of this one."""
    first: Any = Kept()
    second: Any = Kept()
    records = Records(first, None, lambda exchange, error: pytest.fail(str(error)))
    finish = records.hooks(line_log).finish
    assert finish is not None
    finish(ended("a"))
    records.flush()
    records.store = second
    finish(ended("b"))
    records.flush()
    assert ([each.id for each in first.records], [each.id for each in second.records]) == (["a"], ["b"])


def test_exchange_is_counted_once_whether_or_not_its_record_is_wanted(line_log: LineLog) -> None:
    """Also where its record meets a defect."""
    counted: list[str] = []
    store: Any = Kept(fails=True)
    records = Records(store, None, lambda exchange, error: None)
    records.count = lambda exchange: counted.append(exchange.id)
    unheard = LineLog("json", logging.getLogger("unheard"))
    logging.getLogger("unheard").setLevel(logging.CRITICAL)
    for name, log in (("a", line_log), ("b", unheard)):
        finish = records.hooks(log).finish
        assert finish is not None
        finish(ended(name))
    records.flush()
    assert counted == ["a", "b"]


def test_defect_in_one_record_costs_no_other(line_log: LineLog) -> None:
    """It is reported with its exchange."""
    store: Any = Kept(fails=True)
    reported: list[tuple[str, str]] = []
    records = Records(store, None, lambda exchange, error: reported.append((exchange.id, str(error))))
    finish = records.hooks(line_log).finish
    assert finish is not None
    finish(ended("a"))
    finish(ended("b"))
    records.flush()
    assert reported == [("a", "no room"), ("b", "no room")]


@pytest.mark.parametrize(
    ("kind", "heard", "kept", "made"),
    [
        (CONNECT_REFUSED, True, True, 1),
        (CONNECT_REFUSED, False, False, 1),
        (CLIENT_GONE, True, False, 1),
        (CLIENT_GONE, False, False, 0),
        (None, True, True, 1),
        (None, False, False, 0),
    ],
)
def test_one_record_is_made_for_all_who_want_it_and_none_for_nobody(
    monkeypatch: pytest.MonkeyPatch, line_log: LineLog, kind: Kind | None, heard: bool, kept: bool, made: int
) -> None:
    """The log, the store and the newest failures, which want some only."""
    found: list[Record] = []

    def making(exchange: Exchange, wall_clock: float) -> Record:
        found.append(record_of(exchange, wall_clock))
        return found[-1]

    monkeypatch.setattr(module, "record_of", making)
    store: Any = Kept() if kept else None
    records = Records(store, None, lambda exchange, error: pytest.fail(str(error)))
    records.failures = Failures()
    logging.getLogger("unheard").setLevel(logging.CRITICAL)
    finish = records.hooks(line_log if heard else LineLog("json", logging.getLogger("unheard"))).finish
    assert finish is not None
    exchange = ended("a")
    exchange.failure = Failure(kind, "why") if kind is not None else None
    finish(exchange)
    records.flush()
    assert len(found) == made
    noted = [(each.id, each.time, each.detail) for each in records.failures.newest()]
    assert noted == ([("a", found[0].time, "why")] if kind is CONNECT_REFUSED else [])


def test_failure_is_noted_where_its_record_cannot_be_kept(line_log: LineLog) -> None:
    """What broke on the way to one reader hides nothing from another."""
    store: Any = Kept(fails=True)
    records = Records(store, None, lambda exchange, error: None)
    records.failures = Failures()
    finish = records.hooks(line_log).finish
    assert finish is not None
    exchange = ended("a")
    exchange.failure = Failure(CONNECT_REFUSED)
    finish(exchange)
    records.flush()
    assert [each.id for each in records.failures.newest()] == ["a"]
