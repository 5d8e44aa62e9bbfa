"""How far an exchange is: one word for each state of its fields."""

from collections.abc import Callable

import pytest
from support.exchanges import a_route, an_attempt, an_exchange

from gateway.exchange.credential import Credential, Injected
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CANCELLED, CLIENT_GONE, FIRST_BYTE_TIMEOUT, TOTAL_TIMEOUT, Failure
from gateway.exchange.phase import PHASES, phase


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
