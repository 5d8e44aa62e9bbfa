"""Checked numbers of exchanges: a count that may be off, and the range in which a limit finds itself."""

from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from gateway.config.model import Kind
from gateway.config.problem import Unacceptable

MOST = 100_000
_COUNT_EXPECTED = 'a whole number from 1 to 100000, or "off"'
_RANGE_EXPECTED = 'a table such as { min = 2, max = 200 }, or "off"'


class Range(NamedTuple):
    """Least and most, both allowed."""

    min: int
    max: int


def parse_count_or_off(value: Any) -> int | None:
    """Return the number ``value``, None for ``"off"``; raise `Unacceptable` for anything else."""
    if value == "off":
        return None
    if not _is_count(value):
        off = value is False or (_is_whole(value) and value == 0)
        raise Unacceptable(_COUNT_EXPECTED, suggestion="off" if off else None)
    return int(value)


def parse_range_or_off(value: Any) -> Range | None:
    """Return the table ``value``, None for ``"off"``; raise `Unacceptable` for anything else."""
    if value == "off":
        return None
    if isinstance(value, Range):
        return value
    if not isinstance(value, dict) or value.keys() != {"min", "max"} or not all(map(_is_count, value.values())):
        raise Unacceptable(_RANGE_EXPECTED, suggestion="off" if value is False else None)
    if value["min"] > value["max"]:
        raise Unacceptable(_RANGE_EXPECTED, message="min is above max")
    return Range(value["min"], value["max"])


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_whole(value) and 1 <= value <= MOST


def _or_off(count: int | None) -> int | str:
    return "off" if count is None else count


def _as_table(wanted: Range | None) -> dict[str, int] | str:
    return "off" if wanted is None else wanted._asdict()


_COUNT_SCHEMA: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": MOST}
_RANGE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "min": {"description": "The least that the limit may become.", **_COUNT_SCHEMA},
        "max": {"description": "The most that the limit may become.", **_COUNT_SCHEMA},
    },
    "required": ["min", "max"],
    "additionalProperties": False,
}

CountOrOff = Annotated[
    int | None,
    BeforeValidator(parse_count_or_off),
    PlainSerializer(_or_off),
    WithJsonSchema({"anyOf": [_COUNT_SCHEMA, {"const": "off"}]}),
    Kind('whole number or "off"'),
]
"""At least 1; None for "off"."""
RangeOrOff = Annotated[
    Range | None,
    BeforeValidator(parse_range_or_off),
    PlainSerializer(_as_table),
    WithJsonSchema({"anyOf": [_RANGE_SCHEMA, {"const": "off"}]}),
    Kind('table of min and max, or "off"'),
]
"""Each at least 1; None for "off"."""
