"""What one worker sees of itself when another one, or an operator, asks how things stand; and how that adds up.

A sight travels as one JSON object. Everything in it is bounded: by the configuration, by `History`, by `Failures`.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.admin.status import Status
from gateway.exchange.exchange import Exchange
from gateway.exchange.phase import phase
from gateway.observe.failed import Failed, Failures
from gateway.observe.history import History, Point, Tally

PARTS = ("traffic", "routes", "upstreams", "failures")
_LOOKED_AT_TOGETHER = 500


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
        """Note an exchange that has ended."""
        self.history.finish(exchange, exchange.finished_at if exchange.finished_at is not None else self.clock())
        if exchange.failure is not None:
            self.failures.finish(exchange, self.wall_clock())

    def tick(self, octets: float) -> None:
        """Look at what runs. To be called once a second, with how many octets have ever gone to clients."""
        self.history.look(self.running(), octets, self.clock())


def seen(worker: Worker, parts: Iterable[str], breathe: Callable[[], object]) -> dict[str, Any]:
    """Return what ``worker`` sees, of the ``parts`` that are asked for: JSON types only."""
    told: dict[str, Any] = {
        "worker": os.getpid(),
        "draining": worker.status.draining(),
        "rejected": worker.status.rejected,
        "began": worker.history.began,
    }
    for part in parts:
        if part == "traffic":
            told["points"] = [_point(each) for each in worker.history.points(worker.clock())]
        elif part == "routes":
            told["open"] = _open(worker.running(), breathe)
            told["routes"] = {name: _tally(each) for name, each in worker.history.routes(worker.clock()).items()}
        elif part == "upstreams":
            told["upstreams"] = list(worker.upstreams())
        elif part == "failures":
            told["failures"] = worker.failures.newest()
        breathe()
    return told


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
    points: dict[int, Point] = field(default_factory=dict)
    routes: dict[str, Tally] = field(default_factory=dict)
    open: dict[str, dict[str, int]] = field(default_factory=dict)
    """How many run, by route and how far they are."""
    upstreams: list[tuple[int, list[dict[str, Any]]]] = field(default_factory=list)
    """What each worker, by its process id, knows of the upstreams."""
    failures: list[Failed] = field(default_factory=list)
    """The newest first."""

    def add(self, told: dict[str, Any]) -> None:
        """Add what one worker sees."""
        self.began = min(self.began, told["began"]) if self.workers else told["began"]
        self.workers.append(told["worker"])
        self.draining += told["draining"]
        self.rejected = self.rejected or told["rejected"]
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
            self.upstreams.append((told["worker"], told["upstreams"]))
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


def together(mine: dict[str, Any], answers: Iterable[tuple[int, bytes | None]]) -> Seen:
    """Return what this worker sees and what the others, by process id, answered; None is no answer."""
    found = Seen()
    found.add(mine)
    for pid, answer in answers:
        if answer is None:
            found.silent.append(pid)
        else:
            found.add(json.loads(answer))
    found.workers.sort()
    found.failures.sort(key=lambda each: -each.time)
    return found


def _read(ended: int, failed: int, first_bytes: list[list[int]]) -> Tally:
    return Tally(ended, failed, {bucket: number for bucket, number in first_bytes})
