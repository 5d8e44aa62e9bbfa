"""What waits to be brought away."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.backlog import Backlog


def filled(bound: int, count: int) -> Backlog[int]:
    backlog: Backlog[int] = Backlog(bound)
    for number in range(count):
        backlog.put(number)
    return backlog


def test_items_come_out_in_the_order_they_came() -> None:
    """A batch is the oldest, and no larger than asked for."""
    backlog = filled(10, 3)
    assert backlog.take(2) == [0, 1]
    assert len(backlog) == 3
    backlog.brought()
    assert backlog.take(2) == [2]
    assert len(backlog) == 1


def test_full_backlog_drops_the_oldest_and_counts() -> None:
    """What is newest is what somebody looks for after an outage."""
    backlog = filled(3, 5)
    assert backlog.dropped == 2
    assert backlog.take(9) == [2, 3, 4]


def test_batch_given_back_stands_first_again() -> None:
    """A failed write changes nothing but the time."""
    backlog = filled(10, 4)
    backlog.take(2)
    backlog.give_back()
    assert (backlog.take(9), backlog.dropped) == ([0, 1, 2, 3], 0)


def test_batch_that_is_being_written_counts_toward_the_bound() -> None:
    """Memory is bounded also while a write takes long; the batch itself is not dropped under the writer's hands."""
    backlog = filled(3, 3)
    assert backlog.take(2) == [0, 1]
    for number in (3, 4, 5):
        backlog.put(number)
    assert len(backlog) == 3
    backlog.give_back()
    assert (backlog.take(9), backlog.dropped) == ([0, 1, 5], 3)


@given(st.lists(st.sampled_from(["put", "take", "written", "give_back"]), max_size=60), st.integers(1, 6))
def test_nothing_is_lost_without_being_counted(steps: list[str], bound: int) -> None:
    """Whatever happens: put = written + dropped + still here, and never more here than the bound and a batch."""
    backlog: Backlog[int] = Backlog(bound)
    put = written = held = 0
    for step in steps:
        if step == "put":
            backlog.put(put)
            put += 1
        elif step == "take" and not held:
            held = len(backlog.take(3))
        elif step == "written":
            backlog.brought()
            written, held = written + held, 0
        elif step == "give_back":
            backlog.give_back()
            held = 0
        assert put == written + backlog.dropped + len(backlog)
        assert len(backlog) <= bound + 3
