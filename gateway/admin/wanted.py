"""Which of the running exchanges are asked for: the parameters of a query become conditions, or a complaint. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.config.problem import Unacceptable
from gateway.config.units import parse_duration
from gateway.exchange.exchange import Exchange
from gateway.exchange.phase import PHASES, phase

REPEATABLE = ("id", "route", "principal", "upstream", "phase")
ONCE = ("older_than", "limit", "by")
ORDERS = ("age", "silence")
"""By what a list is ordered, and what its limit keeps: the oldest, or those from which nothing came for longest."""
USUAL_LIMIT = 1000
MOST_LISTED = 10_000
MOST_VALUES = 100
MOST_VALUE_LENGTH = 256
_NUMBER = re.compile("[1-9][0-9]{0,4}")

Parameters = list[tuple[str, str]]


class BadFilter(ValueError):
    """A parameter that is not understood; the text says what would be."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Conditions that all hold; of several values of one kind any one. Empty means that all are wanted."""

    ids: frozenset[str] = frozenset()
    routes: frozenset[str] = frozenset()
    principals: frozenset[str] = frozenset()
    upstreams: frozenset[str] = frozenset()
    phases: frozenset[str] = frozenset()
    older_than_seconds: float | None = None
    limit: int = USUAL_LIMIT
    by: str = ORDERS[0]

    @property
    def some(self) -> bool:
        """Whether anything but their number is asked of the exchanges."""
        return self.older_than_seconds is not None or any(
            (self.ids, self.routes, self.principals, self.upstreams, self.phases)
        )

    def holds(self, exchange: Exchange, now: float) -> bool:
        """Say whether ``exchange`` is one of them ``now``, on the clock of exchanges."""
        route, identity = exchange.route, exchange.identity
        if self.ids and exchange.id not in self.ids:
            return False
        if self.routes and (route is None or route.name not in self.routes):
            return False
        if self.upstreams and (route is None or route.upstream.name not in self.upstreams):
            return False
        if self.principals and (identity is None or identity.principal not in self.principals):
            return False
        if self.older_than_seconds is not None and now - exchange.started <= self.older_than_seconds:
            return False
        return not self.phases or phase(exchange) in self.phases


def parse_wanted(parameters: Iterable[tuple[str, str]]) -> Wanted:
    """Return what ``parameters`` ask for. Raises `BadFilter`, also for an unknown one: it might end other streams."""
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        if name not in REPEATABLE and name not in ONCE:
            raise BadFilter(f"unknown parameter {name[:64]!r}; known are {', '.join(REPEATABLE + ONCE)}")
        if not value or len(value) > MOST_VALUE_LENGTH:
            raise BadFilter(f"{name} needs a value of 1 to {MOST_VALUE_LENGTH} characters")
        given.setdefault(name, []).append(value)
    for name, values in given.items():
        if len(values) > (1 if name in ONCE else MOST_VALUES):
            raise BadFilter(f"{name} may be given {'once' if name in ONCE else f'{MOST_VALUES} times'}")
    unknown = [each for each in given.get("phase", ()) if each not in PHASES]
    if unknown:
        raise BadFilter(f"unknown phase {unknown[0][:64]!r}; known are {', '.join(PHASES)}")
    return Wanted(
        ids=frozenset(given.get("id", ())),
        routes=frozenset(given.get("route", ())),
        principals=frozenset(given.get("principal", ())),
        upstreams=frozenset(given.get("upstream", ())),
        phases=frozenset(given.get("phase", ())),
        older_than_seconds=_older_than(given),
        limit=_limit(given),
        by=_by(given),
    )


def _older_than(given: dict[str, list[str]]) -> float | None:
    if "older_than" not in given:
        return None
    try:
        return parse_duration(given["older_than"][0])
    except Unacceptable:
        raise BadFilter('older_than is no duration; write one such as "30s" or "1h30m"') from None


def _limit(given: dict[str, list[str]]) -> int:
    if "limit" not in given:
        return USUAL_LIMIT
    text = given["limit"][0]
    if not _NUMBER.fullmatch(text) or int(text) > MOST_LISTED:
        raise BadFilter(f"limit is no number of streams; write one from 1 to {MOST_LISTED}")
    return int(text)


def _by(given: dict[str, list[str]]) -> str:
    wanted = given.get("by", [ORDERS[0]])[0]
    if wanted not in ORDERS:
        raise BadFilter(f"unknown order {wanted[:64]!r}; known are {', '.join(ORDERS)}")
    return wanted
