"""Counters and histograms, as plain numbers by family and values of labels. Pure; tables of several workers add up."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping

from gateway.observe.families import Family

Labels = tuple[str, ...]
Samples = dict[Labels, float]
Rows = dict[Labels, list[float]]
"""Of a histogram: how many fell into each bucket, the infinite one last, and behind them the sum of all."""


class Table:
    """What was counted, by name of the family. Bounded by the values that labels can have."""

    __slots__ = ("counters", "histograms")

    def __init__(self) -> None:
        self.counters: dict[str, Samples] = {}
        self.histograms: dict[str, Rows] = {}

    def __repr__(self) -> str:
        series = sum(map(len, self.counters.values())) + sum(map(len, self.histograms.values()))
        return f"<Table of {series} series>"

    def add(self, family: Family, labels: Labels, number: float = 1) -> None:
        """Count ``number`` more."""
        samples = self.counters.get(family.name)
        if samples is None:
            samples = self.counters[family.name] = {}
        samples[labels] = samples.get(labels, 0) + number

    def observe(self, family: Family, labels: Labels, value: float) -> None:
        """Put ``value`` into its bucket."""
        rows = self.histograms.get(family.name)
        if rows is None:
            rows = self.histograms[family.name] = {}
        row = rows.get(labels)
        if row is None:
            row = rows[labels] = [0] * (len(family.buckets) + 2)
        row[bisect_left(family.buckets, value)] += 1
        row[-1] += value

    def merge_counters(self, counters: Mapping[str, Mapping[Labels, float]]) -> None:
        """Add what another worker has counted."""
        for name, samples in counters.items():
            mine = self.counters.setdefault(name, {})
            for labels, number in samples.items():
                mine[labels] = mine.get(labels, 0) + number

    def merge_histogram(self, name: str, rows: Mapping[Labels, list[float]]) -> None:
        """Add one histogram of another worker."""
        mine = self.histograms.setdefault(name, {})
        for labels, row in rows.items():
            before = mine.get(labels)
            mine[labels] = list(row) if before is None else [a + b for a, b in zip(before, row, strict=True)]

    def keep(self, families: Iterable[Family], known: Mapping[str, frozenset[str]]) -> None:
        """Drop the series with a label named in ``known`` whose value is not among its values there."""
        for family in families:
            places = [(at, known[label]) for at, label in enumerate(family.labels) if label in known]
            if places:
                _drop(self.counters.get(family.name, {}), places)
                _drop(self.histograms.get(family.name, {}), places)


def _drop(samples: Samples | Rows, places: list[tuple[int, frozenset[str]]]) -> None:
    gone = [labels for labels in samples if any(labels[at] not in names for at, names in places)]
    for labels in gone:
        del samples[labels]
