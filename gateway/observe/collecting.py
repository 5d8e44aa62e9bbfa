"""From the counts of one worker to a page about all of them.

Each worker writes what it has counted into a ledger that all of them read: once a second, and before it answers, so
that nothing is ever told that could be taken back when it dies. What is counted is added up over all workers, past ones
included; what is measured at the moment, over those that live.
"""

import io
import pickle
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import INTERNAL
from gateway.exchange.phase import phase_reached
from gateway.observe import families as f
from gateway.observe.exposition import OPENMETRICS, content_type, render
from gateway.observe.metrics import Metrics, open_exchanges
from gateway.observe.table import Labels, Samples, Table

MOST_SAMPLED = 1000
"""Streams whose silence is noted in one second; of more than that, so many are picked evenly."""
_LOOKED_AT_TOGETHER = 500

States = tuple[dict[str, Samples], dict[str, Samples]]
"""Gauges, and counters that are kept elsewhere, by name of the family."""


class Written(Protocol):
    """What one worker wrote."""

    @property
    def content(self) -> bytes: ...

    @property
    def alive(self) -> bool:
        """Whether it still runs."""


class Ledger(Protocol):
    """Where workers write and read."""

    def claim(self) -> bytes | None:
        """Return what the worker left that this one follows."""

    def write(self, content: bytes) -> None:
        """Put ``content`` in the place of what this worker wrote before."""

    def read(self) -> Iterable[Written]:
        """Return what each worker wrote last."""


class Collector:
    """The metrics of a worker, and the way to those of the others."""

    def __init__(
        self,
        ledger: Ledger,
        running: Callable[[], list[tuple[Exchange, float | None]]],
        states: Callable[[], States],
        clock: Callable[[], float],
        *,
        breathe: Callable[[], object] = lambda: None,
        build: Labels,
    ) -> None:
        """``running`` returns the exchanges, each with since when its upstream is waited for; ``breathe`` lets others
        run, for much is to be done where there are many routes or streams; ``build`` are its values."""
        self._ledger = ledger
        self._running = running
        self._states = states
        self._clock = clock
        self._breathe = breathe
        self._build = build
        self._taken = 0
        self._written = 0
        self._last: Mapping[str, Samples] = {}
        self._opened: Samples = {}
        """A nought for each series of open exchanges that there was: without it a graph would not go down to it."""
        before = Table()
        for _ in _added(before, {}, ledger.claim(), alive=False):
            pass
        self.metrics = Metrics(before)

    def adopt(self, known: Mapping[str, frozenset[str]], routes: Iterable[Labels] = ()) -> None:
        """Forget the series whose labels have values that the configuration does not know any more.

        For each of ``routes``, by name and upstream, a defect is counted none of yet: else nobody could see the first.
        """
        self.metrics.table.keep(f.FAMILIES, known)
        for labels in routes:
            self.metrics.table.add(f.FAILURES, (*labels, INTERNAL.code, INTERNAL.side.value), 0)
        self.metrics.changed = True
        self._opened.clear()

    @property
    def octets(self) -> float:
        """How many octets of bodies have gone to clients, as far as anybody looked."""
        return sum(self.metrics.table.counters.get(f.RESPONSE_BYTES.name, {}).values())

    def tick(self) -> None:
        """Look at the streams that run, and write what has changed. To be called once a second."""
        running, now = self._running(), self._clock()
        step = max(1, -(-len(running) // MOST_SAMPLED))
        for exchange, since in running[random.randrange(step) :: step]:  # noqa: S311 - spread, not secret
            if since is not None and exchange.outcome is None and phase_reached(exchange) == "relay":
                self.metrics.silent(exchange, max(now - since, 0.0))
                self.metrics.changed = True
        self._write([exchange for exchange, _ in running])

    def page(self, accept: str) -> tuple[str, Iterator[str]]:
        """Return the type of the page and its text in pieces, with all that is known up to this moment."""
        self._write([exchange for exchange, _ in self._running()])
        table, gauges = Table(), dict[str, Samples]()
        for each in self._ledger.read():
            for _ in _added(table, gauges, each.content, alive=each.alive):
                self._breathe()
        gauges[f.BUILD.name] = {self._build: 1.0}
        chosen = content_type(accept)
        return chosen, self._pieces(table, gauges, openmetrics=chosen == OPENMETRICS)

    def _pieces(self, table: Table, gauges: Mapping[str, Samples], *, openmetrics: bool) -> Iterator[str]:
        for piece in render(table, gauges, openmetrics=openmetrics):
            yield piece
            self._breathe()

    def _write(self, running: list[Exchange]) -> None:
        metrics, opened = self.metrics, self._opened.copy()
        for start in range(0, len(running), _LOOKED_AT_TOGETHER):
            some = running[start : start + _LOOKED_AT_TOGETHER]
            for exchange in some:
                metrics.look(exchange)
            for labels, number in open_exchanges(some).items():
                opened[labels] = opened.get(labels, 0) + number
            self._breathe()
        gauges, counters = self._states()
        gauges[f.OPEN.name] = opened
        self._opened |= dict.fromkeys(opened, 0)
        if not metrics.changed and gauges == self._last:
            return
        metrics.changed, self._last = False, gauges
        # From here on what is counted counts for the next time: of two that write, the later picture must stay.
        self._taken = taken = self._taken + 1
        picture = Table()
        picture.merge_counters(metrics.table.counters)
        picture.merge_counters(counters)
        parts = [pickle.dumps((gauges, picture.counters))]
        for name, rows in list(metrics.table.histograms.items()):
            parts.append(pickle.dumps((name, rows)))
            self._breathe()
        if taken > self._written:
            self._written = taken
            self._ledger.write(b"".join(parts))


def _added(table: Table, gauges: dict[str, Samples], content: bytes | None, *, alive: bool) -> Iterator[None]:
    """Add what a worker wrote, part by part: its counts, and its gauges where it lives."""
    if not content:
        return
    source = io.BytesIO(content)
    # Memory without a name, written by workers of the same master only.
    states, counters = pickle.load(source)  # noqa: S301
    table.merge_counters(counters)
    while source.tell() < len(content):
        name, rows = pickle.load(source)  # noqa: S301
        table.merge_histogram(name, rows)
        yield
    if alive:
        for name, samples in states.items():
            mine = gauges.setdefault(name, {})
            for labels, number in samples.items():
                mine[labels] = mine.get(labels, 0) + number
