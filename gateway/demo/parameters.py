"""Query parameters with bounds: what an endpoint does not know or cannot do is a 400 that says so."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from flask import request

_NUMBER = re.compile(r"([0-9]{1,12})(KiB|MiB|GiB)?", re.ASCII)
_UNIT_OCTETS = {None: 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}

MOST_MILLISECONDS = 600_000
"""No single silence is longer than ten minutes."""


class BadParameter(ValueError):
    """A parameter that cannot be obeyed; the message is for the client."""


class Parameters:
    """The query of one request, read value by value."""

    def __init__(self, values: dict[str, list[str]]) -> None:
        self._values = values
        self._known: list[str] = []

    def number(self, name: str, default: int, *, least: int = 0, most: int) -> int:
        """Return a whole number between ``least`` and ``most``; ``KiB``, ``MiB`` and ``GiB`` may follow it."""
        text = self._take(name)
        if text is None:
            return default
        match = _NUMBER.fullmatch(text)
        value = int(match[1]) * _UNIT_OCTETS[match[2]] if match else -1
        if not least <= value <= most:
            raise BadParameter(f"{name}: expected a whole number from {least} to {most}, found {text!r}")
        return value

    def optional_number(self, name: str, *, least: int = 0, most: int) -> int | None:
        """Return a number as ``number`` does, or None where the parameter is absent."""
        if name not in self._values:
            self._known.append(name)
            return None
        return self.number(name, 0, least=least, most=most)

    def seconds(self, name: str, default_milliseconds: int) -> float:
        """Return a time given in milliseconds, in seconds."""
        return self.number(name, default_milliseconds, most=MOST_MILLISECONDS) / 1000

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Return one of ``choices``; the first is the default."""
        text = self._take(name)
        if text is None:
            return choices[0]
        if text not in choices:
            raise BadParameter(f"{name}: expected one of {', '.join(choices)}, found {text!r}")
        return text

    def refuse_unknown(self) -> None:
        """Raise BadParameter for a parameter nobody asked about."""
        unknown = sorted(set(self._values) - set(self._known))
        if unknown:
            known = ", ".join(self._known) or "none"
            raise BadParameter(f"{unknown[0]}: unknown parameter; this endpoint takes: {known}")

    def _take(self, name: str) -> str | None:
        self._known.append(name)
        values = self._values.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise BadParameter(f"{name}: given {len(values)} times, expected once")
        return values[0]


@contextmanager
def parameters() -> Iterator[Parameters]:
    """Give the parameters of the request at hand; those left unread at the end of the block are refused."""
    asked = Parameters(request.args.to_dict(flat=False))
    yield asked
    asked.refuse_unknown()
