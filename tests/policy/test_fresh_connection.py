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
from gateway.exchange.target import parse_endpoint
from gateway.policy.fresh_connection import hooks
from gateway.policy.hooks import Verdict


def stale(kind: Kind | None = HEAD_MISSING, *, reused: bool = True, answered: bool = False) -> Attempt:
    failure = Failure(kind) if kind else None
    return Attempt(ENDPOINT, reused=reused, answered=answered, failure=failure)


def answered(status: int) -> Attempt:
    return Attempt(ENDPOINT, status=status, answered=True)


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


OTHER = parse_endpoint("http://127.0.0.1:9001")


@pytest.mark.parametrize(
    ("earlier", "method", "body_length", "fresh"),
    [
        ([], "POST", 5, False),
        ([answered(503)], "GET", 0, False),
        ([answered(503), answered(429)], "PUT", 0, False),
        ([answered(503)], "POST", 0, True),
        ([answered(503)], "PUT", 5, True),
        ([answered(503)], "PUT", None, True),
        ([stale()], "GET", 0, True),
        ([stale(), answered(503)], "GET", 0, True),
        ([stale(HEAD_MISSING, reused=False)], "GET", 0, True),
        ([Attempt(OTHER, failure=Failure(CONNECT_REFUSED))], "GET", 0, False),
        ([Attempt(OTHER, failure=Failure(HEAD_MISSING), reused=True)], "GET", 0, True),
    ],
)
def test_further_attempt_uses_a_kept_connection_only_where_that_can_do_no_harm(
    earlier: list[Attempt], method: str, body_length: int | None, fresh: bool
) -> None:
    """Its going stale must be one that is repaired, and nothing may speak against the endpoint's connections."""
    exchange, attempt = an_exchange(a_request(method, body_length=body_length)), Attempt(ENDPOINT)
    exchange.attempts += [*earlier, attempt]
    prepare = hooks(a_route()).prepare
    assert prepare is not None

    prepare(exchange, attempt)

    assert attempt.fresh is fresh
