"""Durations and sizes: strings with units in the file, seconds and octets in the program.

A bare number is refused with the unit it probably lacks: ``600`` does not tell the next reader
whether it means seconds or milliseconds.
"""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from gateway.config.model import Kind
from gateway.config.problem import Unacceptable

LONGEST_SECONDS = 365 * 24 * 3600
"""Longer than any wait, and short enough for every timer below us."""
LARGEST_OCTETS = 2**53
"""Beyond it JSON readers lose digits."""

_DURATION_EXPECTED = 'a duration such as "250ms", "30s", "5m" or "1h30m"'
_SIZE_EXPECTED = 'a size such as "512B", "64KiB" or "10MB"'
_RATE_EXPECTED = 'a size in a duration such as "1KiB/30s", or "off"'
_NUMBER = r"\d{1,18}(?:\.\d{1,9})?"
_DURATION_PATTERN = "".join(f"(?:({_NUMBER}){unit})?" for unit in ("h", "m", "s", "ms"))
_DURATION = re.compile(_DURATION_PATTERN)
_SECONDS = (Decimal(3600), Decimal(60), Decimal(1), Decimal("0.001"))
_BARE = re.compile(_NUMBER)
_MEASURE = re.compile(rf"({_NUMBER})\s*([A-Za-z]+)")

_OCTETS = {
    "GiB": 2**30, "GB": 10**9, "MiB": 2**20, "MB": 10**6, "KiB": 2**10, "KB": 10**3, "kB": 10**3, "B": 1,
}  # fmt: skip
_DURATION_WORDS = {
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "m": ("m", "min", "mins", "minute", "minutes"),
    "s": ("s", "sec", "secs", "second", "seconds"),
    "ms": ("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"),
}
_SIZE_WORDS = {"B": ("byte", "bytes", "octets"), "KiB": ("k",), "MiB": ("m",), "GiB": ("g",)}


def parse_duration(value: Any) -> float:
    """Return the seconds that ``value`` says; raise `Unacceptable` where it says none."""
    if isinstance(value, str) and value and (match := _DURATION.fullmatch(value)):
        seconds = sum(Decimal(part) * unit for part, unit in zip(match.groups(), _SECONDS, strict=True) if part)
        if seconds <= LONGEST_SECONDS:
            return float(seconds)
        raise Unacceptable(f'a duration of at most "{format_duration(LONGEST_SECONDS)}"')
    raise Unacceptable(_DURATION_EXPECTED, suggestion=_guess_duration(value))


def parse_positive_duration(value: Any) -> float:
    """As `parse_duration`, but not zero."""
    seconds = parse_duration(value)
    if seconds <= 0:
        raise Unacceptable("a duration longer than zero")
    return seconds


def parse_duration_or_off(value: Any) -> float | None:
    """As `parse_duration`, and None for ``"off"``; zero is refused, for it could mean either."""
    if value == "off":
        return None
    if value is False or (_is_number(value) and value == 0) or value == "0":
        raise Unacceptable(f'{_DURATION_EXPECTED}, or "off"', suggestion="off")
    try:
        seconds = parse_duration(value)
    except Unacceptable as refusal:
        raise Unacceptable(f'{refusal.expected}, or "off"', suggestion=refusal.suggestion) from None
    if seconds <= 0:
        raise Unacceptable('a duration longer than zero, or "off"', suggestion="off")
    return seconds


def format_duration(seconds: float) -> str:
    """Return ``seconds`` as it would be written; `parse_duration` reads the same number back."""
    exact = Decimal(repr(seconds))
    milliseconds = exact * 1000
    if milliseconds != milliseconds.to_integral_value():
        return f"{exact:f}s"
    rest, text = int(milliseconds), ""
    for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def parse_size(value: Any) -> int:
    """Return the octets that ``value`` says; raise `Unacceptable` where it says none."""
    if isinstance(value, str) and (match := _MEASURE.fullmatch(value)) and value == match[1] + match[2]:
        octets = Decimal(match[1]) * _OCTETS.get(match[2], 0)
        if match[2] in _OCTETS and octets == octets.to_integral_value():
            if octets <= LARGEST_OCTETS:
                return int(octets)
            raise Unacceptable(f'a size of at most "{format_size(LARGEST_OCTETS)}"')
    raise Unacceptable(_SIZE_EXPECTED, suggestion=_guess_size(value))


def parse_size_or_off(value: Any) -> int | None:
    """As `parse_size`, and None for ``"off"``."""
    if value == "off":
        return None
    if value is False:
        raise Unacceptable(f'{_SIZE_EXPECTED}, or "off"', suggestion="off")
    try:
        return parse_size(value)
    except Unacceptable as refusal:
        raise Unacceptable(f'{refusal.expected}, or "off"', suggestion=refusal.suggestion) from None


def format_size(octets: int) -> str:
    """Return ``octets`` in the largest unit that needs no fraction; `parse_size` reads the same number back."""
    if octets == 0:
        return "0B"
    return next(f"{octets // size}{unit}" for unit, size in _OCTETS.items() if octets % size == 0)


