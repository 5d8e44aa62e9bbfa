"""What one worker sees of itself when another one, or an operator, asks how things stand; and how that adds up.

A sight travels in pieces, each a JSON object on a line of its own: the first says whose it is, the others are small
enough to be made and read while streams go on. Everything in it is bounded: by the configuration, by `History`, by
`Failures`.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from gateway.admin.status import Status
from gateway.exchange.exchange import Exchange
from gateway.exchange.phase import phase
from gateway.observe.failed import Failed, Failures
from gateway.observe.history import WINDOW_SECONDS, History, Point, Tally

PARTS = ("traffic", "routes", "upstreams", "failures")
_LOOKED_AT_TOGETHER = 500
_ROWS_A_PIECE = 50
"""Routes or upstreams: some 2 ms."""

_T = TypeVar("_T")


class Worker:
    """One worker: what it keeps for who looks, and where it finds the rest."""

    def __init__(
        self,
        status: Status,
        running: Callable[[], list[Exchange]],
        upstreams: Callable[[], Iterator[dict[str, Any]]],
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        """``upstreams`` yields what is known of each, see `gateway.policy.endpoints`; others may run in between.

        ``clock`` is one that all processes of the machine share, ``wall_clock`` tells seconds since 1970.
        """
        self.status = status
        self.running = running
        self.upstreams = upstreams
        self.clock = clock
        self.wall_clock = wall_clock
        self.history = History(clock())
        self.failures = Failures()

    def finish(self, exchange: Exchange) -> None:
        """Count an exchange that has ended. A failure is noted besides, by its record (`gateway.records`)."""
        self.history.finish(exchange, exchange.finished_at if exchange.finished_at is not None else self.clock())

    def tick(self, octets: float) -> None:
        """Look at what runs. To be called once a second, with how many octets have ever gone to clients."""
        self.history.look(self.running(), octets, self.clock())


def seen(worker: Worker, parts: Iterable[str], breathe: Callable[[], object]) -> Iterator[dict[str, Any]]:
    """Yield what ``worker`` sees, of the ``parts`` that are asked for, in pieces: JSON types only."""
    yield {
        "worker": os.getpid(),
        "draining": worker.status.draining(),
        "rejected": worker.status.rejected,
        "began": worker.history.began,
        "window": worker.history.window_seconds(worker.clock()),
    }
    for part in parts:
        if part == "traffic":
            yield {"points": [_point(each) for each in worker.history.points(worker.clock())]}
        elif part == "routes":
            yield {"open": _open(worker.running(), breathe)}
            for some in _pieces(worker.history.routes(worker.clock()), _ROWS_A_PIECE):
                yield {"routes": {name: _tally(each) for name, each in some}}
                breathe()
        elif part == "upstreams":
            for known in _pieces(worker.upstreams(), _ROWS_A_PIECE):
                yield {"upstreams": known}
        elif part == "failures":
            yield {"failures": worker.failures.newest()}
        breathe()


def _open(running: list[Exchange], breathe: Callable[[], object]) -> dict[str, dict[str, int]]:
    """Return how many run of each route, by how far they are."""
    found: dict[str, dict[str, int]] = {}
    for number, exchange in enumerate(running):
        if number % _LOOKED_AT_TOGETHER == _LOOKED_AT_TOGETHER - 1:
            breathe()
        if exchange.outcome is None:
            phases = found.setdefault(exchange.route.name if exchange.route is not None else "", {})
            how_far = phase(exchange)
            phases[how_far] = phases.get(how_far, 0) + 1
    return found


def _pieces(rows: Iterable[_T], length: int) -> Iterator[list[_T]]:
    left = iter(rows)
    while piece := list(islice(left, length)):
        yield piece


def _point(point: Point) -> list[Any]:
    return [point.slot, point.octets, point.open, *_tally(point.tally)]


def _tally(tally: Tally) -> list[Any]:
    return [tally.ended, tally.failed, list(tally.first_bytes.items())]


@dataclass(slots=True)
class Seen:
    """What all workers see together."""

    workers: list[int] = field(default_factory=list)
    silent: list[int] = field(default_factory=list)
    """Workers that did not answer in time: what they see is missing."""
    draining: int = 0
    rejected: str | None = None
    """Why the newest configuration was refused somewhere."""
    began: int = 0
    """The slot in which the oldest of their histories begins."""
    window_seconds: float = WINDOW_SECONDS
    """Of how many seconds `routes` tells."""
    points: dict[int, Point] = field(default_factory=dict)
    routes: dict[str, Tally] = field(default_factory=dict)
    open: dict[str, dict[str, int]] = field(default_factory=dict)
    """How many run, by route and how far they are."""
    upstreams: list[dict[str, Any]] = field(default_factory=list)
    """What each worker knows of each upstream."""
    failures: list[Failed] = field(default_factory=list)
    """The newest first."""

    def begin(self, told: dict[str, Any]) -> None:
        """Add the first piece of what a worker sees: whose it is, and how it stands."""
        self.began = min(self.began, told["began"]) if self.workers else told["began"]
        self.window_seconds = max(self.window_seconds, told["window"]) if self.workers else told["window"]
        self.workers.append(told["worker"])
        self.draining += told["draining"]
        self.rejected = self.rejected or told["rejected"]

    def add(self, told: dict[str, Any]) -> None:
        """Add a further piece."""
        for slot, octets, number, *tally in told.get("points", ()):
            point = Point(slot, _read(*tally), octets, number)
            self.points.setdefault(slot, Point(slot)).add(point)
        for name, each in told.get("routes", {}).items():
            self.routes.setdefault(name, Tally()).add(_read(*each))
        for name, phases in told.get("open", {}).items():
            mine = self.open.setdefault(name, {})
            for how_far, number in phases.items():
                mine[how_far] = mine.get(how_far, 0) + number
        if "upstreams" in told:
            self.upstreams += told["upstreams"]
        self.failures += [Failed(*each) for each in told.get("failures", ())]

    @property
    def running(self) -> int:
        """How many exchanges run."""
        return sum(sum(phases.values()) for phases in self.open.values())

    @property
    def lately(self) -> Tally:
        """What all routes together did in the last five to six minutes."""
        whole = Tally()
        for each in self.routes.values():
            whole.add(each)
        return whole


def together(
    mine: Iterable[dict[str, Any]], answers: Iterable[tuple[int, bytes | None]], breathe: Callable[[], object]
) -> Seen:
    """Return what this worker sees and what the others, by process id, answered; None is no answer."""
    found = Seen()
    _read_pieces(mine, found, lambda: None)  # It breathes itself.
    for pid, answer in answers:
        if answer is None:
            found.silent.append(pid)
        else:
            _read_pieces(map(json.loads, answer.splitlines()), found, breathe)
    found.workers.sort()
    found.failures.sort(key=lambda each: -each.time)
    return found


def _read_pieces(pieces: Iterable[dict[str, Any]], found: Seen, breathe: Callable[[], object]) -> None:
    left = iter(pieces)
    found.begin(next(left))
    for piece in left:
        found.add(piece)
        breathe()


def _read(ended: int, failed: int, first_bytes: list[list[int]]) -> Tally:
    return Tally(ended, failed, {bucket: number for bucket, number in first_bytes})
