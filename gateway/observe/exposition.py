"""Metrics as text: Prometheus' own format, or OpenMetrics 1.0 for who prefers it; in pieces, for a page may be long."""

import re
from collections.abc import Iterator, Mapping

from gateway.observe.families import FAMILIES, Family
from gateway.observe.table import Labels, Samples, Table

CLASSIC = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_LINES_IN_A_PIECE = 500
_QUALITY = re.compile(r";\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|$)")


def content_type(accept: str) -> str:
    """Return the type to answer with: OpenMetrics where ``Accept`` names it and likes nothing we have better."""
    wanted = _quality(accept, "application/openmetrics-text")
    return OPENMETRICS if wanted > 0 and wanted >= _quality(accept, "text/plain") else CLASSIC


def _quality(accept: str, media_type: str) -> float:
    found = 0.0
    for each in accept.lower().split(","):
        if each.partition(";")[0].strip() == media_type:
            quality = _QUALITY.search(each)
            found = max(found, float(quality[1]) if quality is not None else 1.0)
    return found


def render(table: Table, gauges: Mapping[str, Samples], *, openmetrics: bool) -> Iterator[str]:
    """Yield the page in pieces of some hundred lines. ``gauges`` is by name of the family."""
    lines: list[str] = []
    for family in FAMILIES:
        if not _holds(family, table, gauges):
            continue
        named = family.name if openmetrics or family.kind != "counter" else f"{family.name}_total"
        kind = "info" if openmetrics and family.name.endswith("_info") else family.kind
        named = named.removesuffix("_info") if kind == "info" else named
        lines += [f"# HELP {named} {family.help}", f"# TYPE {named} {kind}"]
        for line in _samples(family, table, gauges):
            lines.append(line)
            if len(lines) >= _LINES_IN_A_PIECE:
                yield "\n".join(lines) + "\n"
                lines = []
    if openmetrics:
        lines.append("# EOF")
    if lines:
        yield "\n".join(lines) + "\n"


def _holds(family: Family, table: Table, gauges: Mapping[str, Samples]) -> bool:
    if family.kind == "histogram":
        return bool(table.histograms.get(family.name))
    return bool((table.counters if family.kind == "counter" else gauges).get(family.name))


def _samples(family: Family, table: Table, gauges: Mapping[str, Samples]) -> Iterator[str]:
    if family.kind == "histogram":
        for labels, row in table.histograms.get(family.name, {}).items():
            yield from _histogram(family, labels, row)
        return
    name = f"{family.name}_total" if family.kind == "counter" else family.name
    samples = table.counters if family.kind == "counter" else gauges
    for labels, value in samples.get(family.name, {}).items():
        inside = _inside(family.labels, labels)
        yield f"{name}{{{inside}}} {number(value)}" if inside else f"{name} {number(value)}"


def _histogram(family: Family, labels: Labels, row: list[float]) -> Iterator[str]:
    inside = _inside(family.labels, labels)
    start, total = f"{family.name}_bucket{{{inside}," if inside else f"{family.name}_bucket{{", 0.0
    for bound, count in zip((*map(number, family.buckets), "+Inf"), row, strict=False):
        total += count
        yield f'{start}le="{bound}"}} {number(total)}'
    yield f"{family.name}_count{{{inside}}} {number(total)}"
    yield f"{family.name}_sum{{{inside}}} {number(row[-1])}"


def _inside(names: Labels, values: Labels) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def number(value: float) -> str:
    """Return a number as both formats write it; whole ones as floats, which is how histograms' bounds must look."""
    return repr(float(value))
