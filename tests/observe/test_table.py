"""Counters and histograms as plain numbers."""

import pytest

from gateway.observe.families import ATTEMPTS, DURATION_SECONDS, EXCHANGES, FAMILIES, HEAD_SECONDS, Family
from gateway.observe.table import Table

ONE, OTHER = ("a", "up"), ("b", "up")


@pytest.mark.parametrize(
    ("value", "bucket"),
    [(0.0, 0), (0.005, 0), (0.0051, 1), (600.0, len(HEAD_SECONDS.buckets) - 1), (1e9, len(HEAD_SECONDS.buckets))],
)
def test_a_value_falls_into_the_first_bucket_that_is_not_below_it(value: float, bucket: int) -> None:
    """Bounds are upper ones and belong to their bucket; the last bucket takes the rest; the sum is behind them."""
    table = Table()
    table.observe(HEAD_SECONDS, ONE, value)
    (row,) = table.histograms[HEAD_SECONDS.name].values()

    assert [at for at, count in enumerate(row[:-1]) if count] == [bucket]
    assert row[-1] == value


def test_what_several_workers_counted_adds_up() -> None:
    """Series that only one of them has stay as they are, and merging changes nothing of what was merged."""
    table, other = Table(), Table()
    for each, labels, number in ((table, ONE, 1), (other, ONE, 2), (other, OTHER, 5)):
        each.add(EXCHANGES, labels, number)
        each.observe(HEAD_SECONDS, labels, number)
    table.merge_counters(other.counters)
    table.merge_histogram(HEAD_SECONDS.name, other.histograms[HEAD_SECONDS.name])
    table.observe(HEAD_SECONDS, OTHER, 1)

    assert table.counters[EXCHANGES.name] == {ONE: 3, OTHER: 5}
    rows = table.histograms[HEAD_SECONDS.name]
    assert (sum(rows[ONE][:-1]), rows[ONE][-1], rows[OTHER][-1]) == (2, 3, 6)
    assert other.histograms[HEAD_SECONDS.name][OTHER][-1] == 5


def test_only_series_whose_labels_are_known_are_kept() -> None:
    """A route that is gone goes with all of its series, an endpoint with its own; what has no such label stays."""
    table = Table()
    table.add(EXCHANGES, ("a", "up", "complete", "200"))
    table.add(EXCHANGES, ("gone", "up", "complete", "200"))
    table.observe(DURATION_SECONDS, ("gone", "up"), 1)
    table.add(ATTEMPTS, ("up", "http://one", "2xx"))
    table.add(ATTEMPTS, ("up", "http://gone", "2xx"))
    table.keep(
        FAMILIES, {"route": frozenset({"a"}), "upstream": frozenset({"up"}), "endpoint": frozenset({"http://one"})}
    )

    assert list(table.counters[EXCHANGES.name]) == [("a", "up", "complete", "200")]
    assert table.histograms[DURATION_SECONDS.name] == {}
    assert list(table.counters[ATTEMPTS.name]) == [("up", "http://one", "2xx")]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_names_follow_the_habits_of_prometheus(family: Family) -> None:
    """Ours by their prefix, base units, buckets that grow, and labels that no client and no upstream chooses."""
    assert family.name.startswith("slowgate_") and not family.name.endswith("_total")
    assert not any(word in family.name for word in ("milli", "_ms", "_kb", "minutes"))
    assert list(family.buckets) == sorted(set(family.buckets)) and bool(family.buckets) == (family.kind == "histogram")
    assert family.kind in ("counter", "gauge", "histogram") and "le" not in family.labels
    assert not {"path", "target", "principal", "model", "peer", "method", "host"} & set(family.labels)


def test_no_two_families_have_one_name() -> None:
    """Nor does a family's name begin the names that a histogram of ours makes."""
    names = [family.name for family in FAMILIES]
    made = {f"{each.name}_{end}" for each in FAMILIES if each.kind == "histogram" for end in ("bucket", "sum", "count")}
    assert len(set(names)) == len(names) and not made & set(names)


def test_durations_reach_to_hours() -> None:
    """A stream that runs for a working day still has a bucket of its own."""
    assert DURATION_SECONDS.buckets[-1] >= 8 * 3600
