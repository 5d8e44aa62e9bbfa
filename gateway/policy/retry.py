"""Try again, as long as the client has seen nothing: after which ends, for which requests, how often, how soon.

A request is sent twice only if the route allows it for its method, and if every octet of its body can be sent again.
What did not reach the upstream at all may always be sent again (RFC 9110 section 9.2.2 is about requests that did).
"""

import email.utils
import random
import re
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from gateway.config.model import Kind, Model
from gateway.config.problem import Unacceptable
from gateway.config.translate import closest
from gateway.config.units import Duration, Size
from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import (
    ANSWER_MALFORMED,
    ANSWER_UNFINISHED,
    BODY_CUT,
    BODY_INVALID,
    FIRST_BYTE_TIMEOUT,
    FIRST_FRAME_TIMEOUT,
    HEAD_MISSING,
    IDLE_TIMEOUT,
    IN_BAND_ERROR,
    KINDS,
    SEND_FAILED,
    SEND_TIMEOUT,
    Side,
)
from gateway.exchange.message import ReplyHead
from gateway.exchange.route import Retry, Route
from gateway.grammar.shares import ShareOrOff
from gateway.grammar.tokens import Method
from gateway.policy.fresh_connection import went_stale
from gateway.policy.hooks import Hooks, Verdict
from gateway.policy.retry_budget import Budget

ACTS_ON = tuple(
    f"retry.{name}"
    for name in (
        "attempts", "on", "methods", "buffer", "backoff", "backoff_max", "retry_after_max", "budget"
    )
)  # fmt: skip
"""The settings that decide what it does, as a route sees them."""

SAFE_TWICE = ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")
"""What may be sent twice without asking anybody (RFC 9110 section 9.2.2)."""
STALE = "reused"
UNSENT = frozenset(kind.code for kind in KINDS if kind.unsent)
BEHIND_THE_HEAD = frozenset(
    kind.code for kind in (IDLE_TIMEOUT, BODY_CUT, BODY_INVALID, ANSWER_UNFINISHED, ANSWER_MALFORMED, IN_BAND_ERROR)
)
"""What happens behind the upstream's head: it can be tried again only while that is held back (`stream.peek`)."""
PEEKED = "peek"
GROUPS = {
    "connect": UNSENT,
    STALE: frozenset[str](),
    "reset": frozenset({HEAD_MISSING.code, SEND_FAILED.code}),
    "timeout": frozenset({FIRST_BYTE_TIMEOUT.code, SEND_TIMEOUT.code}),
    PEEKED: BEHIND_THE_HEAD | {FIRST_FRAME_TIMEOUT.code},
}
"""Words for several failures. A stale connection is no failure of its own: it depends on where the attempt went."""
CODES = tuple(kind.code for kind in KINDS if kind.side is Side.UPSTREAM)
_NAMES = (*GROUPS, *CODES)
_EXPECTED = 'a status from 400 to 599, "connect", "reused", "reset", "timeout", "peek", or a failure\'s code'


def _condition(value: Any) -> str | int:
    if isinstance(value, int) and not isinstance(value, bool) and 400 <= value <= 599:
        return value
    if isinstance(value, str) and value in _NAMES:
        return value
    if isinstance(value, str) and re.fullmatch("[45][0-9][0-9]", value):
        raise Unacceptable(_EXPECTED, message=f"a status stands without quotes: {value}")
    raise Unacceptable(_EXPECTED, suggestion=closest(value, _NAMES) if isinstance(value, str) else None)


Condition = Annotated[
    str | int,
    BeforeValidator(_condition),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 400, "maximum": 599}, {"enum": list(_NAMES)}]}),
    Kind("status or failure"),
]


