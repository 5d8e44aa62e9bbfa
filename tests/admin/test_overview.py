"""One worker looks at all."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.exchanges import a_reply, a_route
from support.live_streams import Few, a_relay

from gateway.admin.all_streams import AllStreams, Busy
from gateway.admin.overview import MOST_AT_ONCE, Overview
from gateway.admin.sight import Worker, together
from gateway.admin.status import Status
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CONNECT_REFUSED, Failure
from gateway.exchange.outcome import Outcome
from gateway.observe.record import record_of


def a_worker(*running: Exchange) -> Worker:
    worker = Worker(
        Status(lambda: False, lambda: 0), lambda: list(running), lambda: iter(()), lambda: 100.0, lambda: 5e9
    )
    ended = a_relay(99.0)
    ended.reply, ended.failure, ended.outcome, ended.finished_at = (
        a_reply(),
        Failure(CONNECT_REFUSED),
        Outcome.FAILED,
        99.9,
    )
    worker.finish(ended)
    worker.failures.put(record_of(ended, 5e9))
    worker.tick(0)
    return worker


class Others:
    """A worker that answers as another one would, one that does not, and whoever asks meanwhile."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.overview: Overview | None = None
        self.busy = 0

    def ask(self, question: bytes, seconds: float) -> list[tuple[int, bytes | None]]:
        self.asked.append(json.loads(question))
        if self.overview is not None:
            try:
                self.overview.look()
            except Busy:
                self.busy += 1
        other = Overview(a_worker(a_relay()), streams(), self)
        return [(1, b"".join(other.answer(question))), (2, None)]


def streams(*running: Exchange) -> AllStreams:
    return AllStreams(Few(*running), lambda: 100.0, Others())


def test_what_all_workers_see_adds_up_and_who_was_silent_is_named() -> None:
    """Numbers of this worker and of the others, told in their own words."""
    seen = Overview(a_worker(a_relay(), a_relay()), streams(), Others()).look()

    assert seen.silent == [2] and len(seen.workers) == 2
    assert seen.open == {"demo": {"relay": 3}} and seen.running == 3
    assert (seen.routes["demo"].ended, seen.lately.failed) == (2, 2)
    assert [each.failure for each in seen.failures] == ["connect_refused"] * 2
    assert {slot: (point.tally.ended, point.open) for slot, point in seen.points.items()} == {9: (2, 0), 10: (0, 3)}


def test_only_what_is_asked_for_is_told() -> None:
    """Nobody describes upstreams for a page of failures."""
    others = Others()
    Overview(a_worker(), streams(), others).look(("failures",))
    assert others.asked == [{"do": "look", "parts": ["failures"]}]
    answer = b"".join(Overview(a_worker(), streams(), others).answer(json.dumps(others.asked[0]).encode()))
    first, told = map(json.loads, answer.splitlines())
    assert first.keys() == {"worker", "draining", "rejected", "began", "window"} and told.keys() == {"failures"}


def test_questions_about_streams_are_answered_as_before() -> None:
    """Workers have one line for both."""
    question = b'{"do": "list", "parameters": []}'
    answer = b"".join(Overview(a_worker(), streams(a_relay()), Others()).answer(question))
    assert json.loads(answer.splitlines()[0])["total"] == 1


def test_so_many_may_look_at_a_time_and_no_more() -> None:
    """A worker has other things to do."""
    others = Others()
    others.overview = Overview(a_worker(), streams(), others)
    others.overview.look()
    assert (len(others.asked), others.busy) == (MOST_AT_ONCE, 1)
    others.overview = None


def test_others_run_between_the_upstreams_and_hundreds_of_exchanges() -> None:
    """Looking holds up no stream for long."""
    breaths: list[int] = []

    def upstreams() -> Iterator[dict[str, object]]:
        yield {"name": "a"}

    worker = Worker(Status(lambda: False, lambda: 0), lambda: [a_relay()] * 1600, upstreams, lambda: 0.0, lambda: 0.0)
    Overview(worker, streams(), Others(), lambda: breaths.append(1)).answer(b"{}")
    question = b'{"do": "look", "parts": ["routes"]}'
    b"".join(Overview(worker, streams(), Others(), lambda: breaths.append(1)).answer(question))
    assert len(breaths) == 4


def test_no_piece_of_what_a_worker_sees_is_long() -> None:
    """A thousand routes are told, and read, a few at a time: a stream waits for some of them, not for all."""
    breaths: list[int] = []
    worker = a_worker()
    for number in range(1000):
        ended = a_relay(99.0)
        ended.route = dataclasses.replace(a_route(), name=f"route-{number}")
        ended.outcome, ended.finished_at = Outcome.COMPLETE, 99.9
        worker.finish(ended)
    overview = Overview(worker, streams(), Others(), lambda: breaths.append(1))
    pieces = list(overview.answer(b'{"do": "look", "parts": ["routes"]}'))
    assert max(len(json.loads(each).get("routes", ())) for each in pieces) == 50 and len(breaths) >= 20

    breaths.clear()
    assert len(together([{**json.loads(pieces[0])}], [(1, b"".join(pieces))], lambda: breaths.append(1)).routes) == 1001
    assert len(breaths) >= 20


def test_others_run_while_rows_are_made() -> None:
    """Thousands of routes or settings are made a few at a time."""
    breaths: list[int] = []
    overview = Overview(a_worker(), streams(), Others(), lambda: breaths.append(1))
    assert overview.gently(iter(range(1000))) == list(range(1000))
    assert len(breaths) == 50


@pytest.mark.parametrize("by", ["age", "silence"])
def test_lists_of_several_workers_keep_their_order(by: str) -> None:
    """What was asked for is on top, from whichever worker it comes."""
    old_but_loud, young_but_silent = a_relay(0.0), a_relay(50.0)

    class Turns(Few):
        def waits(self) -> list[tuple[Exchange, float | None]]:
            return [(each, 99.0 if each is old_but_loud else 60.0) for each in self.running]

    other = AllStreams(Turns(young_but_silent), lambda: 100.0, Others())

    class One:
        def ask(self, question: bytes, seconds: float) -> list[tuple[int, bytes | None]]:
            return [(1, b"".join(other.answer(question)))]

    told = AllStreams(Turns(old_but_loud), lambda: 100.0, One()).tell([("by", by), ("limit", "1")])
    (row,) = map(json.loads, told.rows)
    assert row["age_seconds"] == (100.0 if by == "age" else 50.0)
    assert told.head["matching"] == 2
