"""Cases written down as text: raw messages, why they are dangerous, and what may become of them.

A file holds groups, a group holds cases:

    == A heading
    Why all of these are dangerous, in prose.
    ~ GET /first HTTP/1.1          the group's message; a line that is "~ %" is where each case's own lines go
    = refused 400                  the group's verdict, for cases without one of their own

    # The case's name
    > Why this one is dangerous, where the heading does not say it.
    | X-Test: 1                    a line of the message, CRLF is added
    + hello                        octets of the message, nothing is added
    = relayed                      its verdict, see the test that reads the file
    < GET /first HTTP/1.1          a line of what is expected, CRLF is added
    <+ hello                       octets of what is expected, nothing is added

Escapes: ``\\r \\n \\t \\v \\0 \\\\ \\xNN``, and ``\\{text*70000}`` for repetition. Text is latin-1.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|\{(.*?)\*([0-9]+)\}|(.))")
_PLAIN = {"v": "\v", "r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}


@dataclass
class Case:
    """One message and its verdict."""

    name: str
    group: str
    why: list[str] = field(default_factory=list)
    own: bytes = b""
    octets: bytes = b""
    """The message: the case's own lines within the group's."""
    verdict: str = ""
    expected: bytes = b""


@dataclass
class _Group:
    heading: str
    why: list[str] = field(default_factory=list)
    before: bytes = b""
    after: bytes | None = None
    """What follows the case's own lines; None where the group says nothing about that."""
    verdict: str = ""


def unescaped(text: str) -> bytes:
    """Return the octets that ``text`` stands for."""

    def one(match: re.Match[str]) -> str:
        code, repeated, times, plain = match.groups()
        if code is not None:
            return chr(int(code, 16))
        return _repeat(repeated, int(times)) if repeated is not None else _PLAIN[plain]

    return _ESCAPE.sub(one, text).encode("latin-1")


def _repeat(text: str, times: int) -> str:
    return unescaped(text).decode("latin-1") * times


def read_cases(path: Path) -> list[Case]:
    """Return the cases of a file. Raises ValueError for a line that means nothing, and for a case without verdict."""
    reader = _Reader()
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), 1):
        try:
            reader.take(line)
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path.name}, line {number}: {error!r}") from None
    return reader.end()


class _Reader:
    def __init__(self) -> None:
        self._cases: list[Case] = []
        self._group = _Group("")
        self._case: Case | None = None
        self._takers: dict[str, Callable[[str], None]] = {
            "==": self._begin_group,
            "#": self._begin_case,
            "~": self._frame_line,
            "~+": self._frame_octets,
            ">": self._reason,
            "|": lambda text: self._own(unescaped(text) + b"\r\n"),
            "+": lambda text: self._own(unescaped(text)),
            "=": self._verdict,
            "<": lambda text: self._expect(unescaped(text) + b"\r\n"),
            "<+": lambda text: self._expect(unescaped(text)),
        }

    def take(self, line: str) -> None:
        mark, _, text = line.partition(" ")
        if mark in self._takers:
            self._takers[mark](text)
        elif line and self._case is None:
            self._group.why.append(line)
        elif line:
            raise ValueError("a line without a mark")

    def end(self) -> list[Case]:
        self._finish()
        names = [(case.group, case.name) for case in self._cases]
        if len(set(names)) != len(names):
            raise ValueError(f"named twice: {sorted({name for name in names if names.count(name) > 1})}")
        return self._cases

    def _begin_group(self, text: str) -> None:
        self._finish()
        self._group = _Group(text)

    def _begin_case(self, text: str) -> None:
        self._finish()
        self._case = Case(text, self._group.heading, list(self._group.why))

    def _finish(self) -> None:
        case, self._case = self._case, None
        if case is None:
            return
        group = self._group
        case.octets = case.own if group.after is None else group.before + case.own + group.after
        case.verdict = case.verdict or group.verdict
        if not case.verdict or not case.why:
            raise ValueError(f"{case.name}: no verdict, or no reason")
        self._cases.append(case)

    def _frame_line(self, text: str) -> None:
        if text == "%":
            self._group.after = b""
        else:
            self._frame_octets(text, b"\r\n")

    def _frame_octets(self, text: str, end: bytes = b"") -> None:
        octets = unescaped(text) + end
        if self._group.after is None:
            self._group.before += octets
        else:
            self._group.after += octets

    def _reason(self, text: str) -> None:
        self._of_case().why.append(text)

    def _own(self, octets: bytes) -> None:
        self._of_case().own += octets

    def _expect(self, octets: bytes) -> None:
        self._of_case().expected += octets

    def _verdict(self, text: str) -> None:
        if self._case is None:
            self._group.verdict = text
        else:
            self._case.verdict = text

    def _of_case(self) -> Case:
        if self._case is None:
            raise ValueError("outside of a case")
        return self._case
