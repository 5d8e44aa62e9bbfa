"""Amounts per time as they are written, and what is said of those that cannot be read."""

import pytest

from gateway.config.problem import Unacceptable
from gateway.grammar.quotas import PerTime, format_per_time, parse_budget, parse_rate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("100/min", PerTime(100, "count", 60)),
        ("20/s", PerTime(20, "count", 1)),
        ("5k/day", PerTime(5000, "count", 86400)),
        ("1/1h30m", PerTime(1, "count", 5400)),
    ],
)
def test_rate_is_requests_in_a_period(text: str, expected: PerTime) -> None:
    """What is read is written the same way again."""
    assert parse_rate(text) == expected
    assert format_per_time(expected) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10GiB/day", PerTime(10 * 2**30, "size", 86400)),
        ("24h/day", PerTime(86400, "duration", 86400)),
        ("1M/day", PerTime(1_000_000, "count", 86400)),
        ("90m/h", PerTime(5400, "duration", 3600)),
    ],
)
def test_budget_is_an_amount_of_any_kind_in_a_period(text: str, expected: PerTime) -> None:
    """The unit tells the kind."""
    assert parse_budget(text) == expected
    assert parse_budget(format_per_time(expected)) == expected


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("100/minute", "100/min"),
        ("100/m", "100/min"),
        ("20/sec", "20/s"),
        ("0/min", None),
        ("100", None),
        ("100/", None),
        ("100/0s", None),
        ("100/500ms", None),
        ("-1/s", None),
        ("1.5/s", None),
        ("9999999999/s", None),
        ("10MiB/s", None),
        (100, None),
        (None, None),
    ],
)
def test_rate_that_cannot_be_read_is_refused(text: object, suggestion: str | None) -> None:
    """With what was probably meant, where that is known."""
    with pytest.raises(Unacceptable) as caught:
        parse_rate(text)
    assert caught.value.suggestion == suggestion


@pytest.mark.parametrize("text", ["0B/day", "0s/day", "ten/day", "10GiB", "10GiB/week", "10 GiB/day", 7])
def test_budget_that_cannot_be_read_is_refused(text: object) -> None:
    """Nothing is guessed about amounts."""
    with pytest.raises(Unacceptable):
        parse_budget(text)
