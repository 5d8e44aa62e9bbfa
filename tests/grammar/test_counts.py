"""Counts that may be off, and ranges."""

from typing import Any

import pytest

from gateway.config.problem import Unacceptable
from gateway.grammar.counts import Range, parse_count_or_off, parse_range_or_off
from gateway.policy.concurrency import ConcurrencySettings


@pytest.mark.parametrize(("value", "count"), [("off", None), (1, 1), (100_000, 100_000)])
def test_a_count_is_a_number_or_off(value: object, count: int | None) -> None:
    """Off is a word, so that a zero is not taken for one."""
    assert parse_count_or_off(value) == count


@pytest.mark.parametrize(
    ("value", "suggestion"),
    [(0, "off"), (False, "off"), (True, None), (-1, None), (100_001, None), ("20", None), (2.0, None), (None, None)],
)
def test_what_is_no_count_is_refused(value: object, suggestion: str | None) -> None:
    """Zero and false were probably meant to be off."""
    with pytest.raises(Unacceptable, match="whole number from 1 to 100000") as caught:
        parse_count_or_off(value)
    assert caught.value.suggestion == suggestion


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("off", None),
        ({"min": 2, "max": 200}, Range(2, 200)),
        ({"max": 5, "min": 5}, Range(5, 5)),
        (Range(1, 2), Range(1, 2)),
    ],
)
def test_a_range_has_both_ends(value: object, wanted: Range | None) -> None:
    """In any order, and both may be the same."""
    assert parse_range_or_off(value) == wanted


@pytest.mark.parametrize(
    ("value", "suggestion"),
    [
        ({}, None),
        ({"min": 2}, None),
        ({"min": 2, "max": 3, "most": 4}, None),
        ({"min": 0, "max": 3}, None),
        ({"min": "2", "max": 3}, None),
        ({"min": 4, "max": 3}, None),
        (False, "off"),
        (20, None),
    ],
)
def test_what_is_no_range_is_refused(value: object, suggestion: str | None) -> None:
    """With an example of one."""
    with pytest.raises(Unacceptable, match=r"min = 2, max = 200|min is above max") as caught:
        parse_range_or_off(value)
    assert caught.value.suggestion == suggestion


@pytest.mark.parametrize(
    "values",
    [
        {"max_concurrent": "off", "adaptive": "off"},
        {"max_concurrent": 7, "adaptive": {"min": 2, "max": 9}},
    ],
)
def test_settings_are_written_as_they_are_read(values: dict[str, Any]) -> None:
    """What `gateway config` prints is what a file may say."""
    settings = ConcurrencySettings.model_validate(values)
    assert settings.model_dump(include=set(values)) == values
