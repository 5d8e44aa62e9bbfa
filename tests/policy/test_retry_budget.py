"""The retry budget: never more than the share, never less than the few, and nothing that stays taken."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.retry_budget import ALWAYS_ALLOWED, RECENT_SECONDS, Budget, Recent

START = 1_000.0


def a_budget(active: int) -> Budget:
    budget = Budget()
    for _ in range(active):
        budget.enter()
    return budget


def begun(budget: Budget, now: float = START, share: float | None = 0.2) -> Iterator[int]:
    """Yield a key for each retry that is allowed, until none is."""
    key = 0
    while budget.begin(key, now, share):
        yield key
        key += 1


@pytest.mark.parametrize(
    ("active", "share", "allowed"),
    [(0, 0.2, 3), (1, 0.2, 3), (15, 0.2, 3), (20, 0.2, 4), (100, 0.2, 20), (100, 0.01, 3), (10, 1.0, 10)],
)
def test_retries_under_way_are_a_share_of_the_exchanges(active: int, share: float, allowed: int) -> None:
    """Three are always allowed; the one too many is counted."""
    budget = a_budget(active)

    assert len(list(begun(budget, share=share))) == allowed
    assert budget.refused == 1


def test_no_share_is_no_limit() -> None:
    """``budget = "off"`` lets every retry pass."""
    budget = a_budget(1)

    assert all(budget.begin(key, START, None) for key in range(1000))
    assert budget.refused == 0


def test_retry_that_has_ended_counts_for_a_while() -> None:
    """Quick retries cannot slip through one after the other; later there is room again."""
    budget = a_budget(1)
    for key in list(begun(budget)):
        budget.ended(key, START)

    assert not budget.begin(9, START + RECENT_SECONDS - 1, 0.2)
    assert budget.begin(9, START + RECENT_SECONDS, 0.2)


def test_exchange_that_has_ended_counts_for_a_while() -> None:
    """Many short exchanges allow as many retries as the same number of long ones."""
    budget = a_budget(20)
    for key in range(20):
        budget.leave(100 + key, START)

    assert len(list(begun(budget, START + RECENT_SECONDS - 1))) == 4
    assert len(list(begun(a_budget(0), START))) == 3


def test_exchange_that_ends_within_a_retry_gives_it_back() -> None:
    """A client that leaves while its retry is under way takes nothing with it."""
    budget = a_budget(3)
    for key in list(begun(budget)):
        budget.leave(key, START)

    assert repr(budget) == "<Budget 0 retries in 0 exchanges, 1 refused>"
    assert len(list(begun(budget, START + RECENT_SECONDS))) == ALWAYS_ALLOWED


def test_end_of_what_was_no_retry_is_harmless() -> None:
    """The end of every attempt is told, also of first ones."""
    budget = a_budget(1)
    budget.ended(1, START)

    assert len(list(begun(budget))) == ALWAYS_ALLOWED


@given(st.lists(st.tuples(st.sampled_from(["add", "look"]), st.floats(0, 8)), max_size=60))
def test_recent_counts_what_a_list_of_times_would(steps: list[tuple[str, float]]) -> None:
    """Whatever the pace, the ring knows how many there were in the last ten seconds, to the second."""
    recent, times, now = Recent(), [], START
    for step, passed in steps:
        now += passed
        if step == "add":
            recent.add(now)
            times.append(int(now))
        assert recent.total(now) == sum(time > int(now) - RECENT_SECONDS for time in times)


@given(
    st.sampled_from([0.05, 0.2, 1.0]),
    st.lists(
        st.tuples(st.sampled_from(["enter", "retry", "ended", "leave"]), st.integers(0, 30), st.floats(0, 3)),
        max_size=150,
    ),
)
def test_retries_never_exceed_their_share(share: float, steps: list[tuple[str, int, float]]) -> None:
    """In any history: a retry begins only while fewer than the share, or than the few, count; and all is given back."""
    budget, now = Budget(), START
    active: set[int] = set()
    retrying: set[int] = set()
    ended: list[int] = []
    ended_retries: list[int] = []

    def recent(times: list[int]) -> int:
        return sum(time > int(now) - RECENT_SECONDS for time in times)

    def end(key: int) -> None:
        if key in retrying:
            retrying.remove(key)
            ended_retries.append(int(now))

    for step, key, passed in steps:
        now += passed
        if step == "enter" and key not in active:
            active.add(key)
            budget.enter()
        elif step == "retry" and key in active - retrying:
            spent = len(retrying) + recent(ended_retries)
            most = max(ALWAYS_ALLOWED, int(share * (len(active) + recent(ended))))
            assert budget.begin(key, now, share) is (spent < most)
            if spent < most:
                retrying.add(key)
        elif step == "ended" and key in active:
            budget.ended(key, now)
            end(key)
        elif step == "leave" and key in active:
            budget.leave(key, now)
            end(key)
            active.remove(key)
            ended.append(int(now))
    for key in active:
        budget.leave(key, now)
    assert repr(budget).startswith("<Budget 0 retries in 0 exchanges,")
