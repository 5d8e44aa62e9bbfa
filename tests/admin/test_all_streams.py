"""Lists and cancels over all workers: what each says becomes one answer, and who says nothing is named."""

import json
import os
from typing import Any

import pytest
from support.live_streams import Few, a_relay

from gateway.admin import all_streams
from gateway.admin.all_streams import AllStreams, Alone, Busy, Told
from gateway.admin.wanted import BadFilter


class Others:
    """Other workers, each with streams of its own; None for one that does not answer."""

    def __init__(self, **workers: AllStreams | None) -> None:
        self.workers = workers
        self.questions: list[bytes] = []

    def ask(self, question: bytes, seconds: float) -> list[tuple[int, bytes | None]]:
        self.questions.append(question)
        return [
            (int(name[1:]), None if each is None else b"".join(each.answer(question)))
            for name, each in self.workers.items()
        ]


def a_worker(*started: float, others: Any = None) -> AllStreams:
    return AllStreams(Few(*map(a_relay, started)), lambda: 100.0, others or Alone())


def parsed(told: Told) -> Any:
    return json.loads(b"".join(told.pieces()))


def test_lists_of_all_workers_become_one_with_the_oldest_first() -> None:
    """The limit holds for the whole; every worker says how many it has."""
    asked = a_worker(2.0, 5.0, others=Others(_7=a_worker(1.0, 3.0, 4.0), _8=a_worker()))
    told = parsed(asked.tell([("limit", "4")]))

    assert [each["age_seconds"] for each in told["streams"]] == [99.0, 98.0, 97.0, 96.0]
    assert (told["total"], told["matching"], told["unanswered"]) == (5, 5, [])
    assert sorted(each["total"] for each in told["workers"]) == [0, 2, 3]


def test_an_empty_list_is_one() -> None:
    """It can be read like any other."""
    assert parsed(a_worker().tell([]))["streams"] == []


def test_a_worker_that_says_nothing_is_named() -> None:
    """What the others have is told all the same; a cancel says that it may have missed some."""
    asked = a_worker(2.0, others=Others(_7=None, _8=a_worker(1.0)))

    told = parsed(asked.tell([]))
    assert (told["unanswered"], told["total"]) == ([7], 2)
    done = asked.cancel([("route", "demo")])
    assert done == {"cancelled": 2, "worker": os.getpid(), "unanswered": [7]}


@pytest.mark.parametrize("parameters", [[], [("limit", "3")], [("route", "demo"), ("limit", "3")], [("rute", "demo")]])
def test_nobody_is_asked_to_end_what_was_not_said_clearly(parameters: list[tuple[str, str]]) -> None:
    """It is refused before any worker hears of it."""
    others = Others(_7=a_worker(1.0))

    with pytest.raises(BadFilter):
        a_worker(1.0, others=others).cancel(parameters)
    assert others.questions == []


def test_a_question_too_long_for_the_other_workers_is_refused() -> None:
    """Before anything is ended in the worker that was asked."""
    with pytest.raises(BadFilter, match="too long"):
        a_worker(1.0).cancel([("principal", f"{number:0256}") for number in range(100)] * 1 + [("id", "é" * 256)] * 10)


def test_too_many_lists_at_a_time_are_refused() -> None:
    """Each may be megabytes: their number is bounded, and given back."""
    asked = a_worker(1.0)
    refused: list[Busy] = []

    class Again:
        def ask(self, question: bytes, seconds: float) -> list[tuple[int, bytes | None]]:
            try:
                asked.tell([])
            except Busy as busy:
                refused.append(busy)
            return []

    asked._colleagues = Again()
    for _ in range(2):
        asked.tell([])
    assert len(refused) == 2
    assert asked._under_way == 0


def test_a_long_list_is_whole() -> None:
    """It goes out, and comes from other workers, in pieces."""
    many = [float(number) for number in range(3 * all_streams._ROWS_A_PIECE + 1)]
    told = parsed(a_worker(others=Others(_7=a_worker(*many))).tell([]))

    assert len({each["age_seconds"] for each in told["streams"]}) == len(many)
