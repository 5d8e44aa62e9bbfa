"""What a measurement means to people: a sentence, how bad it is, and what to do about it and where."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters."""

    GOOD = "good"
    NOTE = "note"
    """Worth knowing; nothing is broken."""
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    """What was looked at, in one word or two: the same in every run."""
    severity: Severity
    said: str
    """What was seen, as a sentence."""
    advice: str = ""
    """What to do about it, and where; empty where there is nothing to do."""


def good(check: str, said: str, advice: str = "") -> Finding:
    """Return a finding that all is well."""
    return Finding(check, Severity.GOOD, said, advice)


def note(check: str, said: str, advice: str = "") -> Finding:
    """Return a finding that is worth knowing."""
    return Finding(check, Severity.NOTE, said, advice)


def bad(check: str, said: str, advice: str) -> Finding:
    """Return a finding that something is wrong; there is always something to do about it."""
    return Finding(check, Severity.BAD, said, advice)


def span(seconds: float) -> str:
    """Return a length of time for people."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s".replace(".0 s", " s")
