"""A token's life by a clock of the test's own: when it is used, renewed, dropped, asked for again."""

import pytest

from gateway.exchange.lasting import Lasting


def taken(lifetime: float, at: float = 100.0) -> Lasting:
    held = Lasting()
    held.take("t", lifetime, at)
    return held


@pytest.mark.parametrize(
    ("lifetime", "renews", "ends"), [(3600, 3300, 3595), (300, 240, 295), (10, 8, 9.5), (1, 0.8, 0.95)]
)
def test_it_is_renewed_before_it_ends_and_ends_before_the_upstream_thinks_so(
    lifetime: float, renews: float, ends: float
) -> None:
    """A fifth of the life, or five minutes, is left for the next fetch."""
    held = taken(lifetime)
    assert [held.due(100 + renews + moment) for moment in (-0.01, 0.01)] == [False, True]
    assert [held.usable(100 + ends + moment) for moment in (-0.01, 0.01)] == ["t", None]


def test_failures_are_followed_by_growing_pauses_that_a_success_ends() -> None:
    """An issuer that is down is not asked by every request."""
    held, now, pauses = Lasting(), 0.0, []
    for _ in range(7):
        held.fail("why", now)
        pause = next(step for step in range(1000) if held.due(now + step / 10)) / 10
        pauses.append(pause)
        now += pause
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    held.take("t", 10, now)
    held.fail("why", now + 9)
    assert held.due(now + 10.1)


def test_old_value_is_used_while_the_next_fetch_fails() -> None:
    """Renewal begins early enough that one failure costs nothing."""
    held = taken(10)
    held.fail("why", 108.5)
    assert held.usable(109) == "t"


def test_value_that_is_not_accepted_is_dropped_but_not_again_and_again() -> None:
    """Who never accepts any token does not cost a fetch a request."""
    held = taken(3600)
    assert held.reject("t", 101.0)
    assert (held.usable(101.0), held.due(101.0)) == (None, True)
    assert held.reject("t", 101.0)  # It is gone already: a new one is on its way.
    held.take("u", 3600, 102.0)
    assert held.reject("t", 103.0)  # There is a newer one.
    assert not held.reject("u", 104.0)
    assert held.usable(104.0) == "u"
    assert held.reject("u", 111.5)


def test_it_does_not_show_its_value() -> None:
    """Whoever prints it sees only whether there is one."""
    assert [repr(Lasting()), repr(taken(1))] == ["<Lasting empty>", "<Lasting ***>"]
