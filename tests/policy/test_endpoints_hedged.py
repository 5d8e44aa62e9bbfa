"""Two attempts of one exchange: where the second one goes, and what the account says of one that was overtaken."""

from dataclasses import replace

import pytest
from policy.test_endpoints import PAIR, A, B, C, World
from support.exchanges import an_exchange

from gateway.exchange.attempt import Attempt
from gateway.exchange.failure import CONNECT_REFUSED, SUPERSEDED, Failure
from gateway.exchange.route import Share


def test_another_endpoint_is_one_that_is_available_and_not_tried() -> None:
    """For an attempt beside the one under way there is no failing open, and no second try at the same place."""
    world = World(replace(PAIR, endpoints=(A, B, C), shares=(Share(), Share(), Share(priority=1))))
    exchange, attempt = world.begin()
    assert attempt.endpoint == A
    assert world.endpoints.another(exchange, world.now) == B
    for _ in range(2):
        failed, at_b = an_exchange(), Attempt(B, started=world.now)
        failed.attempts.append(at_b)
        prepare = world.endpoints.hooks(lambda: world.now).prepare
        assert prepare is not None
        prepare(failed, at_b)
        world.opened(failed, at_b, CONNECT_REFUSED)

    assert world.endpoints.another(exchange, world.now) == C
    exchange.attempts.append(Attempt(C))
    assert world.endpoints.another(exchange, world.now) is None


@pytest.mark.parametrize(("hedging", "samples"), [(False, 1), (True, 0)])
def test_attempt_that_was_overtaken_counts_as_slow_and_not_as_bad(hedging: bool, samples: int) -> None:
    """Without it only the fast ones would count; of a hedge that was let go nothing is known."""
    world = World(PAIR)
    _, attempt = world.begin()
    attempt.hedging = hedging
    world.now += 0.7
    attempt.failure = Failure(SUPERSEDED)
    give_up = attempt.give_up
    assert give_up is not None
    give_up()
    give_up()
    assert attempt.give_up is None

    assert (world.row(A)["in_flight"], world.row(A)["failures"]) == (0, 0)
    known = world.endpoints.first_bytes(A)
    assert known is not None
    assert len(known) == samples
    assert known.quantile(0.95) == (pytest.approx(0.7) if samples else None)
    assert world.endpoints.first_bytes(C) is None