def parse_rate_or_off(value: Any) -> tuple[int, float] | None:
    """Return the octets and the seconds in which they must move, None for ``"off"``; raise `Unacceptable` else."""
    if value == "off":
        return None
    size, slash, window = value.partition("/") if isinstance(value, str) else ("", "", "")
    try:
        octets, seconds = parse_size(size), parse_positive_duration(window)
    except Unacceptable:
        off = value is False or (_is_number(value) and value == 0)
        suggestion = "off" if off else _guess_rate(size, slash, window)
        raise Unacceptable(_RATE_EXPECTED, suggestion=suggestion) from None
    if octets == 0:
        raise Unacceptable(_RATE_EXPECTED, suggestion="off")
    return octets, seconds


def format_rate(octets: int, seconds: float) -> str:
    """Return a rate as it would be written."""
    return f"{format_size(octets)}/{format_duration(seconds)}"


def _guess_rate(size: str, slash: str, window: str) -> str | None:
    """Return how the rate that was probably meant is written: ``1KiB/s`` lacks a number, ``1K/30`` units."""
    if not slash:
        return None
    window = f"1{window}" if window in _DURATION_WORDS else window
    try:
        octets = parse_size(_guess_size(size) or size)
        seconds = parse_positive_duration(_guess_duration(window) or window)
    except Unacceptable:
        return None
    return format_rate(octets, seconds) if octets else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _guess_duration(value: Any) -> str | None:
    """Return how the duration that was probably meant is written, or None."""
    text = str(value).strip()
    if (_is_number(value) or isinstance(value, str)) and _BARE.fullmatch(text):
        return f"{text}s"
    if isinstance(value, str) and (match := _MEASURE.fullmatch(text)):
        for unit, words in _DURATION_WORDS.items():
            if match[2].lower() in words:
                return f"{match[1]}{unit}"
        if match[2].lower() in ("d", "day", "days"):
            return format_duration(float(match[1]) * 86400)
    return None


def _guess_size(value: Any) -> str | None:
    """Return how the size that was probably meant is written, or None."""
    text = str(value).strip()
    if (_is_number(value) or isinstance(value, str)) and text.isdecimal() and len(text) < 16:
        return format_size(int(text))
    if isinstance(value, str) and (match := _MEASURE.fullmatch(text)):
        for unit in _OCTETS:
            if match[2].lower() == unit.lower() or match[2].lower() in _SIZE_WORDS.get(unit, ()):
                return f"{match[1]}{unit}"
    return None


def _as_duration(seconds: float | None) -> str:
    return "off" if seconds is None else format_duration(seconds)


def _as_rate(rate: tuple[int, float] | None) -> str:
    return "off" if rate is None else format_rate(*rate)


def _as_size(octets: int | None) -> str:
    return "off" if octets is None else format_size(octets)


_SCHEMA_DURATION = _DURATION_PATTERN.replace("?:", "").replace(r"\d", "[0-9]")
_DURATION_SCHEMA = {"type": "string", "minLength": 1, "pattern": f"^{_SCHEMA_DURATION}$"}
_SIZE_SCHEMA = {"type": "string", "pattern": rf"^[0-9]+(\.[0-9]+)?({'|'.join(_OCTETS)})$"}
_OFF_SCHEMA = {"const": "off"}
_RATE_PATTERN = rf"^[0-9]+(\.[0-9]+)?({'|'.join(_OCTETS)})/{_SCHEMA_DURATION}$"

Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(_as_duration),
    WithJsonSchema(_DURATION_SCHEMA),
    Kind("duration"),
]
"""Seconds; zero is allowed."""
PositiveDuration = Annotated[
    float,
    BeforeValidator(parse_positive_duration),
    PlainSerializer(_as_duration),
    WithJsonSchema(_DURATION_SCHEMA),
    Kind("duration"),
]
"""Seconds, more than zero."""
DurationOrOff = Annotated[
    float | None,
    BeforeValidator(parse_duration_or_off),
    PlainSerializer(_as_duration),
    WithJsonSchema({"anyOf": [_DURATION_SCHEMA, _OFF_SCHEMA]}),
    Kind('duration or "off"'),
]
"""Seconds, more than zero; None for "off"."""
Size = Annotated[
    int, BeforeValidator(parse_size), PlainSerializer(_as_size), WithJsonSchema(_SIZE_SCHEMA), Kind("size")
]
"""Octets."""
SizeOrOff = Annotated[
    int | None,
    BeforeValidator(parse_size_or_off),
    PlainSerializer(_as_size),
    WithJsonSchema({"anyOf": [_SIZE_SCHEMA, _OFF_SCHEMA]}),
    Kind('size or "off"'),
]
"""Octets; None for "off"."""
RateOrOff = Annotated[
    tuple[int, float] | None,
    BeforeValidator(parse_rate_or_off),
    PlainSerializer(_as_rate),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": _RATE_PATTERN}, _OFF_SCHEMA]}),
    Kind('size/duration or "off"'),
]
"""Octets and seconds; None for "off"."""
