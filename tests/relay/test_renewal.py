"""One fetch for all who wait, made again ahead of the end, and never by an exchange that may leave."""

import gevent
import pytest
from gevent.event import Event

from gateway.exchange.failure import CONNECT_REFUSED, CREDENTIALS_UNAVAILABLE, Failure, FailureError
from gateway.relay.renewal import Renewal

PATIENCE_SECONDS = 5.0


class Issuer:
    """A fetch whose answers are held until `release`, and a renewal under a clock of the test's own."""

    def __init__(self, timeout: float = PATIENCE_SECONDS, lifetime: float = 100.0) -> None:
        self.now = 0.0
        self.fetches = 0
        self.release = Event()
        self.failure: Exception | None = None
        self.reports: list[str] = []
        self.lifetime = lifetime
        self.renewal = Renewal(self._fetch, timeout, lambda: self.now, self.reports.append)

    def _fetch(self) -> tuple[str, float]:
        self.fetches += 1
        token = f"t{self.fetches}"
        self.release.wait()
        if self.failure is not None:
            raise self.failure
        return token, self.lifetime

    def ask(self, count: int = 1) -> "list[gevent.Greenlet[..., str | FailureError]]":
        asking = [gevent.spawn(self._get) for _ in range(count)]
        gevent.sleep(0)
        gevent.sleep(0)
        return asking

    def _get(self) -> str | FailureError:
        try:
            return self.renewal.get()
        except FailureError as error:
            return error

    def got(self) -> str | FailureError:
        (asked,) = self.ask()
        return asked.get(timeout=PATIENCE_SECONDS)


def test_all_who_wait_get_the_token_of_one_fetch() -> None:
    """However many they are; later ones do not wait at all."""
    issuer = Issuer()
    waiting = issuer.ask(100)
    assert issuer.fetches == 1
    issuer.release.set()
    assert {each.get(timeout=PATIENCE_SECONDS) for each in waiting} == {"t1"}
    assert (issuer.got(), issuer.fetches) == ("t1", 1)


def test_next_token_is_fetched_beside_those_who_use_the_old_one() -> None:
    """Nobody waits while there is a token that holds, and one fetch is enough."""
    issuer = Issuer()
    issuer.release.set()
    issuer.got()
    issuer.release.clear()
    issuer.now = 81.0
    assert [issuer.got() for _ in range(3)] == ["t1"] * 3
    assert issuer.fetches == 2
    issuer.release.set()
    gevent.sleep(0)
    assert (issuer.got(), issuer.fetches) == ("t2", 2)


def test_waiter_that_leaves_takes_nothing_from_the_others() -> None:
    """The fetch is nobody's own."""
    issuer = Issuer()
    first, second = issuer.ask(2)
    first.kill()
    issuer.release.set()
    assert second.get(timeout=PATIENCE_SECONDS) == "t1"
    assert issuer.fetches == 1


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (FailureError(Failure(CONNECT_REFUSED, "http://idp: no")), "connect_refused: http://idp: no"),
        (KeyError("sk-secret"), "the fetch of a token met a defect: KeyError"),
    ],
)
def test_failure_is_told_to_all_who_wait_and_not_repeated_by_each(failure: Exception, why: str) -> None:
    """The next fetch waits for its time; it is reported once, without what a defect may quote."""
    issuer = Issuer()
    issuer.failure = failure
    issuer.release.set()
    for asked in issuer.ask(3):
        error = asked.get(timeout=PATIENCE_SECONDS)
        assert isinstance(error, FailureError)
        assert error.failure == Failure(CREDENTIALS_UNAVAILABLE, why)
    with pytest.raises(FailureError):
        issuer.renewal.get()
    assert (issuer.fetches, issuer.reports) == (1, [why])
    issuer.now, issuer.failure = 1.1, None
    assert issuer.got() == "t2"


def test_silent_issuer_fails_within_the_timeout() -> None:
    """Whoever waits does so no longer than that."""
    issuer = Issuer(timeout=0.05)
    (asked,) = issuer.ask()
    assert "no token within 0.05 s" in str(asked.get(timeout=PATIENCE_SECONDS))


def test_old_token_is_used_while_the_issuer_is_down() -> None:
    """A failed renewal is reported, and costs no exchange."""
    issuer = Issuer()
    issuer.release.set()
    issuer.got()
    issuer.now, issuer.failure = 85.0, FailureError(Failure(CONNECT_REFUSED))
    assert issuer.got() == "t1"
    gevent.sleep(0)
    assert (issuer.got(), issuer.reports) == ("t1", ["connect_refused"])


def test_token_that_is_not_accepted_is_replaced() -> None:
    """The next one who asks waits for a new one."""
    issuer = Issuer()
    issuer.release.set()
    assert issuer.got() == "t1"
    assert issuer.renewal.reject("t1")
    assert issuer.got() == "t2"
    assert not issuer.renewal.reject("t2")
    assert "t2" not in repr(issuer.renewal)
