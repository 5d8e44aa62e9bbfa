"""Shares of a whole: strings with a percent sign in the file, numbers from 0 to 1 in the program."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from gateway.config.model import Kind
from gateway.config.problem import Unacceptable

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,3})?)%")
_EXPECTED = 'a share such as "20%", above 0% and at most 100%, or "off"'


def parse_share_or_off(value: Any) -> float | None:
    """Return the part of 1 that ``value`` says, and None for ``"off"``; raise `Unacceptable` where it says none."""
    if value == "off":
        return None
    if value is False:
        raise Unacceptable(_EXPECTED, suggestion="off")
    if isinstance(value, str) and (match := _PERCENT.fullmatch(value)):
        share = float(match[1]) / 100
        if 0 < share <= 1:
            return share
        raise Unacceptable(_EXPECTED)
    raise Unacceptable(_EXPECTED, suggestion=_guess(value))


def format_share(share: float | None) -> str:
    """Return ``share`` as it would be written; `parse_share_or_off` reads the same number back."""
    return "off" if share is None else f"{round(share * 100, 3):g}%"


def _guess(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    percent = value if value > 1 else value * 100
    return f"{round(percent, 3):g}%" if 0 < percent <= 100 else None


ShareOrOff = Annotated[
    float | None,
    BeforeValidator(parse_share_or_off),
    PlainSerializer(format_share),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,3})?%$"}, {"const": "off"}]}),
    Kind('percentage or "off"'),
]
"""More than 0, at most 1; None for "off"."""
