"""What an Accept field says about a media type."""

import pytest

from gateway.exchange.accept import media_ranges, quality


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/csv", 1.0),
        ("TEXT/CSV ; Q=0.5", 0.5),
        ("text/*;q=0.3, */*;q=0.1", 0.3),
        ("*/*;q=0.1", 0.1),
        ("application/json", 0.0),
        ("text/csv;q=0, */*", 0.0),
        ("text/csv;q=2", 0.0),
        ("text/csv;q=", 0.0),
        ("text/csv;header=present;q=0.25", 0.25),
        (",, text/csv,", 1.0),
        ("", 0.0),
    ],
)
def test_most_specific_range_decides(accept: str, expected: float) -> None:
    """A quality that cannot be read accepts nothing."""
    assert quality(media_ranges(accept), "text/csv") == expected
