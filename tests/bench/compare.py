"""Says how one result of the suite compares with another; it never fails.

python tests/bench/compare.py OLD NEW

Compared is what changes little from machine to machine: the gateway's CPU for a unit of work, divided by that of the
recipe in the same run. The recipe stays what it is, so that what moves is the gateway.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_ROOT), str(_ROOT / "tests")]

from bench.peers.known import OURS, YARDSTICK  # noqa: E402 - after the path is set
from bench.result import Result, read  # noqa: E402

WORTH_SAYING = 0.1
"""A change below a tenth is the machine's."""
ENOUGH_ROUNDS = 3


def relative(result: Result, key: str) -> list[float]:
    """Return the gateway's value of a measure over the recipe's, of each round that has both, in rising order."""
    rounds = [one.get(key, {}) for one in result["rounds"]]
    return sorted(one[OURS] / one[YARDSTICK] for one in rounds if one.get(OURS) and one.get(YARDSTICK))


def middle(values: list[float]) -> float:
    """Return the median of sorted values, of which there is at least one."""
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2


def verdict(old: list[float], new: list[float]) -> str:
    """Return in words how sorted values compare: by their medians, and by whether their ranges overlap."""
    change = middle(new) / middle(old) - 1
    apart = new[0] > old[-1] or new[-1] < old[0]
    if abs(change) < WORTH_SAYING or not apart:
        return f"as before ({change:+.0%})"
    return f"{'WORSE' if change > 0 else 'better'} ({change:+.0%})"


def caveats(old: Result, new: Result) -> Iterator[str]:
    """Yield what makes the comparison less sure."""
    for word in ("mode", "hold"):
        if old["about"].get(word) != new["about"].get(word):
            yield f"{word}: {old['about'].get(word)} then, {new['about'].get(word)} now"
    for word in ("cpu", "cores", "python"):
        if old["machine"].get(word) != new["machine"].get(word):
            yield f"{word}: {old['machine'].get(word)} then, {new['machine'].get(word)} now"
    for when, result in (("then", old), ("now", new)):
        if result["about"]["rounds"] < ENOUGH_ROUNDS:
            yield f"rounds: {result['about']['rounds']} {when}, which does not show how far they lie apart"
    if old["targets"].get(YARDSTICK) != new["targets"].get(YARDSTICK):
        yield f"{YARDSTICK}: {old['targets'].get(YARDSTICK)} then, {new['targets'].get(YARDSTICK)} now"


def comparison(old: Result, new: Result) -> str:
    """Return the whole of it as lines."""
    lines = [f"CPU of {OURS} over that of the {YARDSTICK}, {old['about']['date']} and {new['about']['date']}:"]
    for key, measure in old["measures"].items():
        before, after = relative(old, key), relative(new, key)
        if measure["cpu"] and before and after:
            told = f"{middle(before):6.2f} {middle(after):6.2f}  {verdict(before, after)}"
            lines.append(f"  {measure['label']:38} {told}")
    if len(lines) == 1:
        lines.append(f"  nothing that both have with {OURS} and {YARDSTICK}")
    return "\n".join([*lines, *(f"  but {each}" for each in caveats(old, new))])


def main() -> None:
    """Say it."""
    if len(sys.argv) != 3:
        raise SystemExit("usage: python tests/bench/compare.py OLD NEW")
    try:
        old, new = (read(Path(name)) for name in sys.argv[1:])
    except (OSError, ValueError) as error:
        sys.stdout.write(f"nothing to compare: {error}\n")
        return
    sys.stdout.write(f"{comparison(old, new)}\n")


if __name__ == "__main__":
    main()
