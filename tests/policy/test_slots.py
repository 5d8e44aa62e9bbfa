"""Slots are leases by id: whatever happens in whatever order, none is lost and none is made."""

import contextlib
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange.failure import QUEUE_FULL, QUEUE_TIMEOUT, FailureError
from gateway.exchange.route import Limit
from gateway.policy.fair_queue import CLASSES
from gateway.policy.slots import Slots, State, Ticket

A, B = ("x", "a"), ("x", "b")


def some_slots(running: int = 2, queued: int = 2, adaptive: tuple[int, int] | None = None) -> Slots:
    return Slots(Limit(running, queued, adaptive), "upstream search")


def ask(slots: Slots, who: tuple[str, str] = A, priority: str = "normal", now: float = 0.0) -> Ticket:
    return slots.ask(priority, who, now)


def test_slots_are_given_until_none_is_left_then_requests_wait() -> None:
    """In the order they came, and the queue is bounded, too."""
    slots = some_slots()
    states = [ask(slots).state for _ in range(4)]
    assert states == [State.RUNNING, State.RUNNING, State.WAITING, State.WAITING]
    with pytest.raises(FailureError) as caught:
        ask(slots)
    assert caught.value.failure.kind is QUEUE_FULL
    assert caught.value.failure.detail == "upstream search: 2 run and 2 wait"
    assert repr(slots) == "<Slots of upstream search: 2/2 running, 2 waiting>"


def test_slot_goes_to_the_next_in_the_same_step() -> None:
    """There is no moment in which it is nobody's; who waits is told."""
    slots = some_slots(1)
    first, second, third = ask(slots), ask(slots), ask(slots)
    told: list[str] = []
    second.on_change(lambda: told.append(f"second {second.state.value}"))
    third.on_change(lambda: told.append("third"))

    slots.leave(first, 1.0)

    assert told == ["second running"]
    assert (second.waiting, third.waiting, slots.running, slots.waiting) == (False, True, 1, 1)


def test_newcomer_does_not_overtake_who_waits() -> None:
    """Also where a slot happens to be free, as after a limit has grown, the queue goes first."""
    slots = some_slots(1, 5)
    first, second = ask(slots), ask(slots)
    slots.leave(first, 1.0)
    third = ask(slots)
    assert (second.state, third.state) == (State.RUNNING, State.WAITING)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_leaving_more_than_once_gives_back_once(times: int) -> None:
    """A lease is an entry, not a number."""
    slots = some_slots(1, 5)
    first, waiting = ask(slots), [ask(slots) for _ in range(3)]
    for _ in range(times):
        slots.leave(first, 1.0)
    assert [each.state for each in waiting] == [State.RUNNING, State.WAITING, State.WAITING]
    assert slots.running == 1


def test_who_leaves_the_queue_frees_its_place() -> None:
    """The next newcomer gets it, and it is never given a slot."""
    slots = some_slots(1, 1)
    first, second = ask(slots), ask(slots)
    slots.leave(second, 1.0)
    third = ask(slots)
    slots.leave(first, 2.0)
    assert (second.state, third.state, slots.running) == (State.GONE, State.RUNNING, 1)


def test_place_is_lost_to_who_has_less() -> None:
    """It learns why, and is told like one whose turn came."""
    slots = some_slots(1, 2)
    ask(slots)
    kept, newest = ask(slots, A), ask(slots, A)
    told: list[bool] = []
    newest.on_change(lambda: told.append(newest.waiting))

    other = ask(slots, B)

    assert told == [False]
    assert newest.lost is not None and newest.lost.kind is QUEUE_FULL
    assert kept.lost is None and kept.waiting and other.waiting
    slots.leave(newest, 1.0)
    assert (slots.running, slots.waiting) == (1, 2)


def test_refusals_say_when_to_come_again() -> None:
    """By the pace at which slots were freed lately, and the number of those ahead."""
    slots = some_slots(1, 2)
    running = ask(slots)
    for now in (2.0, 4.0, 6.0, 8.0):
        following = ask(slots, now=now)
        slots.leave(running, now)
        running = following
    ask(slots, now=8.0), ask(slots, now=8.0)
    with pytest.raises(FailureError) as caught:
        ask(slots, now=8.0)
    assert caught.value.failure.fields == (("Retry-After", "6"),)
    late = ask(slots, B, "high", now=8.0).late(8.0)
    assert (late.kind, late.fields) == (QUEUE_TIMEOUT, (("Retry-After", "6"),))


