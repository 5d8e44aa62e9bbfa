"""The record of one exchange."""

from support.exchanges import a_reply, an_exchange

from gateway.exchange.failure import BODY_CUT, CLIENT_GONE, Failure


def test_releases_come_back_once_and_last_first() -> None:
    """What was acquired last is given back first; nothing is given back twice."""
    exchange = an_exchange()
    order: list[int] = []
    exchange.at_finish(lambda: order.append(1))
    exchange.at_finish(lambda: order.append(2))

    for release in (*exchange.take_releases(), *exchange.take_releases()):
        release()

    assert order == [2, 1]


def test_first_failure_is_the_reason() -> None:
    """What follows from a failure does not hide it."""
    exchange = an_exchange()

    exchange.fail(Failure(BODY_CUT))
    exchange.fail(Failure(CLIENT_GONE))

    assert exchange.failure == Failure(BODY_CUT)


def test_status_is_known_once_the_head_went_out() -> None:
    """A reply that was never committed has no status downstream."""
    exchange = an_exchange()
    exchange.reply = a_reply(201)

    assert exchange.status is None
    exchange.committed_at = 101.0
    assert exchange.status == 201
