"""Puts the figures of the benchmark suite into docs/performance.md, between two markers, and the chart beside them."""

import json
from pathlib import Path
from typing import Any

from docs import benchmark_chart, benchmark_tables

PAGE = Path(__file__).parent / "performance.md"
RESULTS = Path(__file__).parent / "benchmarks/results.json"
MANY = Path(__file__).parent / "benchmarks/many-streams.json"
"""A run of the scenario `hold` alone, with as many streams as the machine allows."""
CHART = Path(__file__).parent / "benchmarks/chart.svg"
BEGIN = "<!-- made from benchmarks/results.json by docs/generate.py; do not edit -->"
END = "<!-- end of what is made -->"


def made() -> list[tuple[Path, str]]:
    """Return the page and the chart with what belongs in them."""
    result, many = (json.loads(file.read_text(encoding="utf-8")) for file in (RESULTS, MANY))
    return [(PAGE, page(PAGE.read_text(encoding="utf-8"), result, many)), (CHART, benchmark_chart.svg(result))]


def page(text: str, result: dict[str, Any], many: dict[str, Any]) -> str:
    """Return ``text`` with the figures between its markers; raise ValueError where these are not there once."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in after:
        raise ValueError(f"{PAGE.name} has not one place for figures: {BEGIN} ... {END}")
    chart = "![Ratios to slowgate of what each target needs, for eight measures](benchmarks/chart.svg)"
    figures = (benchmark_tables.told(result), chart, benchmark_tables.text(result), *_many_streams(many))
    return "\n\n".join((before + begin, *figures, end + after))


def _many_streams(result: dict[str, Any]) -> list[str]:
    """Return the section about many streams: as the one about some, under a heading that tells how many."""
    text = benchmark_tables.text(result)
    heading = f"### {result['about']['hold']:,} open streams"
    return [text.replace("### Open streams", heading, 1), benchmark_tables.told(result)]
