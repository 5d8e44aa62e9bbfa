"""Durations and sizes: read, written, and refused with the unit that is probably missing."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.problem import Unacceptable
from gateway.config.units import (
    LARGEST_OCTETS,
    LONGEST_SECONDS,
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_duration_or_off,
    parse_positive_duration,
    parse_rate_or_off,
    parse_size,
    parse_size_or_off,
)


@given(st.integers(0, LONGEST_SECONDS * 1000).map(lambda milliseconds: milliseconds / 1000))
def test_a_duration_written_is_read_as_the_same_number(seconds: float) -> None:
    """Nothing is lost between the program's number and the file's text."""
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(0, 10**9).map(lambda nanoseconds: nanoseconds / 10**9))
def test_a_duration_of_less_than_a_millisecond_is_read_as_the_same_number(seconds: float) -> None:
    """Also fractions that no unit names are written so that they come back."""
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.integers(0, LARGEST_OCTETS))
def test_a_size_written_is_read_as_the_same_number(octets: int) -> None:
    """Nothing is lost between the program's number and the file's text."""
    assert parse_size(format_size(octets)) == octets


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("30s", 30),
        ("5m", 300),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1.5s", 1.5),
        ("0s", 0),
        ("9ms", 0.009),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float) -> None:
    """Units add up, and decimal fractions are exact."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "octets"),
    [("0B", 0), ("1KB", 1000), ("64KiB", 65536), ("10MiB", 10485760), ("1MB", 10**6), ("1.5KiB", 1536)],
)
def test_a_size_is_read_in_octets(text: str, octets: int) -> None:
    """KiB counts by 1024, KB by 1000."""
    assert parse_size(text) == octets


@pytest.mark.parametrize(
    ("parse", "value", "suggestion"),
    [
        (parse_duration, 600, "600s"),
        (parse_duration, 2.5, "2.5s"),
        (parse_duration, "600", "600s"),
        (parse_duration, "30 s", "30s"),
        (parse_duration, "5min", "5m"),
        (parse_duration, "1 Hour", "1h"),
        (parse_duration, "2d", "48h"),
        (parse_duration, "30m1h", None),
        (parse_duration, "-5s", None),
        (parse_duration, "", None),
        (parse_duration, True, None),
        (parse_duration, "9000h", None),
        (parse_duration, "9" * 400 + "s", None),
        (parse_positive_duration, "0s", None),
        (parse_duration_or_off, 0, "off"),
        (parse_duration_or_off, "0s", "off"),
        (parse_duration_or_off, False, "off"),
        (parse_duration_or_off, 10, "10s"),
        (parse_size, 65536, "64KiB"),
        (parse_size, "1000000", "1MB"),
        (parse_size, "64kib", "64KiB"),
        (parse_size, "64 KiB", "64KiB"),
        (parse_size, "10m", "10MiB"),
        (parse_size, "1.5B", "1.5B"),
        (parse_size, "99999999999GB", None),
        (parse_size, "off", None),
        (parse_size_or_off, 7, "7B"),
        (parse_size_or_off, False, "off"),
    ],
)
def test_what_lacks_its_unit_is_refused_with_a_guess(
    parse: Callable[[Any], object], value: object, suggestion: str | None
) -> None:
    """Bare numbers, misspelt units and impossible values are refused; a plain meaning is suggested."""
    with pytest.raises(Unacceptable) as refusal:
        parse(value)

    assert refusal.value.suggestion == suggestion


def test_off_is_no_limit() -> None:
    """ "off" is read as None where a setting allows it."""
    assert (parse_duration_or_off("off"), parse_size_or_off("off")) == (None, None)


@given(
    st.integers(1, LARGEST_OCTETS), st.integers(1, LONGEST_SECONDS * 1000).map(lambda milliseconds: milliseconds / 1000)
)
def test_a_rate_written_is_read_as_the_same_numbers(octets: int, seconds: float) -> None:
    """Nothing is lost between the program's numbers and the file's text."""
    assert parse_rate_or_off(format_rate(octets, seconds)) == (octets, seconds)


def test_a_rate_may_be_off() -> None:
    """By the word only."""
    assert parse_rate_or_off("off") is None


@pytest.mark.parametrize(
    ("value", "suggestion"),
    [
        ("1KiB/s", "1KiB/1s"),
        ("1K/30", "1KiB/30s"),
        ("1024/30s", "1KiB/30s"),
        ("1KiB", None),
        ("1KiB/0s", None),
        ("fast/30s", None),
        ("0B/30s", "off"),
        (0, "off"),
        (False, "off"),
        (1024, None),
        ("", None),
    ],
)
def test_what_is_no_rate_is_refused_with_what_was_probably_meant(value: Any, suggestion: str | None) -> None:
    """A rate without its window says nothing about how long a stream may rest."""
    with pytest.raises(Unacceptable, match="1KiB/30s") as caught:
        parse_rate_or_off(value)
    assert caught.value.suggestion == suggestion
