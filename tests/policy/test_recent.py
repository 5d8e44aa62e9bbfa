"""The last few values: which are kept, and what most of them are like."""

import pytest

from gateway.policy.recent import Recent


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, None),
        ([7.0], 0.5, 7.0),
        ([7.0], 0.95, 7.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([4.0, 3.0, 2.0, 1.0], 0.5, 2.0),
        ([float(n) for n in range(1, 101)], 0.95, 95.0),
        ([1.0, 2.0], 0.0, 1.0),
        ([1.0, 2.0], 1.0, 2.0),
    ],
)
def test_quantile_is_the_nearest_rank(values: list[float], share: float, expected: float | None) -> None:
    """At least that share of all values is not above it, and it is one of them."""
    recent = Recent()
    for value in values:
        recent.add(value)

    assert recent.quantile(share) == expected
    assert len(recent) == len(values)


def test_only_the_newest_values_are_kept() -> None:
    """However many come, the memory and the cost of a look stay what they are."""
    recent = Recent(kept=3)
    for value in range(10):
        recent.add(float(value))

    assert len(recent) == 3
    assert (recent.quantile(0.0), recent.quantile(1.0)) == (7.0, 9.0)
