"""How exchanges end."""

import pytest

from gateway.exchange.failure import (
    BAD_REQUEST,
    BODY_CUT,
    CANCELLED,
    CLIENT_GONE,
    CLIENT_STALLED,
    CONNECT_REFUSED,
    DRAINED,
    IDLE_TIMEOUT,
    INTERNAL,
    NO_ROUTE,
    TOTAL_TIMEOUT,
    Failure,
    Kind,
)
from gateway.exchange.outcome import Outcome, judge


@pytest.mark.parametrize(
    ("kind", "committed", "local", "outcome"),
    [
        (None, True, False, Outcome.COMPLETE),
        (None, False, True, Outcome.LOCAL),
        (CLIENT_GONE, False, True, Outcome.CLIENT_GONE),
        (CLIENT_GONE, True, False, Outcome.CLIENT_GONE),
        (CLIENT_STALLED, True, False, Outcome.CLIENT_STALLED),
        (INTERNAL, False, True, Outcome.BROKEN),
        (INTERNAL, True, False, Outcome.BROKEN),
        (CONNECT_REFUSED, False, True, Outcome.FAILED),
        (BAD_REQUEST, False, True, Outcome.REJECTED),
        (NO_ROUTE, False, True, Outcome.REJECTED),
        (BODY_CUT, True, False, Outcome.TRUNCATED),
        (IDLE_TIMEOUT, True, False, Outcome.TIMED_OUT),
        (TOTAL_TIMEOUT, True, False, Outcome.TIMED_OUT),
        (DRAINED, True, False, Outcome.DRAINED),
        (CANCELLED, False, True, Outcome.CANCELLED),
        (CANCELLED, True, False, Outcome.CANCELLED),
    ],
)
def test_exchange_has_the_outcome_that_its_end_means(
    kind: Kind | None, committed: bool, local: bool, outcome: Outcome
) -> None:
    """Exactly one outcome, by what went wrong and whether the upstream's head was out."""
    assert judge(Failure(kind) if kind else None, committed=committed, local=local) is outcome