class RetrySettings(Model):
    """When an attempt that brought no good answer is followed by another one, before anything went to the client."""

    attempts: int | None = Field(default=None, ge=1, le=10, examples=[2])
    """Tries altogether, the first one included; 1 for no retry. Number from 1 to 10.
    Default: 2 where the upstream has several endpoints, else 1. Each further try takes another endpoint, if there is
    one."""
    on: tuple[Condition, ...] = Field(default=("connect",), examples=[["connect", 429, 503]])
    """What is tried again: statuses from 400 to 599, codes of failures, or "connect" (all that happen before anything
    is sent), "reused" (a kept connection that was closed before any octet of an answer), "reset" (any connection that
    was), "timeout" (`first_byte` or the sending took too long), "peek" (all that can go wrong while `stream.peek` holds
    the head back, errors told instead of an answer included, but for those that blame the request). Array.
    Default ["connect"]. A status also stands for an error that is told inside of an answer and would have had it."""
    methods: tuple[Method, ...] = Field(default=SAFE_TWICE, examples=[["GET", "POST"]])
    """Methods that may be sent twice. Array. Default: the idempotent ones. With others, such as POST, the upstream may
    do twice what was asked once. A request that was not sent at all is tried again whatever its method."""
    buffer: Size = Field(default=256 * 1024)
    """Octets of a request's body that are kept for the next try. Size. Default "256KiB". A larger body is sent once.
    Each exchange with a body may take so much memory until its answer begins."""
    backoff: Duration = 0.025
    """Wait before the second try; it doubles for each further one, and of it a random part is waited.
    Duration. Default "25ms"."""
    backoff_max: Duration = 1.0
    """Longest wait of that kind. Duration. Default "1s"."""
    retry_after_max: Duration = 10.0
    """Longest Retry-After of the upstream that is waited for. Duration. Default "10s".
    An answer that asks for more is not tried again: the client gets it as it is."""
    budget: ShareOrOff = 0.2
    """Retries and hedges, as a share of the exchanges with the upstream, now and in the last 10 seconds; 3 are always
    allowed, and those of "connect" are not counted. Percentage or "off". Default "20%". It holds for each worker.
    With "off" retries can keep an upstream down."""

    def compiled(self) -> dict[str, object]:
        """Return the fields of a `Route` that follow from these settings."""
        return {"retry": self.retry()}

    def retry(self) -> Retry:
        """Return what an exchange needs of these settings."""
        names = [each for each in self.on if isinstance(each, str)]
        return Retry(
            attempts=self.attempts,
            failures=frozenset[str]().union(*(GROUPS.get(name, {name}) for name in names if name != STALE)),
            stale=STALE in names,
            statuses=frozenset(each for each in self.on if isinstance(each, int)),
            methods=frozenset(self.methods),
            buffer_bytes=self.buffer,
            backoff=self.backoff,
            backoff_max=self.backoff_max,
            retry_after_max=self.retry_after_max,
            budget_share=self.budget,
        )


class Refusal(Enum):
    """Why an attempt that ended as `on` names is not followed by another."""

    ATTEMPTS = "attempts"
    METHOD = "method"
    BODY = "body"
    RETRY_AFTER = "retry_after"
    TOTAL = "total"
    BUDGET = "budget"


def tries(retry: Retry, endpoints: int) -> int:
    """Return how many tries an exchange has, at an upstream with so many endpoints."""
    return retry.attempts if retry.attempts is not None else min(2, endpoints)


def acts(retry: Retry, endpoints: int) -> bool:
    """Say whether anything is ever tried again at an upstream with so many endpoints."""
    return tries(retry, endpoints) > 1 and bool(retry.failures or retry.stale or retry.statuses)


def sends_twice(retry: Retry) -> bool:
    """Say whether anything is tried again that may have reached the upstream."""
    return bool(retry.statuses or retry.stale or retry.failures - UNSENT)


def unsent(attempt: Attempt) -> bool:
    """Say whether the upstream was spared the request of ``attempt``."""
    return attempt.failure is not None and attempt.failure.kind.unsent


def is_named(retry: Retry, attempt: Attempt) -> bool:
    """Say whether ``attempt`` ended in a way that is tried again."""
    failure = attempt.failure
    if failure is None:
        return attempt.status in retry.statuses
    if failure.told is not None:
        # An error that blames the request is tried again only where its status is named.
        asked = failure.kind.code in retry.failures and not failure.told.of_the_request
        return asked or failure.told.status in retry.statuses
    return failure.kind.code in retry.failures or (retry.stale and went_stale(attempt))


