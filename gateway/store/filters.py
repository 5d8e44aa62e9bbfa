"""What an export is asked for: the parameters of its query become conditions, or a complaint that says what is allowed.

Pure: ``now`` is given.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.config.problem import Unacceptable
from gateway.config.units import parse_duration
from gateway.exchange.outcome import Outcome

ONCE = ("since", "until", "limit")
REPEATABLE = ("route", "principal", "outcome", "status")
MOST_VALUES = 100
_STATUS = re.compile("[1-9][0-9][0-9]|[1-9]xx|none")
_NUMBER = re.compile("[1-9][0-9]{0,11}")


class BadFilter(ValueError):
    """A parameter that is not understood; the text says what would be."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that all hold; of several values of one kind any one. Times are milliseconds since 1970 (UTC)."""

    since: int | None = None
    """The first moment that counts."""
    until: int | None = None
    """The first moment that counts no more."""
    routes: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    statuses: tuple[tuple[int, int] | None, ...] = ()
    """Ranges of statuses, both ends included; None stands for exchanges whose client got no head."""
    limit: int | None = None


def parse_filters(parameters: Iterable[tuple[str, str]], now: float) -> Filters:
    """Return what ``parameters`` ask for; ``now`` is in seconds since 1970. Raises `BadFilter`."""
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        if name not in ONCE and name not in REPEATABLE:
            raise BadFilter(f"unknown parameter {name[:64]!r}; known are {', '.join(ONCE + REPEATABLE)}")
        if "\0" in value or "\ud800" <= max(value, default="") <= "\udfff":
            raise BadFilter(f"{name} holds a character that is none")
        given.setdefault(name, []).append(value)
    for name, values in given.items():
        if len(values) > (1 if name in ONCE else MOST_VALUES):
            raise BadFilter(f"{name} may be given {'once' if name in ONCE else f'{MOST_VALUES} times'}")
    return Filters(
        since=_moment("since", given, now),
        until=_moment("until", given, now),
        routes=tuple(given.get("route", ())),
        principals=tuple(given.get("principal", ())),
        outcomes=tuple(map(_outcome, given.get("outcome", ()))),
        statuses=tuple(map(_statuses, given.get("status", ()))),
        limit=_limit(given),
    )


def _moment(name: str, given: dict[str, list[str]], now: float) -> int | None:
    if name not in given:
        return None
    text = given[name][0]
    try:
        return int((now - parse_duration(text)) * 1000)
    except Unacceptable:
        pass
    try:
        # A "+" of an offset that was not escaped arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        example = '"2026-11-20T06:45:55Z" (ISO 8601, UTC where no offset is given) or a duration ago such as "1h30m"'
        raise BadFilter(f"{name} is no time; write {example}") from None


def _outcome(text: str) -> str:
    known = [each.value for each in Outcome]
    if text not in known:
        raise BadFilter(f"unknown outcome {text[:64]!r}; known are {', '.join(known)}")
    return text


def _statuses(text: str) -> tuple[int, int] | None:
    if not _STATUS.fullmatch(text):
        raise BadFilter(f'{text[:64]!r} is no status; write one such as "503", a class such as "5xx", or "none"')
    if text == "none":
        return None
    return int(text.replace("x", "0")), int(text.replace("x", "9"))


def _limit(given: dict[str, list[str]]) -> int | None:
    if "limit" not in given:
        return None
    if not _NUMBER.fullmatch(given["limit"][0]):
        raise BadFilter("limit is no number of rows; write one from 1 on")
    return int(given["limit"][0])
