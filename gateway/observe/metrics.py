"""What exchanges add to the metrics: most of it once, at their end; octets and pings of long ones also before that.

Nothing is done for a chunk. What a running exchange has moved since somebody looked last is added when somebody looks,
and the rest at its end, so that each octet counts once.
"""

from collections.abc import Iterable
from http import HTTPStatus
from operator import sub

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.message import Source
from gateway.exchange.outcome import Outcome
from gateway.exchange.phase import phase, phase_reached
from gateway.observe import families as f
from gateway.observe.table import Labels, Samples, Table

_MOST_TOKENS = 2**53
"""What an upstream may say an answer has cost: beyond it numbers are not exact, nor true."""
_STATUSES = {int(each): str(int(each)) for each in HTTPStatus}
_FLOWING = (f.RESPONSE_BYTES, f.REQUEST_BYTES, f.CHUNKS, f.PINGS, f.STALLS)
_NOTHING_YET = (0, 0, 0, 0, 0)
_NO_ROUTE = ("", "")


class Metrics:
    """The counts of one worker."""

    def __init__(self, table: Table | None = None) -> None:
        """``table`` is what was counted before, by a worker that this one follows."""
        self.table = table or Table()
        self.changed = True
        """Whether anything was counted since somebody set it to False."""
        self._seen: dict[int, tuple[int, ...]] = {}
        """What was added already of exchanges that still run; an entry goes with its exchange."""

    def __repr__(self) -> str:
        return f"<Metrics {self.table!r}>"

    def finish(self, exchange: Exchange) -> None:
        """Count an ended exchange. To be called once, when its outcome is known."""
        self.changed = True
        add, labels, failure = self.table.add, series(exchange), exchange.failure
        assert exchange.outcome is not None
        add(f.EXCHANGES, (*labels, exchange.outcome.value, status_label(exchange.status)))
        if failure is not None:
            add(f.FAILURES, (*labels, failure.kind.code, failure.kind.side.value))
        if exchange.outcome is Outcome.CLIENT_GONE:
            add(f.CLIENT_GONE, (*labels, phase_reached(exchange)))
        self._flow(exchange, labels)
        self._seen.pop(id(exchange), None)
        if exchange.attempts:
            self._attempts(exchange, labels)
        if exchange.marks is not None:
            self._watched(exchange, labels)
        self._rare(exchange, labels)
        self._times(exchange, labels)

    def look(self, exchange: Exchange) -> None:
        """Add what a running exchange has moved since the last look. Harmless for one that has ended."""
        if exchange.outcome is None:
            self.changed = True
            self._seen[id(exchange)] = self._flow(exchange, series(exchange))

    def silent(self, exchange: Exchange, seconds: float) -> None:
        """The upstream of a running stream has been silent for ``seconds`` at this moment."""
        self.table.observe(f.SILENCE_SECONDS, series(exchange), seconds)

    def _flow(self, exchange: Exchange, labels: Labels) -> tuple[int, ...]:
        now = (
            exchange.relayed_bytes,
            exchange.received_bytes,
            exchange.chunks,
            exchange.pings,
            exchange.stalls,
        )
        before = self._seen.get(id(exchange), _NOTHING_YET)
        if now != before:
            for family, number in zip(_FLOWING, map(sub, now, before), strict=True):
                if number > 0:
                    self.table.add(family, labels, number)
        return now

    def _attempts(self, exchange: Exchange, labels: Labels) -> None:
        upstream = labels[1]
        for attempt in exchange.attempts:
            self.table.add(f.ATTEMPTS, (upstream, str(attempt.endpoint), result(attempt)))
        if len(exchange.attempts) > 1:
            retries = sum(not attempt.hedging for attempt in exchange.attempts) - 1
            self.table.add(f.RETRIES, labels, retries)
        if exchange.not_retried is not None:
            self.table.add(f.NOT_RETRIED, (*labels, exchange.not_retried))
        if exchange.hedged is not None:
            self.table.add(f.HEDGES, (*labels, exchange.hedged))

    def _watched(self, exchange: Exchange, labels: Labels) -> None:
        if exchange.first_frame_at is not None:
            self.table.observe(f.FIRST_FRAME_SECONDS, labels, exchange.first_frame_at - exchange.started)
        if exchange.flaw is not None:
            self.table.add(f.FLAWED, labels)
        usage = exchange.marks.usage if exchange.marks is not None else None
        if usage is not None:
            for kind, number in (("prompt", usage.prompt_tokens), ("completion", usage.completion_tokens)):
                if number is not None:
                    self.table.add(f.TOKENS, (*labels, kind), min(number, _MOST_TOKENS))

    def _rare(self, exchange: Exchange, labels: Labels) -> None:
        if exchange.early:
            self.table.add(f.EARLY_HEADS, labels)
        if exchange.drained is not None:
            self.table.add(f.READ_ON, (*labels, exchange.drained))
        if exchange.queued_seconds is not None:
            self.table.observe(f.QUEUED_SECONDS, labels, exchange.queued_seconds)

    def _times(self, exchange: Exchange, labels: Labels) -> None:
        observe, started = self.table.observe, exchange.started
        if exchange.finished_at is not None:
            observe(f.DURATION_SECONDS, labels, exchange.finished_at - started)
        if exchange.reply is None or exchange.reply.source is not Source.UPSTREAM:
            return
        if exchange.head_at is not None:
            observe(f.HEAD_SECONDS, labels, exchange.head_at - started)
        if exchange.first_byte_at is not None:
            observe(f.FIRST_BYTE_SECONDS, labels, exchange.first_byte_at - started)
        if exchange.chunks > 1:
            observe(f.LONGEST_GAP_SECONDS, labels, exchange.longest_gap_seconds)


def series(exchange: Exchange) -> Labels:
    """Return the values of ``route`` and ``upstream``; both are empty where no route was found."""
    route = exchange.route
    return _NO_ROUTE if route is None else (route.name, route.upstream.name)


def status_label(status: int | None) -> str:
    """Return a status that is registered, else its class: upstreams may send any three digits. ``none`` for none."""
    if status is None:
        return "none"
    return _STATUSES.get(status) or f"{status // 100}xx"


def result(attempt: Attempt) -> str:
    """Return how an attempt ended: its failure, the class of its status, or ``abandoned`` for neither."""
    if attempt.failure is not None:
        return attempt.failure.kind.code
    return "abandoned" if attempt.status is None else f"{attempt.status // 100}xx"


def open_exchanges(running: Iterable[Exchange]) -> Samples:
    """Return how many run of each route, by how far they are."""
    found: Samples = {}
    for exchange in running:
        if exchange.outcome is None:
            labels = (*series(exchange), phase(exchange))
            found[labels] = found.get(labels, 0) + 1
    return found
