"""Shares: what is read, what is refused with a suggestion, and that both ways agree."""

import pytest

from gateway.config.problem import Unacceptable
from gateway.grammar.shares import format_share, parse_share_or_off


@pytest.mark.parametrize(
    ("text", "share"), [("20%", 0.2), ("100%", 1.0), ("0.5%", 0.005), ("12.345%", 0.12345), ("off", None)]
)
def test_share_is_read_and_written_the_same(text: str, share: float | None) -> None:
    """What `gateway config` prints can be put into the file."""
    assert parse_share_or_off(text) == share
    assert format_share(share) == text


@pytest.mark.parametrize(
    ("value", "suggestion"),
    [
        (20, "20%"), (0.2, "20%"), (1, "100%"), (False, "off"), (True, None), ("20", None), ("0%", None),
        ("101%", None), ("-1%", None), (-1, None), (200, None), (None, None), ("1.2345%", None),
    ],
)  # fmt: skip
def test_anything_else_is_refused(value: object, suggestion: str | None) -> None:
    """A bare number says what it probably means; the message never guesses silently."""
    with pytest.raises(Unacceptable) as refused:
        parse_share_or_off(value)

    assert refused.value.suggestion == suggestion
