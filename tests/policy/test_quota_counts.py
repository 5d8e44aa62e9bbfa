"""What is let through in any stretch of time, what is told of the wait, and what is remembered."""

from math import floor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.exchange.quota import Ask, Budget, Rate
from gateway.policy.quota_counts import Bounded, LocalCounts, window_end

DAY = 86400.0
TEN = Rate("10/min by address", 10, 60.0, 10, "address")
BUDGET = Budget("100B/day by principal", 100, DAY, "bytes", "principal")


class Clock:
    def __init__(self, now: float = 5000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def counts(clock: Clock, bound: int = 1000) -> LocalCounts:
    return LocalCounts(clock, clock, bound)


def passes(made: LocalCounts, rate: Rate, key: str = "a") -> bool:
    return made.take(Ask(rates=((rate, key),))).granted


def test_burst_passes_at_once_and_then_requests_come_back_evenly() -> None:
    """The limit at once, then one for each interval, exactly when it was told."""
    clock = Clock()
    made = counts(clock)
    answers = [made.take(Ask(rates=((TEN, "a"),))) for _ in range(11)]
    assert [answer.granted for answer in answers] == [True] * 10 + [False]
    assert [answer.rates[0].left for answer in answers] == [*range(9, -1, -1), 0]
    assert answers[-1].rates[0].wait_seconds == pytest.approx(6.0)
    assert answers[-1].rates[0].whole_in_seconds == pytest.approx(60.0)
    assert passes(made, TEN, "another")
    clock.now += 5.99
    assert not passes(made, TEN)
    clock.now += 0.01
    assert passes(made, TEN)
    assert not passes(made, TEN)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 50),
    st.sampled_from([1.0, 7.0, 60.0, 3600.0]),
    st.integers(1, 60),
    st.lists(st.floats(0, 30), max_size=150),
)
def test_no_stretch_of_time_lets_more_pass_than_was_promised(
    count: int, seconds: float, burst: int, gaps: list[float]
) -> None:
    """In any time t at most burst + t x limit; who waits as long as was told gets in, who comes earlier does not."""
    clock, rate = Clock(), Rate("r", count, seconds, burst, "address")
    made, passed = counts(clock), []
    for gap in gaps:
        clock.now += gap
        answer = made.take(Ask(rates=((rate, "a"),)))
        if answer.granted:
            passed.append(clock.now)
        else:
            told = answer.rates[0].wait_seconds
            clock.now += told * 0.99
            assert not passes(made, rate)
            clock.now += told * 0.01 + 1e-6
            assert passes(made, rate)
            passed.append(clock.now)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            period = passed[last] - passed[first]
            assert last - first + 1 <= burst + floor(period * count / seconds + 1e-3)


def test_refusal_by_one_rule_takes_nothing_of_the_others() -> None:
    """A request passes all of its rules, or none of them hears of it."""
    made, tight = counts(Clock()), Rate("1/day by route", 1, DAY, 1, "route")
    for expected in (True, False, False):
        assert made.take(Ask(((TEN, "a"), (tight, "")), (), (5, "s", f"lease {expected}"))).granted is expected
    assert made.take(Ask(rates=((TEN, "a"),))).rates[0].left == 8
    assert made.snapshot()["leases"] == 1


def test_streams_are_counted_by_lease() -> None:
    """Above the limit nobody gets in; giving back twice, or what was never held, changes nothing."""
    made = counts(Clock())
    assert [made.take(Ask(streams=(2, "p", lease))).granted for lease in "abc"] == [True, True, False]
    made.give_back("p", "c")
    made.give_back("q", "a")
    assert made.take(Ask(streams=(2, "p", "d"))).running == 2
    made.give_back("p", "a")
    made.give_back("p", "a")
    assert [made.take(Ask(streams=(2, "p", lease))).granted for lease in "ef"] == [True, False]
    for lease in "be":
        made.give_back("p", lease)
    assert made.snapshot()["leases"] == 0
    assert made._leases == {}


def test_budget_refuses_until_its_window_ends() -> None:
    """It is used up when all of it is used; the window begins at midnight in UTC, whenever it was first used."""
    clock = Clock(3 * DAY + 1000.0)
    made, ask = counts(clock), Ask(budgets=((BUDGET, "a"),))
    made.charge(BUDGET, "a", 99.5)
    assert made.take(ask).granted
    made.charge(BUDGET, "a", 500)
    answer = made.take(ask)
    assert (answer.granted, answer.budgets[0].left, answer.budgets[0].wait_seconds) == (False, 0, DAY - 1000)
    clock.now = 4 * DAY
    assert made.take(ask).budgets[0].left == 100
    made.charge(BUDGET, "a", 30)
    assert made.take(ask).budgets[0].left == 70
    assert window_end(BUDGET, 4 * DAY) == 5 * DAY


def test_callers_that_are_forgotten_had_everything_again() -> None:
    """Memory follows those who are active; forgetting never gives anybody more."""
    clock = Clock()
    made = counts(clock, bound=50)
    for number in range(5000):
        clock.now += 0.5
        assert passes(made, TEN, f"caller {number}")
    assert made.snapshot()["callers"] <= 25


def test_flood_of_callers_neither_pushes_out_those_who_are_counted_nor_fills_the_memory() -> None:
    """Where the bound is reached, further ones count together; who was limited before stays limited."""
    clock = Clock()
    made = counts(clock, bound=100)
    while passes(made, TEN, "limited"):
        pass
    passed = sum(passes(made, TEN, f"flood {number}") for number in range(5000))
    assert passed == 99 + 10
    assert made.snapshot()["callers"] == 101
    assert not passes(made, TEN, "limited")
    other = Rate("5/s by principal", 5, 1.0, 5, "principal")
    assert passes(made, other, "somebody")
    clock.now += 61
    assert passes(made, TEN, "newcomer")
    assert made.take(Ask(rates=((TEN, "newcomer"),))).rates[0].left == 8


def test_rules_that_are_gone_are_forgotten_and_those_that_stay_are_not() -> None:
    """A reload does not give anybody a new burst."""
    made, other = counts(Clock()), Rate("3/s by route", 3, 1.0, 3, "route")
    while passes(made, TEN):
        pass
    passes(made, other)
    made.keep([TEN])
    assert made.snapshot()["callers"] == 1
    assert not passes(made, TEN)


def test_table_keeps_who_was_seen_last() -> None:
    """What is over makes room, oldest first."""
    table = Bounded(2)
    table.put("a", 10.0)
    table.put("b", 20.0)
    assert table.seat("c", 5.0) not in ("a", "b", "c")
    assert table.seat("c", 10.0) == "c"
    assert len(table) == 1