@pytest.mark.parametrize(("before", "after", "running"), [(1, 3, 3), (3, 1, 3), (2, 2, 2)])
def test_changed_limit_keeps_what_runs_and_waits(before: int, after: int, running: int) -> None:
    """A wider limit lets more run at once; a narrower one ends nobody, and lets nobody begin until it is met."""
    slots = some_slots(before, 10)
    tickets = [ask(slots) for _ in range(5)]
    slots.adopt(Limit(after, 0), 1.0)
    assert (slots.running, slots.waiting) == (running, 5 - running)
    slots.leave(tickets[0], 2.0)
    assert slots.running == max(running - 1, after)
    with pytest.raises(FailureError):
        ask(slots)


def test_what_an_adaptive_limit_learnt_survives_a_change_of_its_queue_only() -> None:
    """Other bounds are another limit."""
    slots = some_slots(50, 10, (2, 50))
    learnt = slots.adaptive
    slots.adopt(Limit(50, 20, (2, 50)), 1.0)
    assert slots.adaptive is learnt and slots.allowed == 20
    slots.adopt(Limit(9, 20, (2, 9)), 1.0)
    assert slots.adaptive is not learnt and slots.allowed == 9
    slots.adopt(Limit(7, 20), 1.0)
    assert slots.adaptive is None and slots.allowed == 7


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "leave", "leave", "adopt"]),
        st.integers(0, 30),
        st.sampled_from(CLASSES),
        st.sampled_from("abc"),
    ),
    max_size=80,
)


@given(STEPS, st.integers(1, 4), st.integers(0, 4))
def test_whatever_happens_no_slot_is_lost_or_made(
    steps: list[tuple[str, int, str, str]], running: int, queued: int
) -> None:
    """Never more leases than allowed, never more waiting than the bound, nobody waits beside a free slot."""
    slots = some_slots(running, queued)
    tickets: list[Ticket] = []
    clock = itertools.count(1.0)
    for step, number, priority, who in steps:
        now = next(clock)
        over = slots.running > slots.allowed  # Only a limit that became narrower leaves more than it allows.
        if step == "ask":
            try:
                tickets.append(slots.ask(priority, ("x", who), now))
            except FailureError:
                assert slots.waiting >= slots.limit.max_queued
        elif step == "leave" and tickets:
            slots.leave(tickets[number % len(tickets)], now)
        elif step == "adopt":
            slots.adopt(Limit(1 + number % 4, slots.limit.max_queued), now)
            over = True
        states = [ticket.state for ticket in tickets]
        assert states.count(State.RUNNING) == slots.running
        assert states.count(State.WAITING) == slots.waiting <= slots.limit.max_queued
        assert over or slots.running <= slots.allowed
        assert not slots.waiting or slots.running >= slots.allowed
    for ticket in tickets:
        slots.leave(ticket, next(clock))
    assert (slots.running, slots.waiting) == (0, 0)


@given(st.permutations(range(12)), st.integers(1, 3))
def test_everyone_who_stays_gets_a_turn(order: list[int], running: int) -> None:
    """Whoever runs leaves at some time; in whatever order they do, nobody is left behind."""
    slots = some_slots(running, 12)
    tickets = [slots.ask(CLASSES[n % 3], ("x", "ab"[n % 2]), 0.0) for n in range(12)]
    served: set[int] = set()
    for now in range(12):
        runs = [number for number in order if tickets[number].state is State.RUNNING]
        served.add(runs[0])
        slots.leave(tickets[runs[0]], float(now))
    assert served == set(range(12))


def test_two_tenants_share_an_upstream_whatever_they_send() -> None:
    """A tenant that keeps forty requests in the air and one with eight get the same number of turns."""
    slots = some_slots(4, 20)
    dice = random.Random(1)
    served = {A: 0, B: 0}
    inside: dict[tuple[str, str], list[Ticket]] = {A: [], B: []}
    for now in range(2000):
        for who, wanted in ((A, 40), (B, 8)):
            inside[who] = [ticket for ticket in inside[who] if ticket.state is not State.GONE]
            with contextlib.suppress(FailureError):
                while len(inside[who]) < wanted:
                    inside[who].append(slots.ask("normal", who, float(now)))
        who, ends = dice.choice([(who, each) for who in inside for each in inside[who] if each.state is State.RUNNING])
        served[who] += 1
        slots.leave(ends, float(now))
    assert abs(served[A] - served[B]) <= 10


def test_time_in_which_a_slot_was_free_is_no_slowness() -> None:
    """With no queue, slots are free between two requests; that says nothing about how long a turn takes."""
    slots = some_slots(1, 0)
    for now in (0.0, 100.0, 200.0):
        slots.leave(ask(slots, now=now), now + 2.0)
    ask(slots, now=300.0)
    with pytest.raises(FailureError) as caught:
        ask(slots, now=300.0)
    assert caught.value.failure.fields == (("Retry-After", "2"),)
