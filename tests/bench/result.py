"""What a run found, as it is written to a file: it tells all that is needed to read it, the names of columns too."""

import json
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.scenarios.scenario import Measure, Scenario

Rounds = list[dict[str, dict[str, float]]]
"""Of each round, by key of the measure and by target, the value as it was measured."""
Result = dict[str, Any]
"""``about``, ``machine``, ``targets`` (name, version), ``left_out`` (name, why), ``failed`` (scenario, target, why),
``scenarios``, ``measures``, ``medians`` and ``ratios`` (measure, target), ``rounds``."""

DIRECT = "direct"


def columns(scenarios: Iterable[Scenario]) -> dict[str, dict[str, Any]]:
    """Return the measures by their keys, as the file tells them."""
    return {
        measure.key: {key: value for key, value in asdict(measure).items() if key != "key"}
        | {"scenario": scenario.name}
        for scenario in scenarios
        for measure in scenario.measures
    }


def medians(rounds: Rounds, measures: Iterable[Measure]) -> dict[str, dict[str, float]]:
    """Return by measure and target the median of the rounds.

    Of what is told over the direct value, it is the median of the differences of each round; the direct one itself is
    told as it is. A target without a value in some round is judged by the others.
    """
    found: dict[str, dict[str, float]] = {}
    for measure in measures:
        by_target: dict[str, list[float]] = {}
        for one in rounds:
            values = one.get(measure.key, {})
            for target, value in values.items():
                base = values.get(DIRECT, 0.0) if measure.over_direct and target != DIRECT else 0.0
                by_target.setdefault(target, []).append(value - base)
        found[measure.key] = {target: round(statistics.median(values), 4) for target, values in by_target.items()}
    return found


def ratios(of: Mapping[str, Mapping[str, float]], to: str) -> dict[str, dict[str, float]]:
    """Return each median divided by that of the target ``to``; nothing where one of the two is not above zero."""
    return {
        measure: {
            target: round(value / values[to], 4)
            for target, value in values.items()
            if target not in (to, DIRECT) and value > 0
        }
        for measure, values in of.items()
        if values.get(to, 0) > 0
    }


def write(result: Result, file: Path) -> None:
    """Write a result, one that a person can look into."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(file: Path) -> Result:
    """Return the result in a file; raise ValueError, naming the file, for anything else."""
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(result, dict) and {"medians", "measures", "targets"} <= result.keys():
            return result
    except ValueError:
        pass
    raise ValueError(f"{file} is not a result of the benchmark suite")
