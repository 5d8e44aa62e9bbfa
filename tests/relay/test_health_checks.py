"""The greenlets that ask: one for each check, at its pace, within its timeout, until it is stopped."""

from collections.abc import Callable

import gevent
import pytest
from gevent.event import Event

from gateway.relay.health_checks import Check, HealthChecks, once


def checking(ask: Callable[[], str | None], told: list[str | None], interval: float = 0.01) -> Check:
    return Check(interval, 0.05, ask, told.append)


def wait_for(condition: Callable[[], object]) -> None:
    """Let greenlets run until ``condition`` holds; fail after two seconds."""
    with gevent.Timeout(2, AssertionError("waited in vain")):
        while not condition():
            gevent.sleep(0.005)


def test_check_is_made_again_and_again_until_it_is_stopped() -> None:
    """And what it found is told each time."""
    checks, told = HealthChecks(), list[str | None]()
    checks.adopt({"a": checking(lambda: "status 503", told)})
    wait_for(lambda: len(told) >= 3)
    checks.stop()
    gevent.sleep(0.05)
    count = len(told)
    gevent.sleep(0.05)

    assert set(told) == {"status 503"}
    assert (len(told), len(checks)) == (count, 0)


def test_check_that_stays_is_not_disturbed() -> None:
    """A reload ends what is not wanted any more and begins what is new; the rest goes on, in the middle of a wait."""
    checks, told, waiting, begun = HealthChecks(), list[str | None](), Event(), list[str]()

    def ask(name: str) -> Callable[[], str | None]:
        def wait() -> str | None:
            begun.append(name)
            waiting.wait()
            return name

        return wait

    slow = Check(0.001, 5.0, ask("stays"), told.append)
    checks.adopt({"stays": slow, "goes": Check(0.001, 5.0, ask("goes"), told.append)})
    wait_for(lambda: sorted(begun) == ["goes", "stays"])
    checks.adopt({"stays": checking(ask("another"), told), "comes": checking(lambda: None, told)})
    wait_for(lambda: None in told)
    waiting.set()
    wait_for(lambda: "stays" in told)
    checks.stop()

    assert "goes" not in told
    assert "another" not in begun


def test_check_that_takes_too_long_is_ended() -> None:
    """By an exception in its wait, as everything else that waits; the next one gets its turn."""
    ended: list[BaseException] = []

    def ask() -> str | None:
        try:
            Event().wait()
        except BaseException as error:
            ended.append(error)
            raise
        return None

    assert once(checking(ask, [])) == "no answer within 0.05 s"
    assert len(ended) == 1


def test_timeout_of_somebody_else_passes() -> None:
    """Only its own deadline is an answer."""

    def ask() -> str | None:
        raise gevent.Timeout(1)

    with pytest.raises(gevent.Timeout):
        once(checking(ask, []))


def test_defect_in_a_check_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    """It counts as a bad check, is logged, and the next one is made."""

    def ask() -> str | None:
        raise ZeroDivisionError

    checks, told = HealthChecks(), list[str | None]()
    checks.adopt({"a": checking(ask, told)})
    wait_for(lambda: len(told) >= 2)
    checks.stop()

    assert set(told) == {"the check itself failed: ZeroDivisionError"}
    assert "a health check met a defect" in caplog.text


def test_first_check_comes_at_a_moment_of_its_own() -> None:
    """Not all workers and endpoints at once: somewhere within the first interval."""
    checks, told = HealthChecks(), list[str | None]()
    checks.adopt({number: checking(lambda: None, told, interval=0.2) for number in range(40)})
    gevent.sleep(0.02)
    early = len(told)
    wait_for(lambda: len(told) >= 40)
    checks.stop()

    assert early < 20


def test_check_goes_on_where_its_result_was_not_taken(caplog: pytest.LogCaptureFixture) -> None:
    """A defect in who is told is logged; the endpoint must not stay as it was judged last for ever."""
    checks, told = HealthChecks(), list[str | None]()

    def tell(why: str | None) -> None:
        told.append(why)
        raise ZeroDivisionError

    checks.adopt({"a": Check(0.001, 0.05, lambda: None, tell)})
    wait_for(lambda: len(told) >= 2)
    checks.stop()

    assert "was not taken" in caplog.text
