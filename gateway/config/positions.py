"""Where every key and every value of a TOML text stands.

`tomllib` keeps no positions, so this reads a second time what it has already accepted: the scanner here finds its way
through *valid* TOML 1.0 and checks nothing. It runs when a position is asked for: only when something is wrong.
"""

import re
import tomllib
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

Path = tuple[str | int, ...]
"""The way to a value: keys, and indexes (from 0) into arrays."""

_BLANK = re.compile(r"(?:[ \t\n]++|#[^\n]*+)*+")
_SPACE = re.compile(r"[ \t]*+")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]++")
_STRING = re.compile(
    r'"""(?:[^"\\]++|\\.|""?(?!"))*+""""{0,2}'
    r"|'''(?:[^']++|''?(?!'))*+''''{0,2}"
    r'|"(?:[^"\\\n]++|\\.)*+"'
    r"|'[^'\n]*+'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")
"""Numbers, booleans and dates; a date may hold a space, so the blank after a scalar is cut off afterwards."""


class Place(NamedTuple):
    """A line and a column, both counted from 1; columns count characters."""

    line: int
    column: int


@dataclass(slots=True)
class Positions:
    """Offsets into ``text``, which must have ``\\n`` line ends only.

    ``keys`` has the first place of each key, tables that are only implied included; ``values`` the span of each value
    written after ``=`` or inside an array, and of each ``[[header]]`` element the header.
    """

    text: str
    keys: dict[Path, int] = field(default_factory=dict)
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    _line_starts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", self.text))]

    def place(self, offset: int) -> Place:
        """Return the line and column of ``offset``."""
        line = bisect_right(self._line_starts, offset)
        return Place(line, offset - self._line_starts[line - 1] + 1)

    def of_key(self, path: Path) -> Place | None:
        """Return where the key of ``path`` stands, or that of the nearest table around it, or None."""
        for end in range(len(path), 0, -1):
            offset = self.keys.get(path[:end])
            if offset is None and path[:end] in self.values:
                offset = self.values[path[:end]][0]
            if offset is not None:
                return self.place(offset)
        return None

    def of_value(self, path: Path) -> Place | None:
        """Return where the value of ``path`` begins, or the nearest thing around it that has a place, or None."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.values:
                return self.place(self.values[path[:end]][0])
            if path[:end] in self.keys:
                return self.place(self.keys[path[:end]])
        return None

    def exactly(self, path: Path) -> Place | None:
        """Return where the value of ``path`` itself begins, or its table; None where the text does not say it."""
        if path in self.values:
            return self.place(self.values[path][0])
        return self.place(self.keys[path]) if path in self.keys else None

    def line(self, number: int) -> tuple[int, int]:
        """Return the offsets of line ``number``, its end without the line break."""
        start = self._line_starts[number - 1]
        end = self.text.find("\n", start)
        return start, len(self.text) if end < 0 else end


def scan(text: str) -> Positions:
    """Return the positions in ``text``, which `tomllib` has accepted and whose line ends are ``\\n``."""
    scanner = _Scanner(Positions(text))
    with suppress(RecursionError):  # Values nested hundreds deep: what was found before them still helps.
        scanner.document()
    return scanner.found


class _Scanner:
    """One walk over the text; ``at`` is the offset reached."""

    def __init__(self, found: Positions) -> None:
        self.found = found
        self.text = found.text
        self.at = 0
        self.table: Path = ()
        self.array_lengths: dict[Path, int] = {}

    def document(self) -> None:
        while self.skip(_BLANK) < len(self.text):
            if self.text.startswith("[[", self.at):
                self.array_header()
            elif self.text[self.at] == "[":
                self.at += 1
                self.table = self.into_last_element(self.dotted_key())
                self.at += 1
            else:
                self.pair(self.table)

    def skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
        return self.at

    def array_header(self) -> None:
        """``[[a.b]]``: a further element of the array ``a.b``."""
        start = self.at
        self.at += 2
        *parents, (name, offset) = self.dotted_key()
        array = (*self.into_last_element(parents), name)
        self.found.keys.setdefault(array, offset)
        index = self.array_lengths.get(array, 0)
        self.array_lengths[array] = index + 1
        self.table = (*array, index)
        self.at += 2
        self.found.values[self.table] = (start, self.at)

    def into_last_element(self, parts: list[tuple[str, int]]) -> Path:
        """Return the table that a header names: each array of tables on its way stands for its last element."""
        path: Path = ()
        for name, offset in parts:
            path = (*path, name)
            self.found.keys.setdefault(path, offset)
            if path in self.array_lengths:
                path = (*path, self.array_lengths[path] - 1)
        return path

    def pair(self, table: Path) -> None:
        path = table
        for name, offset in self.dotted_key():
            path = (*path, name)
            self.found.keys.setdefault(path, offset)
        self.at += 1
        self.skip(_SPACE)
        self.value(path)

    def dotted_key(self) -> list[tuple[str, int]]:
        """Read ``a . "b"`` with the blanks around it; return each part with its offset."""
        parts = []
        while True:
            start = self.skip(_SPACE)
            if self.text[start] in "\"'":
                literal = self.text[start : self.skip(_STRING)]
                parts.append((str(tomllib.loads(f"key = {literal}")["key"]), start))
            else:
                parts.append((self.text[start : self.skip(_BARE_KEY)], start))
            self.skip(_SPACE)
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def value(self, path: Path) -> None:
        start = self.at
        first = self.text[start]
        if first == "[":
            self.array(path)
        elif first == "{":
            self.inline_table(path)
        elif first in "\"'":
            self.skip(_STRING)
        else:
            end = self.skip(_SCALAR)
            self.at = start + len(self.text[start:end].rstrip())
        self.found.values[path] = (start, self.at)

    def array(self, path: Path) -> None:
        self.at += 1
        index = 0
        while self.text[self.skip(_BLANK)] != "]":
            self.value((*path, index))
            index += 1
            if self.text[self.skip(_BLANK)] == ",":
                self.at += 1
        self.at += 1

    def inline_table(self, path: Path) -> None:
        self.at += 1
        while self.text[self.skip(_BLANK)] != "}":
            self.pair(path)
            if self.text[self.skip(_BLANK)] == ",":
                self.at += 1
        self.at += 1