def retry_after_seconds(head: ReplyHead | None) -> float | None:
    """Return how long the upstream asks to wait (RFC 9110 section 10.2.3), None where it says nothing we understand.

    A date counts from the reply's own Date: two clocks need not agree.
    """
    value = head.first("retry-after") if head is not None else None
    if head is None or value is None:
        return None
    if value.isascii() and value.isdecimal():
        return float(value[:10])  # More digits than that only mean: longer than anybody waits.
    try:
        until = email.utils.parsedate_to_datetime(value)
        return max(0.0, (until - email.utils.parsedate_to_datetime(head.first("date") or "")).total_seconds())
    except (ValueError, TypeError):
        return None  # No date, or one with a zone and one without.


def backoff_seconds(retry: Retry, number: int, chance: float) -> float:
    """Return the wait before retry ``number`` (from 1); ``chance`` from 0 to 1 spreads what failed together."""
    return chance * min(retry.backoff_max, retry.backoff * 2.0 ** (number - 1))


def wait_or_refuse(retry: Retry, most: int, exchange: Exchange, attempt: Attempt, chance: float) -> float | Refusal:
    """Return how long to wait before the attempt that follows ``attempt``, which `is_named`, or why there is none."""
    made = sum(each.counted for each in exchange.attempts)
    if not unsent(attempt) and exchange.request.method not in retry.methods:
        return Refusal.METHOD
    if exchange.upload is not None and not exchange.upload.replayable:
        return Refusal.BODY
    if made >= most:
        return Refusal.ATTEMPTS
    asked = retry_after_seconds(attempt.head) or 0.0
    if asked > retry.retry_after_max:
        return Refusal.RETRY_AFTER
    wait = asked + backoff_seconds(retry, made, chance)
    total = exchange.route.timeouts.total if exchange.route is not None else None
    if total is not None:
        # The limit began with the wait for a turn, where there was one.
        began = min(each.started for each in exchange.attempts) - (exchange.queued_seconds or 0.0)
        if (attempt.ended or 0.0) + wait >= began + total:
            return Refusal.TOTAL
    return wait


def hooks(route: Route, budget: Budget | None = None, chance: Callable[[], float] = random.random) -> Hooks:
    """Judge attempts by the route's settings. ``budget`` is the upstream's; ``chance`` returns numbers from 0 to 1."""
    retry, most, spent = route.retry, tries(route.retry, len(route.upstream.endpoints)), budget or Budget()
    if not acts(retry, len(route.upstream.endpoints)):
        return Hooks()
    keeps = sends_twice(retry)

    def prepare(exchange: Exchange, attempt: Attempt) -> None:
        if len(exchange.attempts) > 1:
            return
        # Not before it has its turn: what waits in a queue, or is refused there, asks nothing of the upstream.
        spent.enter()
        exchange.at_finish(lambda: spent.leave(id(exchange), exchange.finished_at or 0.0))
        request = exchange.request
        if keeps and request.method in retry.methods and (request.body_length or 0) <= retry.buffer_bytes:
            exchange.replay_bytes = retry.buffer_bytes

    def judge(exchange: Exchange, attempt: Attempt) -> Verdict:
        now = attempt.ended or 0.0
        spent.ended(id(exchange), now)
        if not is_named(retry, attempt):
            return Verdict.TAKE
        verdict = wait_or_refuse(retry, most, exchange, attempt, chance())
        # What was not sent asks the upstream no more than once: the way past a dead endpoint needs no budget.
        affordable = (
            unsent(attempt) or isinstance(verdict, Refusal) or spent.begin(id(exchange), now, retry.budget_share)
        )
        if not affordable:
            verdict = Refusal.BUDGET
        if isinstance(verdict, Refusal):
            exchange.not_retried = verdict.value
            return Verdict.TAKE
        attempt.pause_seconds = verdict
        return Verdict.RETRY

    return Hooks(prepare=prepare, judge=judge)
