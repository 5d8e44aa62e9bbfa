"""Two looks at a running stream give a rate, and how long it has been quiet."""

import pytest

from gateway.exchange.look import Look, looked


@pytest.mark.parametrize(
    ("before", "octets", "now", "expected"),
    [
        (None, 100, 10.0, Look(10.0, 100, 10.0)),
        (Look(10.0, 100, 10.0), 300, 12.0, Look(12.0, 300, 12.0, 100.0)),
        (Look(10.0, 100, 10.0), 100, 12.0, Look(12.0, 100, 10.0, 0.0)),
        (Look(10.0, 100, 4.0), 100, 12.0, Look(12.0, 100, 4.0, 0.0)),
        (Look(10.0, 100, 10.0, 7.0), 999, 10.9, Look(10.0, 100, 10.0, 7.0)),
        (Look(10.0, 100, 10.0, 7.0), 300, 40.5, Look(40.5, 300, 40.5)),
        (Look(10.0, 100, 10.0, 7.0), 100, 40.5, Look(40.5, 100, 10.0)),
    ],
    ids=["first", "moved", "quiet", "quiet for long", "too soon", "too late", "too late and quiet"],
)
def test_a_look_tells_the_rate_since_the_one_before(
    before: Look | None, octets: int, now: float, expected: Look
) -> None:
    """Only looks that are neither too close nor too far apart are measured against each other."""
    assert looked(before, octets, now) == expected
