"""Durations and sizes as people read them."""

import pytest

from gateway.config import rounded
from gateway.config.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-1, "0.0s"), (0, "0.0s"), (0.44, "0.4s"), (9.94, "9.9s"), (9.96, "10s"), (59.4, "59s"), (59.6, "1m00s"),
        (252, "4m12s"), (754.2, "12m34s"), (3600, "1h00m"), (7500, "2h05m"), (86399, "23h59m"), (86400, "1d00h"),
        (273_600, "3d04h"),
    ],
)  # fmt: skip
def test_durations_have_two_units_at_most(seconds: float, expected: str) -> None:
    """Enough to compare, short enough for a column."""
    assert rounded.duration(seconds) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [(7.24, "7.2ms"), (9.96, "10ms"), (340.4, "340ms"), (999.6, "1.00s"), (12_340, "12.3s"), (310_000, "310s")],
)
def test_milliseconds_become_seconds_where_they_are_some(number: float, expected: str) -> None:
    """Three digits are told."""
    assert rounded.milliseconds(number) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "0B"), (812, "812B"), (999.6, "1KB"), (1800, "1.8KB"), (2048.0, "2.05KB"), (41_000_000, "41MB"),
        (999_700, "1MB"), (3 * 10**9, "3GB"), (3e15, "3000TB"),
    ],
)  # fmt: skip
def test_octets_have_the_unit_that_fits(number: float, expected: str) -> None:
    """Powers of a thousand."""
    assert rounded.octets(number) == expected


def test_what_is_read_in_a_table_can_be_written_into_the_file() -> None:
    """One way to write a duration or a size; only days, which the file does not know, are for people alone."""
    for seconds in (0.4, 31.0, 252.0, 7500.0):
        assert parse_duration(rounded.duration(seconds)) == seconds
    for number in (340.0, 1420.0):
        assert parse_duration(rounded.milliseconds(number)) * 1000 == number
    for octets in (0, 812, 1800, 41_000_000, 3 * 10**9):
        assert parse_size(rounded.octets(octets)) == octets
