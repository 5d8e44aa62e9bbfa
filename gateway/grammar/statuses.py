"""Checked statuses for settings: one, a class of them, or a range."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from gateway.config.model import Kind
from gateway.config.problem import Unacceptable

_EXPECTED = 'a status such as 503, a class such as "5xx", or a range such as "200-399"'
_CLASS = re.compile("([1-5])xx")
_RANGE = re.compile("([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")

Range = tuple[int, int]
"""Statuses from the first to the last, both included."""


def parse_statuses(value: Any) -> Range:
    """Return the range that ``value`` says; raise `Unacceptable`."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and (match := _CLASS.fullmatch(text)):
        return int(match[1]) * 100, int(match[1]) * 100 + 99
    if isinstance(text, str) and (match := _RANGE.fullmatch(text)):
        first, last = int(match[1]), int(match[2] or match[1])
        if first <= last:
            return first, last
    raise Unacceptable(_EXPECTED)


def format_statuses(statuses: Range) -> int | str:
    """Return a range as it would be written."""
    first, last = statuses
    if first == last:
        return first
    return f"{first // 100}xx" if (first % 100, last) == (0, first + 99) else f"{first}-{last}"


Statuses = Annotated[
    Range,
    BeforeValidator(parse_statuses),
    PlainSerializer(format_statuses),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 100, "maximum": 599},
                {"type": "string", "pattern": "^[1-5]([0-9]{2}(-[1-5][0-9]{2})?|xx)$"},
            ]
        }
    ),
    Kind("statuses"),
]
