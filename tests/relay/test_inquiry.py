"""Asking in an exchange's own time."""

import time

import gevent
import pytest
from support.exchanges import a_route, an_exchange

from gateway.exchange.failure import AUTH_UNAVAILABLE, CLIENT_GONE, Failure, FailureError, Interruption
from gateway.exchange.question import Question
from gateway.relay.inquiry import Inquiry
from gateway.relay.interrupts import Interrupts

LATE = Failure(AUTH_UNAVAILABLE, "too late")


def test_answer_may_be_a_further_question() -> None:
    """It is handed back, to be asked with a deadline of its own."""
    second = Question(1.0, LATE, lambda: None)
    inquiry = Inquiry(Interrupts(time.monotonic))

    assert inquiry.ask(an_exchange(route=a_route()), Question(1.0, LATE, lambda: second)) is second
    assert inquiry.ask(an_exchange(route=a_route()), second) is None


def test_answer_that_takes_too_long_is_the_question_s_own_failure() -> None:
    """The exchange is told what was late."""

    def ask() -> None:
        gevent.sleep(10)

    with pytest.raises(FailureError) as caught:
        Inquiry(Interrupts(time.monotonic)).ask(an_exchange(route=a_route()), Question(0.02, LATE, ask))
    assert caught.value.failure is LATE


def test_client_that_leaves_ends_the_question() -> None:
    """Its reason stays."""
    interrupts = Interrupts(time.monotonic)

    def ask() -> None:
        interrupts.interrupt(Failure(CLIENT_GONE))
        gevent.sleep(10)

    with pytest.raises(Interruption) as caught:
        Inquiry(interrupts).ask(an_exchange(route=a_route()), Question(5.0, LATE, ask))
    assert caught.value.failure.kind is CLIENT_GONE


def test_deadline_of_a_question_ends_with_a_no() -> None:
    """What is told of it afterwards may take longer."""
    interrupts = Interrupts(time.monotonic)

    def ask() -> None:
        raise FailureError(LATE)

    with pytest.raises(FailureError):
        Inquiry(interrupts).ask(an_exchange(route=a_route()), Question(0.02, LATE, ask))
    gevent.sleep(0.06)
    assert interrupts.failure is None
