"""The endpoints of one upstream: which one an attempt goes to, and what is known of each.

An endpoint is available while its checks find it well and its breaker admits. Attempts go to the available ones of the
lowest priority, those that the exchange has not tried yet before others; the balance chooses among them. Where none is
available all are used as if nothing were known (it fails open): a wrong verdict must not become an outage.

What is known belongs to one worker. Attempts under way are leases, by the attempt itself: each is given back once, by
whatever comes first of a failure, a verdict to try again and the end of the exchange.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import SUPERSEDED
from gateway.exchange.route import Share, Upstream
from gateway.exchange.target import Endpoint
from gateway.policy.balance import CHOOSERS, Candidate, key_of
from gateway.policy.breaker import Breaker, Passage, State, verdict
from gateway.policy.fresh_connection import went_stale
from gateway.policy.health import Health
from gateway.policy.hooks import Hooks, Verdict
from gateway.policy.recent import Recent

STATES = ("available", "tripped", "probing", "unhealthy")
"""What an endpoint may be, in the words of `Endpoints.snapshot`."""

Report = Callable[[str], None]
"""Is told of changes that somebody may want to know of."""


@dataclass(slots=True, eq=False)
class Known(Candidate):
    """All that is known of one endpoint."""

    breaker: Breaker | None = None
    health: Health | None = None
    attempts: int = 0
    failures: int = 0
    last_failure: str | None = None
    last_failure_at: float = 0.0
    first_bytes: Recent = field(default_factory=Recent)
    """Seconds from the start of an attempt to the head of its answer."""

    def available(self, now: float) -> bool:
        """Say whether attempts should go there."""
        return (self.health is None or self.health.well) and (self.breaker is None or self.breaker.admits(now))


@dataclass(slots=True)
class _Lease:
    attempt: Attempt
    known: Known
    breaker: Breaker | None
    passage: Passage | None


class Endpoints:
    """The endpoints of one upstream in one worker. Times are seconds on one clock; each call is told ``now``."""

    def __init__(
        self,
        upstream: Upstream,
        now: float,
        *,
        before: "Endpoints | None" = None,
        report: Report = lambda text: None,
    ) -> None:
        """``before`` is what was known under the configuration before: of endpoints that stay it is kept.

        A breaker or a health check whose settings have changed begins anew.
        """
        self.upstream = upstream
        self.failing_open = False
        """Whether the last attempt found no endpoint available."""
        self.failed_open: int = before.failed_open if before is not None else 0
        """How many attempts found none."""
        self._report = report
        self._leases: dict[int, _Lease] = before._leases if before is not None else {}
        known = {each.endpoint: each for each in before.all} if before is not None else {}
        self.all: list[Known] = []
        for endpoint, share in zip_longest(upstream.endpoints, upstream.shares, fillvalue=Share()):
            assert isinstance(endpoint, Endpoint) and isinstance(share, Share)
            each = known.get(endpoint) or Known(endpoint, started_at=now if before is not None else None)
            each.weight, each.priority = share.weight, share.priority
            if (each.breaker.rule if each.breaker is not None else None) != upstream.breaker:
                each.breaker = Breaker(upstream.breaker) if upstream.breaker is not None else None
            if (each.health.rule if each.health is not None else None) != upstream.health:
                each.health = Health(upstream.health) if upstream.health is not None else None
            self.all.append(each)
        self._choose = CHOOSERS[upstream.balance]
        self._statuses = upstream.breaker.statuses if upstream.breaker is not None else ()

    def __repr__(self) -> str:
        return f"<Endpoints of {self.upstream.name}: {len(self.all)}, {len(self._leases)} attempts>"

    def select(self, exchange: Exchange, now: float) -> Endpoint:
        """Return where the next attempt of ``exchange`` goes. There is always somewhere."""
        if len(self.all) == 1 and self._available(self.all[0], now):
            candidates = self.all
        else:
            tried = {each.endpoint for each in exchange.attempts if each.counted and not went_stale(each)}
            candidates = self._candidates(tried, now)
        if len(candidates) == 1:
            return candidates[0].endpoint
        key = key_of(exchange.request, self.upstream.hash_on)
        return self._choose(candidates, now, self.upstream.slow_start_seconds, key).endpoint

    def another(self, exchange: Exchange, now: float) -> Endpoint | None:
        """Return where an attempt beside the one under way may go: available, and not tried by ``exchange`` yet."""
        tried = {each.endpoint for each in exchange.attempts}
        left = [each for each in self.all if each.endpoint not in tried and self._available(each, now)]
        if not left:
            return None
        lowest = min(each.priority for each in left)
        candidates = [each for each in left if each.priority == lowest]
        key = key_of(exchange.request, self.upstream.hash_on)
        return self._choose(candidates, now, self.upstream.slow_start_seconds, key).endpoint

    def first_bytes(self, endpoint: Endpoint) -> Recent | None:
        """Return how long the answers of ``endpoint`` took of late; None where it is not one of these."""
        return next((each.first_bytes for each in self.all if each.endpoint == endpoint), None)

    def hooks(self, clock: Callable[[], float]) -> Hooks:
        """Return what keeps account of the attempts. Its `judge` must be asked of every attempt: it stands first."""

        def prepare(exchange: Exchange, attempt: Attempt) -> None:
            self._begin(attempt)
            # An answer that is not taken is over at once, not behind the wait that it may have asked for.
            attempt.give_up = _GiveUp(self, exchange, attempt, clock)
            exchange.at_finish(attempt.give_up)

        def judge(exchange: Exchange, attempt: Attempt) -> Verdict:
            if attempt.failure is not None:
                self._end(exchange, attempt, clock())
            else:
                self._answered(attempt, exchange.head_at if exchange.head_at is not None else clock())
            return Verdict.TAKE

        return Hooks(prepare=prepare, judge=judge)

    def checked(self, endpoint: Endpoint, why: str | None, now: float) -> None:
        """Take the result of a health check: why it was bad, or None."""
        for each in self.all:
            if each.endpoint == endpoint and each.health is not None and each.health.see(why):
                if each.health.well:
                    each.started_at = now
                    self._tell(each, "is well again")
                else:
                    self._tell(each, f"is unhealthy: {why}")

    def snapshot(self, now: float) -> dict[str, object]:
        """Return what is known, for people and their tools: JSON types only, no secrets, seconds and milliseconds."""
        return {
            "name": self.upstream.name,
            "balance": self.upstream.balance,
            "failing_open": not any([self._available(each, now) for each in self.all]),
            "failed_open": self.failed_open,
            "endpoints": [_snapshot(each, now) for each in self.all],
        }

    def states(self, now: float) -> Iterator[tuple[Endpoint, str, int]]:
        """Yield each endpoint with its state, as `snapshot` calls it, and how many attempts are under way there."""
        for each in self.all:
            yield each.endpoint, _state(each, now), each.in_flight

    def _candidates(self, tried: set[Endpoint], now: float) -> list[Known]:
        available = [each for each in self.all if self._available(each, now)]
        if not available:
            self.failed_open += 1
            if not self.failing_open and len(self.all) > 1:
                self._report(f"upstream {self.upstream.name}: no endpoint is available, so all of them are used")
        elif self.failing_open:
            self._report(f"upstream {self.upstream.name}: an endpoint is available again")
        self.failing_open = not available
        choice = available or self.all
        choice = [each for each in choice if each.endpoint not in tried] or choice
        lowest = min(each.priority for each in choice)
        return [each for each in choice if each.priority == lowest]

    def _available(self, each: Known, now: float) -> bool:
        """Say whether attempts should go there; a long probe may have become trusted since somebody asked last."""
        era = each.breaker.era if each.breaker is not None else 0
        available = each.available(now)
        if each.breaker is not None and each.breaker.era != era:
            self._changed(each, each.breaker, now)
        return available

    def _known(self, endpoint: Endpoint) -> Known | None:
        for each in self.all:
            if each.endpoint is endpoint or each.endpoint == endpoint:
                return each
        return None

    def _begin(self, attempt: Attempt) -> None:
        known = self._known(attempt.endpoint)
        if known is None:
            return  # A running exchange tries an endpoint that a reload has taken away.
        breaker = known.breaker
        passage = breaker.begin(attempt.started) if breaker is not None else None
        known.in_flight += 1
        known.attempts += 1
        self._leases[id(attempt)] = _Lease(attempt, known, breaker, passage)

    def _answered(self, attempt: Attempt, at: float) -> None:
        lease = self._leases.get(id(attempt))
        if lease is not None:
            lease.known.first_bytes.add(at - attempt.started)
            if lease.passage is not None:
                lease.passage.answered_at = at

    def _end(self, exchange: Exchange, attempt: Attempt, now: float) -> None:
        attempt.give_up = None  # It leads back to the attempt: a ring would outlive the exchange.
        lease = self._leases.pop(id(attempt), None)
        if lease is None:
            return
        known = lease.known
        known.in_flight -= 1
        if attempt.failure is not None and attempt.failure.kind is SUPERSEDED and not attempt.hedging:
            # It took that long at least. Without it only fast answers would count, and hedging would feed itself.
            known.first_bytes.add(now - attempt.started)
        good = verdict(exchange, attempt, self._statuses)
        if good is False:
            known.failures += 1
            known.last_failure, known.last_failure_at = _why(exchange, attempt), now
        breaker = known.breaker
        if breaker is None or lease.passage is None or lease.breaker is not breaker:
            return  # There is none, or a reload has put another one in its place.
        era = breaker.era
        breaker.end(lease.passage, good, now)
        if breaker.era != era:
            self._changed(known, breaker, now)

    def _changed(self, known: Known, breaker: Breaker, now: float) -> None:
        if breaker.until is None:
            known.started_at = now
            self._tell(known, "is used again")
        else:
            self._tell(known, f"is left alone for {breaker.until - now:g} s: {known.last_failure}")

    def _tell(self, known: Known, what: str) -> None:
        self._report(f"upstream {self.upstream.name}: {known.endpoint} {what}")


def _why(exchange: Exchange, attempt: Attempt) -> str:
    """Return the kind of a failure: its details may repeat what a client sent."""
    failure = attempt.failure or exchange.failure
    return failure.kind.code if failure is not None else f"status {attempt.status}"


def _snapshot(each: Known, now: float) -> dict[str, object]:
    breaker, health = each.breaker, each.health
    told: dict[str, object] = {
        "endpoint": str(each.endpoint),
        "state": _state(each, now),
        "why": next(_reasons(each, now), None),
        "weight": each.weight,
        "priority": each.priority,
        "in_flight": each.in_flight,
        "attempts": each.attempts,
        "failures": each.failures,
        "last_failure": each.last_failure,
        "last_failure_seconds_ago": round(now - each.last_failure_at, 1) if each.last_failure is not None else None,
        "first_byte_p50_ms": _milliseconds(each.first_bytes.quantile(0.5)),
        "first_byte_p95_ms": _milliseconds(each.first_bytes.quantile(0.95)),
        "breaker": None,
        "health": None,
    }
    if breaker is not None:
        left = round(breaker.until - now, 1) if breaker.until is not None and breaker.until > now else None
        told["breaker"] = {
            "state": breaker.state(now).value,
            "failures": breaker.recent_failures(now),
            "of": breaker.rule.failures,
            "tripped_for_seconds": left,
        }
    if health is not None:
        told["health"] = {"well": health.well, "last_check": health.why or "good"}
    return told


def _state(each: Known, now: float) -> str:
    if each.health is not None and not each.health.well:
        return "unhealthy"
    return _STATES[each.breaker.state(now).value if each.breaker is not None else State.PASSING.value]


_STATES = {"passing": "available", "tripped": "tripped", "probing": "probing"}


def _reasons(each: Known, now: float) -> Iterator[str]:
    if each.health is not None and not each.health.well:
        yield each.health.why or "not well for long enough yet"
    if each.breaker is not None and each.breaker.state(now) is not State.PASSING:
        yield each.last_failure or "unknown"


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


class _GiveUp:
    """Ends an attempt's account. A closure would be four times as large, and every open stream has one."""

    __slots__ = ("_attempt", "_clock", "_endpoints", "_exchange")

    def __init__(self, endpoints: Endpoints, exchange: Exchange, attempt: Attempt, clock: Callable[[], float]) -> None:
        self._endpoints = endpoints
        self._exchange = exchange
        self._attempt = attempt
        self._clock = clock

    def __call__(self) -> None:
        self._endpoints._end(self._exchange, self._attempt, self._clock())
