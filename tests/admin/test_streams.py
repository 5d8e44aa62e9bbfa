"""What operators see of running exchanges, and how one is ended."""

import pytest
from support.exchanges import a_request, a_route, an_attempt, an_exchange

from gateway.admin import streams
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CANCELLED, Failure
from gateway.exchange.identity import Identity


class Few:
    """Running exchanges, without anything that could be interrupted."""

    def __init__(self, *running: Exchange) -> None:
        self.running = running
        self.interrupted: list[tuple[str, Failure]] = []

    def __len__(self) -> int:
        return len(self.running)

    def exchanges(self) -> list[Exchange]:
        return list(self.running)

    def interrupt(self, exchange_id: str, failure: Failure) -> int:
        self.interrupted.append((exchange_id, failure))
        return sum(each.id == exchange_id for each in self.running)


def test_a_stream_is_told_without_what_could_be_secret() -> None:
    """Who, what, where and how far; values of the query are masked, as in the log."""
    exchange = an_exchange(a_request(target="/x?key=sk-4711"), a_route())
    exchange.identity = Identity("tenant-a", "key")
    exchange.attempts.append(an_attempt())
    told = streams.described(exchange, exchange.started + 2.5)

    assert told["age_seconds"] == 2.5
    assert (told["target"], told["principal"]) == ("/x?key=***", "tenant-a")
    assert told["id"] == exchange.id
    assert "4711" not in str(told)


def test_the_phase_says_how_far_a_stream_is() -> None:
    """Waiting, opening, relaying."""
    exchange = an_exchange()
    phases = [streams.phase(exchange)]
    exchange.attempts.append(an_attempt())
    phases.append(streams.phase(exchange))
    exchange.committed_at = 1.0
    phases.append(streams.phase(exchange))

    assert phases == ["waiting", "opening", "relaying"]


def test_the_list_is_bounded_and_says_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are listed; a page never grows with the load."""
    monkeypatch.setattr(streams, "MOST_LISTED", 2)
    exchanges = [an_exchange() for _ in range(3)]
    told = streams.listed(Few(*exchanges), exchanges[0].started)

    assert told["total"] == 3
    assert [each["id"] for each in told["streams"]] == [each.id for each in exchanges[:2]]  # type: ignore[attr-defined]


def test_cancelling_interrupts_with_a_reason_that_names_nobody() -> None:
    """The client may read the detail."""
    few = Few(an_exchange())

    assert streams.cancel(few, few.running[0].id) == 1
    assert streams.cancel(few, "other") == 0
    assert {failure for _, failure in few.interrupted} == {Failure(CANCELLED, "an operator ended it")}
