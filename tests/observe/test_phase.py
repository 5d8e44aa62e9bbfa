"""How far an exchange is, for each moment of its life."""

from collections.abc import Callable

import pytest
from support.exchanges import an_attempt, an_exchange

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import BODY_CUT, CLIENT_GONE, Failure
from gateway.observe.phase import PHASES, phase


def _attempt(exchange: Exchange, **fields: object) -> None:
    attempt = an_attempt()
    for name, value in fields.items():
        setattr(attempt, name, value)
    exchange.attempts.append(attempt)


def _relaying(exchange: Exchange) -> None:
    _attempt(exchange, sent_at=1.0, status=200, ended=2.0)
    exchange.head_at = exchange.committed_at = 2.0


def _early_and_waiting(exchange: Exchange) -> None:
    exchange.early, exchange.committed_at = True, 1.0


def _early_and_asked(exchange: Exchange) -> None:
    _attempt(exchange, sent_at=1.0)
    exchange.early, exchange.committed_at = True, 1.5


def _early_and_answered(exchange: Exchange) -> None:
    _relaying(exchange)
    exchange.early = True


def _read_on(exchange: Exchange) -> None:
    """Its client left before the head, which came later and went nowhere."""
    _attempt(exchange, sent_at=1.0, status=200, ended=2.0)
    exchange.head_at = 2.0


def _race_given_up(exchange: Exchange) -> None:
    _attempt(exchange, sent_at=1.0, ended=2.0, failure=Failure(CLIENT_GONE))


def _peek_given_up(exchange: Exchange) -> None:
    """Its head was there, and is taken back where nothing comes of it."""
    _attempt(exchange, sent_at=1.0, status=200)


def _answered_locally(exchange: Exchange) -> None:
    exchange.head_at = exchange.committed_at = 1.0


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        (lambda exchange: None, "waiting"),
        (_early_and_waiting, "waiting"),
        (lambda exchange: _attempt(exchange), "sending"),
        (lambda exchange: _attempt(exchange, sent_at=1.0), "awaiting"),
        (_early_and_asked, "awaiting"),
        (_read_on, "awaiting"),
        (_race_given_up, "awaiting"),
        (_peek_given_up, "peeking"),
        (lambda exchange: _attempt(exchange, status=503, ended=1.0), "retrying"),
        (lambda exchange: _attempt(exchange, failure=Failure(BODY_CUT), ended=1.0), "retrying"),
        (_relaying, "relaying"),
        (_early_and_answered, "relaying"),
        (_answered_locally, "relaying"),
    ],
)
def test_each_moment_has_its_phase(live: Callable[[Exchange], None], expected: str) -> None:
    """Also those in which an early head went out, or in which everything was let go because the client left."""
    exchange = an_exchange()
    live(exchange)
    assert phase(exchange) == expected
    assert expected in PHASES
