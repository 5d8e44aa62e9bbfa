"""Running exchanges as operators meet them, without anything that runs."""

from collections.abc import Callable

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import Failure
from support.exchanges import a_request, a_route, an_attempt, an_exchange


class Few:
    """Running exchanges, without anything that could be interrupted."""

    def __init__(self, *running: Exchange) -> None:
        self.running = running
        self.failures: list[Failure] = []

    def __len__(self) -> int:
        return len(self.running)

    def waits(self) -> list[tuple[Exchange, float | None]]:
        return [(exchange, None) for exchange in self.running]

    def interrupt_where(self, wanted: Callable[[Exchange], bool], failure: Failure) -> int:
        self.failures.append(failure)
        return sum(map(wanted, self.running))


def a_relay(started: float = 0.0) -> Exchange:
    """Return an exchange whose answer is on its way."""
    exchange = an_exchange(a_request(target="/x?key=sk-4711"), a_route())
    attempt = an_attempt()
    attempt.ended = started
    exchange.attempts.append(attempt)
    exchange.started = started
    exchange.head_at = exchange.committed_at = exchange.first_byte_at = started + 0.5
    exchange.relayed_bytes = 1000
    return exchange
