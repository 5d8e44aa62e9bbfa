"""Statuses in settings: one, a class, a range."""

from typing import Any

import pytest

from gateway.config.problem import Unacceptable
from gateway.grammar.statuses import format_statuses, parse_statuses


@pytest.mark.parametrize(
    ("value", "expected", "written"),
    [
        (503, (503, 503), 503),
        ("503", (503, 503), 503),
        ("5xx", (500, 599), "5xx"),
        ("500-599", (500, 599), "5xx"),
        ("200-399", (200, 399), "200-399"),
        ("200-200", (200, 200), 200),
    ],
)
def test_statuses_are_read_and_written(value: Any, expected: tuple[int, int], written: int | str) -> None:
    """What is written is read back as the same."""
    assert parse_statuses(value) == expected
    assert format_statuses(expected) == written
    assert parse_statuses(written) == expected


@pytest.mark.parametrize("value", [99, 600, True, 4.5, None, "6xx", "xx", "400-300", "200-", "2xx-3xx", ""])
def test_what_is_no_status_is_refused(value: Any) -> None:
    """With what would be one."""
    with pytest.raises(Unacceptable, match='such as "5xx"'):
        parse_statuses(value)
