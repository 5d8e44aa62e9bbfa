"""The race of an idle connection's close."""

import pytest
from support.exchanges import ENDPOINT, a_request, a_route, an_exchange

from gateway.exchange.attempt import Attempt
from gateway.exchange.failure import (
    BODY_CUT,
    CONNECT_REFUSED,
    FIRST_BYTE_TIMEOUT,
    HEAD_INVALID,
    HEAD_MISSING,
    SEND_FAILED,
    Failure,
    Kind,
)
from gateway.policy.fresh_connection import hooks
from gateway.policy.hooks import Verdict


def stale(kind: Kind | None = HEAD_MISSING, *, reused: bool = True, answered: bool = False) -> Attempt:
    failure = Failure(kind) if kind else None
    return Attempt(ENDPOINT, reused=reused, answered=answered, failure=failure)


def verdict(attempt: Attempt, *earlier: Attempt, method: str = "GET", body_length: int | None = 0) -> Verdict:
    exchange = an_exchange(a_request(method, body_length=body_length))
    exchange.attempts += [*earlier, attempt]
    judge = hooks(a_route()).judge
    assert judge is not None
    return judge(exchange, attempt)


@pytest.mark.parametrize("kind", [HEAD_MISSING, SEND_FAILED])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PROPFIND"])
def test_idempotent_request_on_a_stale_connection_is_tried_again(kind: Kind, method: str) -> None:
    """The client does not see that an idle connection was just closed (RFC 9112 section 9.3.1)."""
    assert verdict(stale(kind), method=method) is Verdict.RETRY


@pytest.mark.parametrize("method", ["POST", "PATCH", "LOCK", "get", "CUSTOM"])
def test_request_that_may_not_be_repeated_is_not(method: str) -> None:
    """A POST is never sent twice behind the user's back."""
    assert verdict(stale(), method=method) is Verdict.TAKE


@pytest.mark.parametrize("body_length", [1, None])
def test_request_with_a_body_is_not_tried_again(body_length: int | None) -> None:
    """What was read from the client is gone."""
    assert verdict(stale(), method="PUT", body_length=body_length) is Verdict.TAKE


@pytest.mark.parametrize(
    "attempt",
    [
        stale(None),
        stale(reused=False),
        stale(answered=True),
        *(stale(kind) for kind in (BODY_CUT, CONNECT_REFUSED, FIRST_BYTE_TIMEOUT, HEAD_INVALID)),
    ],
)
def test_any_other_end_is_the_upstreams_word(attempt: Attempt) -> None:
    """A fresh connection, an answer begun and every other failure are no race."""
    assert verdict(attempt) is Verdict.TAKE


def test_second_stale_connection_is_not_tried_again() -> None:
    """Once is a race, twice is an upstream that closes without an answer."""
    assert verdict(stale(), stale()) is Verdict.TAKE


def test_earlier_failure_of_another_sort_does_not_count() -> None:
    """An attempt that a configured retry repeated does not use up this one."""
    assert verdict(stale(), stale(CONNECT_REFUSED)) is Verdict.RETRY


def test_repaired_attempt_is_not_one_of_those_a_route_allows() -> None:
    """The race is nobody's failure, and costs none of the configured tries; every other end does."""
    repaired, taken = stale(), stale(answered=True)
    verdict(repaired)
    verdict(taken)

    assert (repaired.counted, taken.counted) == (False, True)
