"""A text that `tomllib` has accepted: its values, and problems that point into it without showing secrets."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path as FilePath
from typing import Any, Literal

from pydantic import BaseModel

from gateway.config.model import is_secret
from gateway.config.positions import Path, Positions, scan
from gateway.config.problem import Problem, Severity, dotted, quoted
from gateway.config.secrets import MASK

_SHOWN_CHARACTERS = 60
_LINE_CHARACTERS = 160
_USER_IN_URL = re.compile(r"(?<=://)[^\s\"']*(?=@)")
_QUERY_IN_URL = re.compile(r"(://[^\s\"'?]*\?)[^\s\"']+")


@dataclass(eq=False)
class Document:
    """One file's text and values. ``data`` has references replaced and arrays as tuples."""

    name: str
    """The file, as messages call it."""
    text: str
    """With ``\\n`` line ends."""
    directory: FilePath
    """What relative file names start from."""
    model: type[BaseModel]
    """What the file should be; says which values are secret."""
    data: dict[str, Any] = field(default_factory=dict)
    substituted: frozenset[Path] = frozenset()
    """Places of values that came, in part or whole, from a reference."""
    kept: Mapping[Path, tuple[int, ...]] = field(default_factory=dict)
    """Of each array that lost elements so that checks could go on: the indexes in the file of those that stayed."""
    partial: bool = False
    """Whether the model made of it lacks something that the file has, because it was wrong."""

    @cached_property
    def positions(self) -> Positions:
        """Where things stand; worked out when first asked for."""
        return scan(self.text)

    @cached_property
    def _secret_spans(self) -> list[tuple[int, int]]:
        return [span for path, span in self.positions.values.items() if is_secret(self.model, path)]

    def in_file(self, path: Path) -> Path:
        """Return ``path`` with the indexes that its arrays have in the file; a lone string has no elements there."""
        found: Path = ()
        value: Any = self.data
        for step in path:
            if isinstance(step, int) and found in self.kept:
                step = self.kept[found][step]
            if isinstance(step, int) and isinstance(value, str):
                break
            value = self._into(value, step)
            found = (*found, step)
        return found

    def problem(
        self,
        path: Path,
        message: str = "",
        *,
        at: Literal["key", "value"] = "value",
        expected: str | None = None,
        found: str | None = None,
        suggestion: str | None = None,
        severity: Severity = Severity.ERROR,
    ) -> Problem:
        """Return a problem at ``path``, as the (perhaps partial) values of this document count it."""
        path = self.in_file(path)
        place = self.positions.of_key(path) if at == "key" else self.positions.of_value(path)
        return Problem(
            file=self.name,
            line=place.line if place else 0,
            column=place.column if place else 0,
            path=self.label(path),
            message=message,
            expected=expected,
            found=found,
            suggestion=suggestion,
            severity=severity,
            source=self.shown_line(place.line) if place else None,
            keys=path,
        )

    def label(self, path: Path) -> str:
        """Return ``path`` in dots; an element of an array of tables is called by its ``name`` where it has one."""
        text, value = "", self.data
        at: Path = ()
        for step in path:
            value = self._into(value, step)
            at = (*at, step)
            name = value.get("name") if isinstance(step, int) and isinstance(value, dict) else None
            named = isinstance(name, str) and not self.hides((*at, "name"))
            part = dotted((str(name) if named else step,))
            text += part if not text or part.startswith("[") else f".{part}"
        return text

    def hides(self, path: Path) -> bool:
        """Say whether the value at ``path`` (as the file counts) must not be shown."""
        return path in self.substituted or is_secret(self.model, path)

    def shown(self, value: object, path: Path) -> str:
        """Return ``value``, which stands at ``path``, as a message may show it."""
        if self.hides(self.in_file(path)):
            return MASK
        return describe(value)

    def shown_line(self, number: int) -> str:
        """Return line ``number`` of the file with every secret in it masked."""
        start, end = self.positions.line(number)
        hidden = sorted(
            (max(first, start), min(last, end)) for first, last in self._secret_spans if first < end and last > start
        )
        text, at = "", start
        for first, last in hidden:
            if last > at:
                text += self.text[at : max(first, at)] + f'"{MASK}"'
                at = last
        return shorten(text + self.text[at:end])

    @staticmethod
    def _into(value: Any, step: str | int) -> Any:
        try:
            return value[step]
        except (KeyError, IndexError, TypeError):
            return {}


def without_queries(text: str) -> str:
    """Return ``text`` with the queries of URLs in it masked: some services want a key there."""
    return _QUERY_IN_URL.sub(rf"\1{MASK}", text)


def shorten(line: str) -> str:
    """Return a line of a file fit to be shown: not too long, without tabs and what an URL may hide."""
    line = without_queries(_USER_IN_URL.sub(MASK, line)).expandtabs(4)
    return line if len(line) <= _LINE_CHARACTERS else line[:_LINE_CHARACTERS] + "…"


def describe(value: object) -> str:
    """Return a value of the file as a message shows it: short, on one line, without what an URL may hide."""
    if isinstance(value, str):
        text = without_queries(_USER_IN_URL.sub(MASK, value))
        return quoted(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, tuple | list):
        return "an array" if value else "an empty array"
    return str(value) if isinstance(value, int | float) else f"the date {value}"
