"""Findings as text for people and as JSON for programs."""

import json
import textwrap
from collections.abc import Iterator

from gateway.doctor.findings import Finding, Severity

_MARKS = {Severity.GOOD: ("✓", "32"), Severity.NOTE: ("·", "33"), Severity.BAD: ("✗", "31")}
_WIDTH = 110


def lines(findings: list[Finding], *, colours: bool, width: int = _WIDTH) -> Iterator[str]:
    """Yield the text: a line or more for each finding, advice below it, a summary at the end."""
    column = max((len(each.check) for each in findings), default=0)
    indent = " " * (column + 6)
    for each in findings:
        mark, colour = _MARKS[each.severity]
        mark = f"\x1b[{colour}m{mark}\x1b[0m" if colours else mark
        yield f"  {mark} {each.check:<{column}}  " + _folded(_clean(each.said), indent, width)
        if each.advice:
            yield f"{indent}-> " + _folded(_clean(each.advice), indent + "   ", width)
    count = sum(each.severity is Severity.BAD for each in findings)
    yield ""
    yield "All is well." if not count else f"{count} thing{'s are' if count > 1 else ' is'} wrong."


def as_json(findings: list[Finding]) -> str:
    """Return a JSON array of objects with ``check``, ``severity``, ``said`` and ``advice``."""
    told = [
        {"check": each.check, "severity": each.severity.value, "said": each.said, "advice": each.advice}
        for each in findings
    ]
    return json.dumps(told, indent=2, ensure_ascii=False)


def status(findings: list[Finding]) -> int:
    """Return the exit status: 1 where something is wrong."""
    return int(any(each.severity is Severity.BAD for each in findings))


def _folded(text: str, indent: str, width: int) -> str:
    folded = textwrap.wrap(text, max(width - len(indent), 20), break_long_words=False, break_on_hyphens=False)
    return f"\n{indent}".join(folded)


def _clean(text: str) -> str:
    """Return ``text`` without what would steer a terminal: parts of it come from the network."""
    return "".join(char if char.isprintable() else "?" for char in text)
