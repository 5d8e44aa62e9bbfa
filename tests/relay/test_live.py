"""The exchanges under way: all of them are known, and all of them can be ended."""

from support.exchanges import an_exchange

from gateway.exchange.failure import DRAINED, Failure
from gateway.relay.live import Live

DRAIN = Failure(DRAINED, "shutdown")


class Interruptible:
    """Stands for the interrupters of an exchange."""

    def __init__(self) -> None:
        self.heard: list[Failure] = []
        self.since: float | None = None

    def interrupt(self, failure: Failure) -> None:
        self.heard.append(failure)


def test_exchange_is_live_until_it_leaves() -> None:
    """Leaving twice is leaving once."""
    live = Live()
    leave, leave_other = (live.enter(an_exchange(), Interruptible()) for _ in range(2))
    assert len(live) == 2

    leave()
    leave()

    assert len(live) == 1
    leave_other()
    assert not live


def test_exchanges_with_the_same_values_are_different_exchanges() -> None:
    """A request id may be chosen by a client; it does not decide who is who."""
    live, one, other = Live(), Interruptible(), Interruptible()
    exchange, twin = an_exchange(), an_exchange()
    assert exchange == twin
    leave = live.enter(exchange, one)
    live.enter(twin, other)

    leave()
    live.interrupt_all(DRAIN)

    assert (one.heard, other.heard) == ([], [DRAIN])


def test_everybody_is_interrupted_with_the_same_reason_and_counted() -> None:
    """Who leaves because of it does not disturb the others' turn."""
    live = Live()
    leaves = []

    class Leaving(Interruptible):
        def interrupt(self, failure: Failure) -> None:
            super().interrupt(failure)
            leaves[0]()

    running = [Leaving(), Leaving(), Leaving()]
    leaves = [live.enter(an_exchange(), interrupts) for interrupts in running]

    assert live.interrupt_all(DRAIN) == 3

    assert [interrupts.heard for interrupts in running] == [[DRAIN]] * 3
    assert len(live) == 2


def test_representation_names_no_exchange() -> None:
    """It may be printed anywhere."""
    live = Live()
    live.enter(an_exchange(), Interruptible())
    live.draining = True

    assert repr(live) == "<Live 1 running, draining>"


def test_who_waits_for_its_upstream_is_told_with_since_when() -> None:
    """In the order in which they began; None for those whose upstream is not waited for."""
    live, waiting, other = Live(), Interruptible(), Interruptible()
    exchanges = [an_exchange(), an_exchange()]
    for exchange, interrupts in zip(exchanges, (waiting, other), strict=True):
        live.enter(exchange, interrupts)
    waiting.since = 12.5
    told = live.waits()
    assert [since for _, since in told] == [12.5, None]
    assert all(exchange is expected for (exchange, _), expected in zip(told, exchanges, strict=True))
