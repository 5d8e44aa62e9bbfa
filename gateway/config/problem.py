"""What is wrong with a configuration: one value for each thing, and how it is told."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from gateway.config.positions import Path

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Severity(Enum):
    """Whether a configuration can be used as it is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where it is, and what would be right. No part of it ever holds a secret."""

    file: str
    line: int
    """Counted from 1; 0 where the problem has no line, as with a file that cannot be read."""
    column: int
    """Counted from 1, in characters; 0 without a line."""
    path: str
    """Dotted path of the setting; empty for what is wrong with the text itself."""
    message: str = ""
    """What is wrong, where expected and found do not say it."""
    expected: str | None = None
    found: str | None = None
    suggestion: str | None = None
    """What was probably meant, as it would be written."""
    severity: Severity = Severity.ERROR
    source: str | None = None
    """The offending line, secrets masked."""
    keys: Path = ()
    """``path`` in parts."""

    def __str__(self) -> str:
        text = self.headline()
        if self.source is not None:
            text += f"\n{self.line:>5} | {self.source}".rstrip()
        return text

    def headline(self) -> str:
        """Return the problem in one line, without the offending one."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        parts = [place, "warning" if self.severity is Severity.WARNING else "", self.path, self.words()]
        return ": ".join(part for part in parts if part)

    def words(self) -> str:
        """Return what is wrong without saying where."""
        wish = f"expected {self.expected}" if self.expected is not None else ""
        if wish and self.found is not None:
            wish += f", found {self.found}"
        text = "; ".join(part for part in (self.message, wish) if part)
        return text if self.suggestion is None else f"{text} (did you mean {quoted(self.suggestion)}?)"


class ConfigError(Exception):
    """A configuration that cannot be used. ``problems`` has all that is known to be wrong, in the file's order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = in_order(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Unacceptable(ValueError):
    """A value that a setting's own check refuses: raise it from a validator.

    ``expected`` completes "expected …" and never repeats the value; ``message`` is told in its place where it says
    more, but for a value that must not be shown; ``suggestion`` is what was probably meant. ``discreet`` is told in the
    place of ``message`` for a value that came from a reference.
    """

    def __init__(
        self, expected: str | None = None, *, message: str = "", suggestion: str | None = None, discreet: str = ""
    ) -> None:
        super().__init__(message or f"expected {expected}")
        self.expected = expected
        self.message = message
        self.suggestion = suggestion
        self.discreet = discreet


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return ``problems`` as they come in the file."""
    return tuple(sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column, problem.path)))


def without_echoes(later: Iterable[Problem], earlier: Iterable[Problem]) -> list[Problem]:
    """Return those of ``later`` that are not at, in or around a place where ``earlier`` already found something.

    What a broken value makes of the checks after it is no news.
    """
    taken = {(each.file, each.keys) for each in earlier if each.keys and each.severity is Severity.ERROR}
    around = {(file, keys[:end]) for file, keys in taken for end in range(len(keys))}
    return [
        each
        for each in later
        if (each.file, each.keys) not in around
        and not any((each.file, each.keys[:end]) in taken for end in range(len(each.keys) + 1))
    ]


def dotted(path: Path) -> str:
    """Return ``path`` as it would be written in TOML, indexes in brackets: ``tools[0]."odd name"``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + (step if _BARE_KEY.fullmatch(step) else quoted(step))
    return text


def quoted(text: str) -> str:
    """Return ``text`` in quotes on one line."""
    return json.dumps(text, ensure_ascii=False)
