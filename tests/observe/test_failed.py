"""The rings of failures."""

from support.exchanges import a_request, a_route, an_attempt, an_exchange

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CANCELLED, CLIENT_GONE, CONNECT_REFUSED, RATE_LIMITED, Failure, Kind
from gateway.exchange.outcome import Outcome
from gateway.observe.failed import KEPT, MOST_DETAIL_CHARACTERS, Failures
from gateway.observe.record import record_of


def one(kind: Kind, detail: str = "") -> Exchange:
    exchange = an_exchange(a_request("M" * 99, "/?key=sk-4711&" + "y&" * 999), a_route())
    exchange.attempts.append(an_attempt())
    exchange.failure, exchange.outcome = Failure(kind, detail), Outcome.FAILED
    exchange.finished_at = 101.5
    return exchange


def test_a_flood_of_one_side_hides_nothing_of_another() -> None:
    """Each side has a ring of its own; the newest come first."""
    failures = Failures()
    failures.put(record_of(one(CONNECT_REFUSED), 1.0))
    for number in range(5 * KEPT):
        failures.put(record_of(one(RATE_LIMITED), 2.0 + number))

    newest = failures.newest()
    assert len(newest) == KEPT + 1
    assert newest[0].time == 2.0 + 5 * KEPT - 1
    assert (newest[-1].failure, newest[-1].side, newest[-1].total_ms) == ("connect_refused", "upstream", 1500.0)


def test_who_left_and_what_was_cancelled_is_no_failure() -> None:
    """Neither is news about an upstream, and both come in thousands."""
    told = [kind for kind in (CLIENT_GONE, CANCELLED, RATE_LIMITED) if Failures().wants(one(kind))]
    assert told == [RATE_LIMITED]
    assert not Failures().wants(an_exchange())


def test_no_value_of_a_query_is_told_and_texts_are_bounded() -> None:
    """As in the log line."""
    failures = Failures()
    failures.put(record_of(one(CONNECT_REFUSED, "x" * 5000), 1.0))
    (told,) = failures.newest()
    assert told.target.startswith("/?key=***&") and (len(told.target), len(told.method)) == (200, 64)
    assert len(told.detail) == MOST_DETAIL_CHARACTERS
