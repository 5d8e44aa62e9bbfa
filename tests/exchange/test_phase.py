"""How far an exchange is, or got: one word for each state of its fields."""

from collections.abc import Callable

import pytest
from support.exchanges import a_route, an_attempt, an_exchange

from gateway.exchange.credential import Credential, Injected
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import (
    BODY_CUT,
    CANCELLED,
    CLIENT_GONE,
    CLIENT_STALLED,
    FIRST_BYTE_TIMEOUT,
    TOTAL_TIMEOUT,
    UPLOAD_CUT,
    Failure,
)
from gateway.exchange.phase import PHASES, phase, phase_reached


def with_attempt(**fields: object) -> Callable[[Exchange], None]:
    """Return what gives an exchange an attempt with ``fields``."""

    def change(exchange: Exchange) -> None:
        attempt = an_attempt()
        for name, value in fields.items():
            setattr(attempt, name, value)
        exchange.attempts.append(attempt)

    return change


def having(*changes: Callable[[Exchange], None], **fields: object) -> Callable[[Exchange], None]:
    """Return what changes an exchange, then sets its ``fields``."""

    def change(exchange: Exchange) -> None:
        for each in changes:
            each(exchange)
        for name, value in fields.items():
            setattr(exchange, name, value)

    return change


ANSWERED = with_attempt(sent_at=1.0, status=200, ended=2.0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (having(route=None), "accept"),
        (having(), "admit"),
        (having(queued_at=1.0), "queue"),
        (having(queued_seconds=1.0), "admit"),
        (having(queued_at=1.0, early=True, committed_at=2.0), "queue"),
        (with_attempt(credential=Credential()), "credential"),
        (with_attempt(credential=Credential(), injected=Injected()), "send"),
        (with_attempt(connecting=True), "connect"),
        (with_attempt(), "send"),
        (with_attempt(sent_at=1.0), "await"),
        (having(with_attempt(sent_at=1.0), early=True, committed_at=2.0), "await"),
        (having(with_attempt(sent_at=1.0, status=200), head_at=2.0), "peek"),
        (having(with_attempt(status=200), head_at=2.0), "peek"),
        (having(with_attempt(ended=2.0, failure=Failure(FIRST_BYTE_TIMEOUT))), "retry"),
        (having(ANSWERED, early=True, committed_at=1.0), "retry"),
        (having(with_attempt(ended=1.0), with_attempt(sent_at=2.0)), "await"),
        (having(ANSWERED, head_at=2.0, committed_at=2.0), "relay"),
        (having(ANSWERED, head_at=2.0), "relay"),
        (having(ANSWERED, head_at=2.0, committed_at=1.0, early=True), "relay"),
        (having(head_at=2.0, committed_at=2.0), "relay"),
        (having(with_attempt(sent_at=1.0), failure=Failure(TOTAL_TIMEOUT), committed_at=2.0), "relay"),
        (having(ANSWERED, failure=Failure(CANCELLED), committed_at=2.0), "relay"),
        (having(ANSWERED, failure=Failure(CLIENT_GONE), committed_at=2.0), "drain"),
        (having(with_attempt(sent_at=1.0), failure=Failure(CLIENT_GONE)), "drain"),
    ],
)
def test_the_phase_says_how_far_an_exchange_is(change: Callable[[Exchange], None], expected: str) -> None:
    """Each state has one word, and the words are those that filters know."""
    exchange = an_exchange(route=a_route())
    change(exchange)

    assert phase(exchange) == expected
    assert expected in PHASES


GONE = Failure(CLIENT_GONE)
READ_ON = having(ANSWERED, head_at=2.0)
"""Its client left before the head, which came later and went nowhere."""


@pytest.mark.parametrize("failure", [None, GONE, Failure(CLIENT_STALLED), Failure(TOTAL_TIMEOUT)], ids=str)
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (having(route=None), "accept"),
        (having(), "admit"),
        (having(early=True, committed_at=1.0), "admit"),
        (having(queued_at=1.0), "queue"),
        (having(queued_seconds=1.0), "queue"),
        (having(queued_seconds=1.0, early=True, committed_at=1.5), "queue"),
        (having(with_attempt(), queued_seconds=1.0), "send"),
        (with_attempt(credential=Credential()), "credential"),
        (with_attempt(connecting=True), "connect"),
        (with_attempt(), "send"),
        (with_attempt(sent_at=1.0), "await"),
        (having(with_attempt(sent_at=1.0), early=True, committed_at=1.5), "await"),
        (READ_ON, "await"),
        (with_attempt(sent_at=1.0, ended=2.0, failure=GONE), "await"),
        (with_attempt(connecting=True, ended=2.0, failure=GONE), "connect"),
        (with_attempt(sent_at=1.0, status=200, ended=2.0, failure=GONE), "peek"),
        (with_attempt(sent_at=1.0, status=200), "peek"),
        (having(with_attempt(sent_at=1.0, status=200), head_at=2.0, early=True, committed_at=1.0), "peek"),
        (having(with_attempt(ended=2.0, failure=Failure(UPLOAD_CUT)), head_at=2.0, committed_at=2.0), "send"),
        (with_attempt(status=503, ended=1.0), "retry"),
        (with_attempt(failure=Failure(BODY_CUT), ended=1.0), "retry"),
        (having(ANSWERED, head_at=2.0, committed_at=2.0), "relay"),
        (having(ANSWERED, head_at=2.0, committed_at=1.0, early=True), "relay"),
        (having(ANSWERED, head_at=2.0, committed_at=2.0, queued_seconds=1.0), "relay"),
        (having(head_at=1.0, committed_at=1.0), "relay"),
    ],
)
def test_what_an_exchange_reached_is_told_whatever_its_failure(
    change: Callable[[Exchange], None], expected: str, failure: Failure | None
) -> None:
    """Also where everything was let go because the client left; the failure alone changes nothing."""
    exchange = an_exchange(route=a_route())
    change(exchange)
    exchange.failure = failure

    assert phase_reached(exchange) == expected
    assert expected in PHASES
