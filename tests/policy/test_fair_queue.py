"""Who is next, and who must give way."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.fair_queue import CLASSES, PASSED_OVER_LIMIT, FairQueue


def a_queue(*waiting: str, bound: int = 100) -> FairQueue[str]:
    """Return a queue in which each of ``waiting`` (``normal/a/1``: class, principal, name) has come in turn."""
    queue = FairQueue[str](bound)
    for number, each in enumerate(waiting):
        priority, who, _ = each.split("/")
        queue.push(number, priority, ("x", who), each)
    return queue


def emptied(queue: FairQueue[str]) -> list[str]:
    """Return who waits, in the order of service."""
    return [queue.pop().rpartition("/")[0] for _ in range(len(queue))]


def test_one_principal_is_served_in_the_order_it_came() -> None:
    """Without anybody to be fair to it is a plain queue."""
    queue = a_queue("normal/a/1", "normal/a/2", "normal/a/3")
    assert [queue.pop() for _ in range(3)] == ["normal/a/1", "normal/a/2", "normal/a/3"]
    assert len(queue) == 0


def test_principals_take_turns() -> None:
    """Who sends much delays who sends little by one turn only."""
    queue = a_queue(*(f"normal/a/{n}" for n in range(5)), "normal/b/1", "normal/b/2", "normal/c/1")
    assert "".join(each[-1] for each in emptied(queue)) == "abcabaaa"


def test_newcomer_waits_at_most_one_turn_of_each_other() -> None:
    """A principal that comes while others wait is served after one of each."""
    queue = a_queue(*(f"normal/{who}/{n}" for n in range(3) for who in "abcd"))
    queue.pop()
    queue.push(99, "normal", ("x", "new"), "new")
    assert [queue.pop() for _ in range(5)][-1] == "new" or "new" in [queue.pop()]


def test_higher_class_goes_first() -> None:
    """Whoever came earlier in a lower class waits."""
    queue = a_queue("low/a/1", "normal/a/1", "high/b/1", "normal/b/2", "high/a/2")
    assert emptied(queue) == ["high/b", "high/a", "normal/a", "normal/b", "low/a"]


@pytest.mark.parametrize("lower", [("low",), ("normal",), ("normal", "low")])
def test_lower_class_is_not_starved(lower: tuple[str, ...]) -> None:
    """While the high class always has somebody waiting, each other gets about one turn in sixteen."""
    queue = FairQueue[str](10_000)
    numbers = itertools.count()
    for priority in lower:
        for _ in range(40):
            queue.push(next(numbers), priority, ("x", "a"), priority)
    served = []
    for _ in range(320):
        queue.push(next(numbers), "high", ("x", "b"), "high")
        served.append(queue.pop())
    for priority in lower:
        places = [at for at, each in enumerate(served) if each == priority]
        assert 17 <= len(places) <= 20
        gaps = [after - before for before, after in itertools.pairwise(places)]
        assert max([places[0], *gaps]) <= PASSED_OVER_LIMIT + 3


def test_class_that_emptied_does_not_come_with_old_claims() -> None:
    """Turns that a class had nobody for are not saved up."""
    queue = a_queue("low/a/1", *(f"high/b/{n}" for n in range(100)))
    for _ in range(PASSED_OVER_LIMIT - 1):
        queue.pop()
    queue.discard(0)
    queue.pop()
    queue.push(500, "low", ("x", "a"), "low/a/2")
    assert queue.pop().startswith("high")


def test_who_leaves_is_not_served() -> None:
    """From the front, from the middle and as the last of its principal; twice, or a stranger, is harmless."""
    queue = a_queue("normal/a/1", "normal/a/2", "normal/b/1", "normal/a/3")
    for key in (0, 2, 2, 77):
        queue.discard(key)
    assert emptied(queue) == ["normal/a", "normal/a"]
    with pytest.raises(KeyError, match="nobody waits"):
        queue.pop()


def test_waiting_is_counted_by_class() -> None:
    """What an operator sees."""
    queue = a_queue("low/a/1", "low/b/1", "high/a/1", bound=3)
    assert [queue.waiting(each) for each in CLASSES] == [1, 0, 2]
    assert queue.full


@pytest.mark.parametrize(
    ("waiting", "newcomer", "gives_way"),
    [
        (["normal/a/1", "normal/a/2"], "normal/b", "normal/a/2"),  # who has most, its newest
        (["normal/a/1", "normal/a/2", "normal/b/1"], "normal/b", None),  # it would have as many
        (["normal/a/1", "normal/a/2"], "normal/a", None),  # nobody makes room for itself
        (["normal/a/1", "normal/b/1"], "normal/c", None),  # all have one
        (["low/a/1", "low/b/1", "low/b/2"], "normal/a", "low/b/2"),  # a lower class makes room for a higher
        (["low/a/1", "normal/b/1"], "high/b", "low/a/1"),  # the lowest first
        (["high/a/1", "high/a/2", "high/a/3"], "normal/b", None),  # a higher one never
        (["normal/a/1", "normal/a/2", "normal/a/3", "high/a/1"], "normal/b", "normal/a/3"),
    ],
)
def test_full_queue_makes_room_for_who_has_less(waiting: list[str], newcomer: str, gives_way: str | None) -> None:
    """Nobody keeps others out by filling the queue."""
    queue = a_queue(*waiting, bound=len(waiting))
    priority, who = newcomer.split("/")
    assert queue.make_room(priority, ("x", who)) == gives_way
    assert len(queue) == len(waiting) - (gives_way is not None)


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.sampled_from(CLASSES), st.sampled_from("abc")),
        st.tuples(st.just("pop"), st.just(""), st.just("")),
        st.tuples(st.just("discard"), st.just(""), st.integers(0, 60)),
    ),
    max_size=60,
)


@given(MOVES)
def test_whatever_happens_everyone_is_served_or_leaves_once(moves: list[tuple[str, str, object]]) -> None:
    """Nobody is lost, nobody is served twice, and each line keeps its order."""
    queue = FairQueue[int](100)
    inside: dict[int, tuple[str, str]] = {}
    keys = itertools.count()

    def pop() -> None:
        key = queue.pop()
        of_line = inside.pop(key)
        assert all(other > key for other, line in inside.items() if line == of_line)

    for move, priority, who in moves:
        if move == "push":
            key = next(keys)
            queue.push(key, priority, ("x", str(who)), key)
            inside[key] = (priority, str(who))
        elif move == "discard":
            queue.discard(int(str(who)))
            inside.pop(int(str(who)), None)
        elif inside:
            pop()
        assert len(queue) == len(inside) == sum(map(queue.waiting, CLASSES))
    while inside:
        pop()
    assert len(queue) == 0


@given(st.lists(st.sampled_from("aaaaaab"), min_size=20, max_size=200))
def test_principals_that_wait_get_the_same_share(arrivals: list[str]) -> None:
    """As long as both have somebody waiting, neither is ever more than one turn ahead."""
    queue = a_queue(*(f"normal/{who}/{n}" for n, who in enumerate(arrivals)), bound=500)
    turns = {"a": 0, "b": 0}
    both = min(arrivals.count("a"), arrivals.count("b"))
    for who in emptied(queue)[: 2 * both]:
        turns[who[-1]] += 1
        assert abs(turns["a"] - turns["b"]) <= 1
