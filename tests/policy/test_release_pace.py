"""How soon a slot will be free."""

import pytest

from gateway.policy.release_pace import REMEMBERED, ReleasePace


def a_pace(*released: float, since: float = 100.0) -> ReleasePace:
    """Return the pace of a limit that was full from ``since`` on, with releases at these times."""
    pace = ReleasePace()
    pace.note(True, since)
    for at in released:
        pace.released(at)
    return pace


@pytest.mark.parametrize(
    ("released", "now", "turns", "seconds"),
    [
        ([102, 104, 106, 108, 110], 110, 1, 2),  # one in two seconds
        ([102, 104, 106, 108, 110], 110, 6, 12),
        ([100.1 * 1 + n / 10 for n in range(10)], 101, 1, 1),  # many a second: never less than 1
        ([], 100, 5, 1),  # nothing known yet
        ([], 104, 1, 4),  # nothing for four seconds: one is taken to come now
        ([], 104, 3, 12),
        ([], 1000, 9, 60),  # never more than a minute
        ([110, 120], 175, 1, 60),  # what is longer ago than a minute does not count, and none is left but 120
    ],
)
def test_pace_of_late_says_how_long_it_takes(released: list[float], now: float, turns: int, seconds: int) -> None:
    """The rate of releases, over the time in which all slots were taken."""
    assert a_pace(*released).seconds_until(turns, now) == seconds


def test_time_with_free_slots_does_not_count() -> None:
    """Little to do is no slowness."""
    pace = a_pace(102.0, 104.0)
    pace.note(False, 104.0)
    pace.note(False, 500.0)
    pace.released(550.0)  # While slots were free it says nothing.
    pace.note(True, 1000.0)
    pace.note(True, 1001.0)
    assert pace.seconds_until(4, 1000.0) == 8


def test_only_so_many_are_remembered() -> None:
    """With more releases than are remembered, the rate is that of the remembered ones."""
    pace = a_pace(*(100 + n / 100 for n in range(1, REMEMBERED * 3)))
    assert pace.seconds_until(1000, 100 + REMEMBERED * 3 / 100) in (10, 11)
