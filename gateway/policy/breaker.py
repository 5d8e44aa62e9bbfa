"""A breaker: leaves an endpoint alone that fails again and again, and tries it out before it trusts it anew.

    passing --(``failures`` in a row within ``window``)--> tripped --(``open`` is over)--> probing
       ^                                                      ^                              |
       +-------------(``probes`` ended well)------------------|------------------------------+
                                                              +--------(one failed)----------+

Passing: everybody may go there. A failure counts until one success forgets it, and for ``window`` at most; the failure
that is the ``failures``-th in a row trips it. Two endpoints are enough: nothing is compared with others.

Tripped: nobody goes there for ``open``. Each time that it trips out of probing, or so soon after passing that it cannot
be called well (within ``window`` and the time it was tripped before), that time doubles, up to ``max_open``.

Probing: at most ``probes`` exchanges at a time go there. ``probes`` good ends make it pass, one bad end trips it again,
an end that says nothing (the client left) makes room for another probe. A stream may last for hours: a probe whose head
came ``open`` ago and that did not fail since counts as good while it goes on.

Exchanges are judged at their end, by their outcome, for a stream that breaks off is a failure whatever its status was.
What began before the last change of state says nothing about the present one. Where every endpoint of an upstream is
tripped all are used again (`gateway.policy.endpoints`); what ends well then counts as a good probe.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum

from pydantic import Field

from gateway.config.model import Model
from gateway.config.units import PositiveDuration
from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CREDENTIALS_UNAVAILABLE, Side
from gateway.exchange.outcome import Outcome
from gateway.exchange.route import BreakerRule
from gateway.grammar.statuses import Statuses
from gateway.policy.fresh_connection import went_stale

_MAX_DOUBLINGS = 30


class BreakerSettings(Model):
    """When an endpoint that fails is left alone, and for how long. The table alone, `breaker = {}`, turns it on."""

    failures: int = Field(default=5, ge=1, le=1000)
    """Failed exchanges in a row that trip it; one good end forgets them. Number. Default 5.
    Clients that leave do not count, nor does what the gateway itself ends or refuses."""
    window: PositiveDuration = 30.0
    """How long a failure counts. Duration. Default "30s". An endpoint with little traffic needs a longer one."""
    open: PositiveDuration = 10.0
    """How long a tripped endpoint is left alone before it is tried out. Duration. Default "10s".
    It doubles with each trip that follows soon after another."""
    max_open: PositiveDuration = 300.0
    """What `open` grows to at most. Duration. Default "5m"."""
    probes: int = Field(default=1, ge=1, le=100)
    """Exchanges that may try it out at a time, and that must end well before it has its full share. Number.
    Default 1. They are real requests: some of them may fail."""
    status: tuple[Statuses, ...] = Field(default=(), examples=[[502, 503, 504]])
    """Statuses of answers that count as failures, too: 503, "5xx" or "500-504". Array. Default none: whoever answers
    is there."""

    def rule(self) -> BreakerRule:
        """Return what the settings mean."""
        return BreakerRule(self.failures, self.window, self.open, self.max_open, self.probes, self.status)


class State(Enum):
    """How a breaker stands."""

    PASSING = "passing"
    TRIPPED = "tripped"
    PROBING = "probing"


@dataclass(slots=True, eq=False)
class Passage:
    """One exchange that went through a breaker, to be handed back when it has ended."""

    era: int
    """The state it began in, counted."""
    answered_at: float | None = None
    """When its head came, for one that tries the endpoint out."""


class Breaker:
    """The state of one endpoint. Times are seconds on one clock; each call is told ``now``."""

    __slots__ = ("_failed_at", "_good", "_open_seconds", "_passed_at", "_probes", "_trips", "era", "rule", "until")

    def __init__(self, rule: BreakerRule) -> None:
        self.rule = rule
        self.until: float | None = None
        """Until when it is tripped; None while it passes."""
        self.era = 0
        """How often its state changed."""
        self._failed_at: deque[float] = deque(maxlen=rule.failures)
        self._probes: list[Passage] = []
        self._good = 0
        """Good ends since it was tripped."""
        self._trips = 0
        self._open_seconds = 0.0
        self._passed_at: float | None = None

    def state(self, now: float) -> State:
        """Return how it stands."""
        if self.until is None:
            return State.PASSING
        return State.TRIPPED if now < self.until else State.PROBING

    def recent_failures(self, now: float) -> int:
        """Return how many failures count towards the next trip."""
        return sum(now - at <= self.rule.window_seconds for at in self._failed_at)

    def admits(self, now: float) -> bool:
        """Say whether an exchange may go there."""
        self._trust_long_probes(now)
        state = self.state(now)
        return state is State.PASSING or (state is State.PROBING and len(self._probes) < self.rule.probes)

    def begin(self, now: float) -> Passage:
        """An exchange goes there, admitted or, where nothing is, all the same. Give what is returned to `end`."""
        passage = Passage(self.era)
        if self.state(now) is State.PROBING and len(self._probes) < self.rule.probes:
            self._probes.append(passage)
        return passage

    def end(self, passage: Passage, good: bool | None, now: float) -> None:
        """It has ended: well, badly, or in a way that says nothing (None)."""
        if passage in self._probes:
            self._probes.remove(passage)
        if good is None or passage.era != self.era:
            return
        state = self.state(now)
        if state is State.PASSING:
            self._count(good, now)
        elif good:
            self._trust(now)
        elif state is State.PROBING:
            self._trip(now)

    def _count(self, good: bool, now: float) -> None:
        if good:
            self._failed_at.clear()
            return
        self._failed_at.append(now)
        if self.recent_failures(now) == self.rule.failures:
            self._trip(now)

    def _trust(self, now: float) -> None:
        self._good += 1
        if self._good >= self.rule.probes:
            self.until, self._passed_at = None, now
            self._change()

    def _trust_long_probes(self, now: float) -> None:
        for probe in list(self._probes):
            if probe.answered_at is not None and now - probe.answered_at >= self.rule.open_seconds:
                self._probes.remove(probe)
                probe.era = -1  # It has said its word.
                self._trust(now)
                if self.until is None:
                    return

    def _trip(self, now: float) -> None:
        soon = self._passed_at is not None and now - self._passed_at <= self.rule.window_seconds + self._open_seconds
        self._trips = self._trips + 1 if self.until is not None or soon else 1
        doubled = self.rule.open_seconds * 2 ** min(self._trips - 1, _MAX_DOUBLINGS)
        self._open_seconds = min(doubled, max(self.rule.open_seconds, self.rule.max_open_seconds))
        self.until = now + self._open_seconds
        self._change()

    def _change(self) -> None:
        self.era += 1
        self._good = 0
        self._failed_at.clear()
        self._probes.clear()


def verdict(exchange: Exchange, attempt: Attempt, statuses: tuple[tuple[int, int], ...] = ()) -> bool | None:
    """Return what an attempt that is over says of its endpoint: good, bad, or nothing (None).

    An attempt that failed by itself is judged by its failure. The one that the exchange ended with is judged by the
    outcome: failed, truncated and timed out by the upstream are bad, a complete relay is good. A client that left, a
    shutdown, a refusal and the route's own `total` say nothing, nor does a connection that went stale, nor an answer
    that was given up for another attempt. ``statuses`` are bad in any case.
    """
    if went_stale(attempt):
        return None
    if attempt.failure is not None and attempt.failure.kind is CREDENTIALS_UNAVAILABLE:
        return None  # The endpoint was not asked: who issues its tokens failed.
    if attempt.failure is not None:
        told = attempt.failure.told
        if told is not None and told.of_the_request:
            return None  # It is as well as one that says so by a status, but nothing was relayed to its end.
        return False if attempt.failure.kind.side is Side.UPSTREAM else None
    if attempt.status is not None and any(first <= attempt.status <= last for first, last in statuses):
        return False
    if attempt is not _last_word(exchange):
        return None
    if exchange.outcome is Outcome.COMPLETE:
        return True
    if exchange.outcome in (Outcome.FAILED, Outcome.TRUNCATED, Outcome.TIMED_OUT):
        failure = exchange.failure
        return False if failure is not None and failure.kind.side is Side.UPSTREAM else None
    return None


def _last_word(exchange: Exchange) -> Attempt | None:
    """Return the attempt that the outcome is about: the last that was answered, or else the last one."""
    if exchange.outcome is None:
        return None
    answered = [each for each in exchange.attempts if each.status is not None and each.failure is None]
    attempts = answered or exchange.attempts
    return attempts[-1] if attempts else None
