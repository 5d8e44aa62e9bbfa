"""Checked amounts per time, such as ``100/min`` and ``10GiB/day``, and whose requests are counted together."""

import re
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from gateway.config.model import Kind
from gateway.config.problem import Unacceptable
from gateway.config.units import format_duration, format_size, parse_duration, parse_positive_duration, parse_size
from gateway.grammar.tokens import is_token

MOST = 1_000_000_000
_PERIODS = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": 86400.0}
_PERIOD_WORDS = {
    "s": ("sec", "second", "seconds"),
    "min": ("m", "minute", "minutes"),
    "h": ("hr", "hour", "hours"),
    "day": ("d", "days"),
}
_COUNT = re.compile(r"(\d{1,12})([kM]?)")
_FACTORS = {"": 1, "k": 1000, "M": 1_000_000}
_RATE_EXPECTED = 'requests in a period such as "100/min", "20/s", "5k/day" or "10/30s"'
_BUDGET_EXPECTED = 'an amount in a period such as "10GiB/day", "24h/day" or "1M/day"'
_BY_FIELD = "header:"
_BY = ("principal", "address", "route")


class PerTime(NamedTuple):
    """An amount, what it is of, and the seconds it is for."""

    amount: float
    kind: Literal["count", "size", "duration"]
    seconds: float


def parse_rate(value: Any) -> PerTime:
    """Return the requests and the period that ``value`` says; raise `Unacceptable` where it says none."""
    if isinstance(value, PerTime):
        return value
    text, _, period = value.partition("/") if isinstance(value, str) else ("", "", "")
    count, seconds = _count(text), _period(period)
    if count is None or seconds is None or count == 0:
        raise Unacceptable(_RATE_EXPECTED, suggestion=_guess(text, period) if count else None)
    return PerTime(count, "count", seconds)


def parse_budget(value: Any) -> PerTime:
    """Return the amount and the period that ``value`` says; raise `Unacceptable` where it says none."""
    if isinstance(value, PerTime):
        return value
    text, _, period = value.partition("/") if isinstance(value, str) else ("", "", "")
    found, seconds = _amount(text), _period(period)
    if found is None or seconds is None or found[0] == 0:
        raise Unacceptable(_BUDGET_EXPECTED, suggestion=_guess(text, period) if found and found[0] else None)
    return PerTime(*found, seconds)


def format_per_time(wanted: PerTime) -> str:
    """Return ``wanted`` as it would be written."""
    period = next((word for word, seconds in _PERIODS.items() if seconds == wanted.seconds), None)
    amount = {
        "count": lambda: _written_count(int(wanted.amount)),
        "size": lambda: format_size(int(wanted.amount)),
        "duration": lambda: format_duration(wanted.amount),
    }[wanted.kind]()
    return f"{amount}/{period or format_duration(wanted.seconds)}"


def _count(text: str) -> int | None:
    match = _COUNT.fullmatch(text)
    count = int(match[1]) * _FACTORS[match[2]] if match else MOST + 1
    return count if count <= MOST else None


def _amount(text: str) -> tuple[float, Literal["count", "size", "duration"]] | None:
    count = _count(text)
    if count is not None:
        return count, "count"
    try:
        return parse_size(text), "size"
    except Unacceptable:
        pass
    try:
        return parse_duration(text), "duration"
    except Unacceptable:
        return None


def _period(text: str) -> float | None:
    if text in _PERIODS:
        return _PERIODS[text]
    try:
        seconds = parse_positive_duration(text)
    except Unacceptable:
        return None
    return seconds if seconds >= 1 else None


def _guess(amount: str, period: str) -> str | None:
    word = next((word for word, others in _PERIOD_WORDS.items() if period.lower() in others), None)
    return f"{amount}/{word}" if word else None


def _written_count(count: int) -> str:
    return next(f"{count // factor}{unit}" for unit, factor in reversed(_FACTORS.items()) if count % factor == 0)


def _by(text: str) -> str:
    if text not in _BY and not (text.startswith(_BY_FIELD) and is_token(text.removeprefix(_BY_FIELD))):
        suggestion = f"{_BY_FIELD}{text}" if is_token(text) else None
        raise Unacceptable(
            '"principal", "address", "route", or "header:" and the name of a field', suggestion=suggestion
        )
    return text


_PERIOD_SCHEMA = "(s|min|h|day|([0-9.]+(h|m|s|ms))+)"
RateText = Annotated[
    PerTime,
    BeforeValidator(parse_rate),
    PlainSerializer(format_per_time),
    WithJsonSchema({"type": "string", "pattern": f"^[0-9]+[kM]?/{_PERIOD_SCHEMA}$"}),
    Kind("requests/period"),
]
"""Requests, and the seconds they are for: at least one of each."""
BudgetText = Annotated[
    PerTime,
    BeforeValidator(parse_budget),
    PlainSerializer(format_per_time),
    WithJsonSchema({"type": "string", "pattern": f"^[0-9][0-9.A-Za-z]*/{_PERIOD_SCHEMA}$"}),
    Kind("amount/period"),
]
"""Tokens, octets or seconds, and the seconds they are for."""
By = Annotated[str, AfterValidator(_by), Kind('"principal", "address", "route" or "header:NAME"')]
