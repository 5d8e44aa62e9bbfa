"""What happened of late, in one worker: an hour in points of ten seconds, and the last minutes of each route.

It is filled from the ends of exchanges and one look a second at those that run; a chunk pays nothing. Where nothing
happens nothing is kept. Pure: every call is told ``now``, seconds on the clock that all processes of a machine share,
so that points of several workers add up.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CANCELLED, NO_ROUTE, Side
from gateway.exchange.message import Source

STEP_SECONDS = 10
KEPT_POINTS = 360
"""An hour."""
WINDOW_SECONDS = 300
"""What is told of routes is about so many seconds, and up to a minute more."""
_MINUTE_SECONDS = 60
_KEPT_MINUTES = WINDOW_SECONDS // _MINUTE_SECONDS + 1
_GROWTH = 1.25
"""Each bucket of times ends a quarter above the one before: what is told is right to within an eighth."""
_GROWTH_LOG = math.log(_GROWTH)
_MOST_BUCKET = 70
"""Begins at 1.7 hours."""

Buckets = dict[int, int]
"""How many times fell into each bucket: number ``n`` begins at 1.25 to the power of ``n`` milliseconds."""


@dataclass(slots=True)
class Tally:
    """What ended, and the times to first bytes that came, of one route or of all."""

    ended: int = 0
    failed: int = 0
    first_bytes: Buckets = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        """Count what ``other`` counted, too."""
        self.ended += other.ended
        self.failed += other.failed
        for bucket, number in other.first_bytes.items():
            self.first_bytes[bucket] = self.first_bytes.get(bucket, 0) + number


@dataclass(slots=True)
class Point:
    """Ten seconds. Number ``slot`` begins at ten times as many seconds."""

    slot: int
    tally: Tally = field(default_factory=Tally)
    octets: int = 0
    """Of bodies that went to clients."""
    open: int = 0
    """Exchanges under way when somebody looked last."""

    def add(self, other: "Point") -> None:
        """Count what another worker counted in the same ten seconds."""
        self.tally.add(other.tally)
        self.octets += other.octets
        self.open += other.open


class History:
    """Keeps it. Bounded: 360 points, and six minutes for as many routes as there are."""

    def __init__(self, now: float) -> None:
        self.began = int(now // STEP_SECONDS)
        """The slot in which it begins: nothing is known of earlier ones."""
        self._began_at = now
        self._points: deque[Point] = deque(maxlen=KEPT_POINTS)
        self._minutes: deque[tuple[int, dict[str, Tally]]] = deque(maxlen=_KEPT_MINUTES)
        self._looked_at = now
        self._octets: int | None = None

    def __repr__(self) -> str:
        return f"<History of {len(self._points)} points>"

    def finish(self, exchange: Exchange, now: float) -> None:
        """Count an exchange that has ended."""
        failed = went_wrong(exchange)
        route = exchange.route.name if exchange.route is not None else ""
        for tally in (self._point(now).tally, self._tally(route, now)):
            tally.ended += 1
            tally.failed += failed
        if exchange.first_byte_at is not None and exchange.first_byte_at > self._looked_at:
            self._first_byte(exchange, now)

    def look(self, running: Iterable[Exchange], octets: float, now: float) -> None:
        """Look at what runs, once a second. ``octets`` is how many have ever gone to clients, as metrics count them.

        Nothing may run in between: a first byte is counted here or at the end, by whether it came before the look.
        """
        before, self._looked_at = self._looked_at, now
        number = 0
        for exchange in running:
            number += 1
            at = exchange.first_byte_at
            if at is not None and before < at <= now:
                self._first_byte(exchange, now)
        # A reload may drop series, and then the sum goes down.
        more = max(int(octets) - self._octets, 0) if self._octets is not None else 0
        self._octets = int(octets)
        if more or number or (self._points and self._points[-1].open):
            point = self._point(now)
            point.octets += more
            point.open = number

    def points(self, now: float) -> list[Point]:
        """Return the points of the last hour in which anything happened, the oldest first."""
        oldest = int(now // STEP_SECONDS) - KEPT_POINTS
        return [point for point in self._points if point.slot >= oldest]

    def routes(self, now: float) -> Iterator[tuple[str, Tally]]:
        """Yield what each route did in the last `window_seconds`; the empty name is for what met none.

        Others may run in between: there may be thousands.
        """
        oldest = int(now // _MINUTE_SECONDS) - _KEPT_MINUTES
        minutes = [tallies for minute, tallies in self._minutes if minute > oldest]
        for route in list(dict.fromkeys(route for tallies in minutes for route in tallies)):
            whole = Tally()
            for tallies in minutes:
                if (tally := tallies.get(route)) is not None:
                    whole.add(tally)
            yield route, whole

    def window_seconds(self, now: float) -> float:
        """Return of how many seconds `routes` tells: five minutes and what is over of the one that runs."""
        return min(WINDOW_SECONDS + now % _MINUTE_SECONDS, now - self._began_at)

    def _first_byte(self, exchange: Exchange, now: float) -> None:
        if exchange.reply is None or exchange.reply.source is not Source.UPSTREAM:
            return  # Our own words; they tell nothing about an upstream.
        assert exchange.first_byte_at is not None
        bucket = bucket_of(exchange.first_byte_at - exchange.started)
        route = exchange.route.name if exchange.route is not None else ""
        for tally in (self._point(now).tally, self._tally(route, now)):
            tally.first_bytes[bucket] = tally.first_bytes.get(bucket, 0) + 1

    def _point(self, now: float) -> Point:
        slot = int(now // STEP_SECONDS)
        if not self._points or self._points[-1].slot < slot:
            self._points.append(Point(slot))
        return self._points[-1]

    def _tally(self, route: str, now: float) -> Tally:
        minute = int(now // _MINUTE_SECONDS)
        if not self._minutes or self._minutes[-1][0] < minute:
            self._minutes.append((minute, {}))
        return self._minutes[-1][1].setdefault(route, Tally())


def went_wrong(exchange: Exchange) -> bool:
    """Say whether a failure was the gateway's or an upstream's: not a client's, an operator's, or a wrong address."""
    failure = exchange.failure
    if failure is None or failure.kind in (CANCELLED, NO_ROUTE):
        return False
    return failure.kind.side is not Side.DOWNSTREAM


def bucket_of(seconds: float) -> int:
    """Return the number of the bucket that a time falls into."""
    milliseconds = seconds * 1000
    return 0 if milliseconds <= 1 else min(int(math.log(milliseconds) / _GROWTH_LOG), _MOST_BUCKET)


def quantile_ms(buckets: Mapping[int, int], share: float) -> float | None:
    """Return about how many milliseconds ``share`` (0 to 1) of the times did not exceed; None where there is none."""
    rank = max(share * sum(buckets.values()), 1)
    seen = 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= rank - 1e-9:
            return float(f"{_GROWTH ** (bucket + 0.5):.3g}")
    return None
