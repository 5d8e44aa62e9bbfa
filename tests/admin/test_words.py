"""Numbers as people read them."""

import pytest

from gateway.admin import words


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, words.NOTHING), (-1, "0.0s"), (0.44, "0.4s"), (9.94, "9.9s"), (9.96, "10s"), (59.4, "59s"),
        (59.6, "1m 00s"), (252, "4m 12s"), (7500, "2h 05m"), (273_600, "3d 04h"),
    ],
)  # fmt: skip
def test_durations_have_two_units_at_most(seconds: float | None, expected: str) -> None:
    """Enough to compare, short enough for a column."""
    assert words.duration(seconds) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (None, words.NOTHING),
        (7.24, "7.2 ms"),
        (340.4, "340 ms"),
        (999.6, "1.00 s"),
        (12_340, "12.3 s"),
        (310_000, "310 s"),
    ],
)
def test_milliseconds_become_seconds_where_they_are_some(number: float | None, expected: str) -> None:
    """Three digits are told."""
    assert words.milliseconds(number) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (None, words.NOTHING),
        (0, "0 B"),
        (812, "812 B"),
        (1800, "1.8 KB"),
        (41_000_000, "41 MB"),
        (999_700, "1 MB"),
        (3e15, "3e+03 TB"),
    ],
)
def test_octets_have_the_unit_that_fits(number: float | None, expected: str) -> None:
    """Powers of a thousand."""
    assert words.octets(number) == expected


def test_times_of_day_are_utc() -> None:
    """Wherever the machine stands."""
    assert words.clock(1_795_178_117.9) == "12:35:17"
    assert words.count(1_234_567) == "1,234,567"
