"""The exchanges that are under way in this worker, and whether new ones may begin."""

from collections.abc import Callable

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import Failure
from gateway.relay.interrupts import Interrupts


class Live:
    """Every running exchange with its interrupters; bounded by the connections the server accepts."""

    def __init__(self) -> None:
        self._running: dict[int, tuple[Exchange, Interrupts]] = {}
        self.draining = False
        """Whether shutdown has begun: new exchanges are refused and connections told to close."""

    def __len__(self) -> int:
        return len(self._running)

    def __repr__(self) -> str:
        return f"<Live {len(self)} running{', draining' if self.draining else ''}>"

    def enter(self, exchange: Exchange, interrupts: Interrupts) -> Callable[[], None]:
        """Add an exchange; the callable that is returned takes it out again."""
        key = id(exchange)
        self._running[key] = (exchange, interrupts)
        return _Leave(self._running, key)

    def exchanges(self) -> list[Exchange]:
        """Return the running exchanges, in the order in which they began."""
        return [exchange for exchange, _ in self._running.values()]

    def waits(self) -> list[tuple[Exchange, float | None]]:
        """Return the running exchanges, each with since when its upstream is waited for; None where it is not."""
        return [(exchange, interrupts.since) for exchange, interrupts in self._running.values()]

    def interrupt_where(self, wanted: Callable[[Exchange], bool], failure: Failure) -> int:
        """End the exchanges that ``wanted`` says for ``failure``; return how many there were."""
        found = [interrupts for exchange, interrupts in self._running.values() if wanted(exchange)]
        for interrupts in found:
            interrupts.interrupt(failure)
        return len(found)

    def interrupt(self, exchange_id: str, failure: Failure) -> int:
        """End the exchanges with this id (a trusted peer may give one to several); return how many there were."""
        found = [interrupts for exchange, interrupts in self._running.values() if exchange.id == exchange_id]
        for interrupts in found:
            interrupts.interrupt(failure)
        return len(found)

    def interrupt_all(self, failure: Failure) -> int:
        """End every running exchange for ``failure``; return how many there were."""
        running = list(self._running.values())
        for _, interrupts in running:
            interrupts.interrupt(failure)
        return len(running)


class _Leave:
    """Takes an exchange out again. A closure would be five times as large, and every open stream has one."""

    __slots__ = ("_key", "_running")

    def __init__(self, running: dict[int, tuple[Exchange, Interrupts]], key: int) -> None:
        self._running = running
        self._key = key

    def __call__(self) -> None:
        self._running.pop(self._key, None)
