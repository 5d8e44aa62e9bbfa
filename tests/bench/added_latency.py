"""How much time and CPU the gateway adds, beside nginx and a proxy written by hand: see README.md here.

python tests/bench/added_latency.py [--rounds N] [--json FILE]
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT), str(_ROOT / "tests")]

from measuring import Spread, event_delays, first_octets, small_requests  # noqa: E402 - after the path is set
from targets import Target, targets  # noqa: E402

_SMALL_REQUESTS = 800
_STREAM_STARTS = 150
_STREAMS = {1: (40, 25), 50: (30, 50), 200: (15, 100)}
"""By number of streams at once: events of each, and ms between two."""

Row = dict[str, float]
"""What one round found about one target: microseconds, by name of the measure."""


def _of(name: str, spread: Spread) -> Row:
    return {f"{name} p50": spread.p50, f"{name} p99": spread.p99}


def _small(target: Target) -> Row:
    spread, cpu = small_requests(target, _SMALL_REQUESTS)
    return {**_of("small GET", spread), "CPU of a small GET": cpu}


def _start(target: Target) -> Row:
    return _of("first event of a stream", first_octets(target, _STREAM_STARTS))


def _events(streams: int) -> Callable[[Target], Row]:
    events, pace_ms = _STREAMS[streams]
    return lambda target: _of(f"event, {streams} streams", event_delays(target, streams, events, pace_ms))


def measure(rounds: int, directory: Path) -> dict[str, list[Row]]:
    """Return the rows of each target, one a round. Each measure goes through all targets before the next one."""
    measures = [_small, _start, *map(_events, _STREAMS)]
    with targets(directory) as found:
        rows: dict[str, list[Row]] = {target.name: [{} for _ in range(rounds)] for target in found}
        for number in range(rounds):
            for one in measures:
                for target in found[number % len(found) :] + found[: number % len(found)]:  # nobody is always first
                    rows[target.name][number] |= one(target)
    return rows


def summary(rows: dict[str, list[Row]]) -> dict[str, dict[str, float]]:
    """Return by measure and target the medians of the rounds: of the upstream as measured, of the others as added."""
    direct = rows["direct"]
    return {
        measure: {
            name: round(
                statistics.median(
                    row[measure] - (0 if name == "direct" or measure.startswith("CPU") else base[measure])
                    for row, base in zip(of_target, direct, strict=True)
                ),
                1,
            )
            for name, of_target in rows.items()
        }
        for measure in direct[0]
    }


def table(found: dict[str, dict[str, float]]) -> str:
    """Return the summary as a table in Markdown, microseconds; the last column compares the recipe with the gateway."""
    names = list(next(iter(found.values())))
    head = ["µs", "direct", *(f"{name} adds" for name in names[1:]), "recipe / slowgate"]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for measure, values in found.items():
        ratio = values["recipe"] / values["slowgate"] if values["slowgate"] > 0 else float("nan")
        lines.append([measure, *(f"{values[name]:,.0f}" for name in names), f"{ratio:.1f}"])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=_ROOT / "build/added_latency.json")
    asked = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        rows = measure(asked.rounds, Path(directory))
    found = summary(rows)
    about: dict[str, Any] = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "rounds": asked.rounds,
        "seconds": round(time.monotonic() - started),
    }
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps({"about": about, "microseconds": found, "rounds": rows}, indent=1) + "\n")
    facts = ", ".join(f"{name} {value}" for name, value in about.items())
    sys.stdout.write(f"{table(found)}\n\n{facts}\nwritten to {asked.json}\n")


if __name__ == "__main__":
    main()
