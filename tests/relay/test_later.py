"""Work for later: each item once, in order, soon, whatever becomes of the others."""

import gevent
import pytest

from gateway.relay.later import MOST_WAITING, Later


def test_what_is_put_is_worked_on_when_the_loop_comes_round() -> None:
    """Not before, all of it in one go, and in its order; and again the next time."""
    done: list[int] = []
    later = Later(done.append, lambda item, error: pytest.fail(str(error)))
    later.put(1)
    later.put(2)
    assert done == []
    gevent.sleep(0)
    assert done == [1, 2]
    later.put(3)
    gevent.sleep(0)
    assert done == [1, 2, 3]


def test_what_is_flushed_is_worked_on_once() -> None:
    """Who cannot wait for the loop asks for it now, and nothing is left for later."""
    done: list[int] = []
    later = Later(done.append, lambda item, error: pytest.fail(str(error)))
    later.put(1)
    later.flush()
    assert done == [1]
    gevent.sleep(0)
    assert done == [1]


def test_what_fails_keeps_nothing_else_from_its_turn() -> None:
    """The failure is told with what it was about."""
    done: list[int] = []
    failed: list[tuple[int, str]] = []

    def work(item: int) -> None:
        if item == 2:
            raise ValueError("no")
        done.append(item)

    later = Later(work, lambda item, error: failed.append((item, str(error))))
    for item in (1, 2, 3):
        later.put(item)
    later.flush()
    assert (done, failed) == ([1, 3], [(2, "no")])


def test_what_is_put_by_the_work_itself_has_its_turn_too() -> None:
    """It is not lost between two turns."""
    done: list[int] = []
    later: Later[int] = Later(lambda item: (done.append(item), later.put(item + 1) if item < 3 else None), print)
    later.put(1)
    for _ in range(4):
        gevent.sleep(0)
    assert done == [1, 2, 3]


def test_what_waits_is_bounded_where_the_loop_does_not_come_round() -> None:
    """Who keeps the loop busy lets neither memory grow nor records wait for long; none is lost or done twice."""
    done: list[int] = []
    later = Later(done.append, lambda item, error: pytest.fail(str(error)))
    for item in range(10 * MOST_WAITING + 1):
        later.put(item)
        assert item - len(done) < MOST_WAITING
    gevent.sleep(0)
    assert done == [*range(10 * MOST_WAITING + 1)]
