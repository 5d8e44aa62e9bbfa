"""The spine between admit and obtain: an exchange waits for its turns, or is refused."""

from collections.abc import Callable

import pytest
from support.exchanges import a_failure, a_reply, an_exchange
from test_lifecycle import Rig

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import QUEUE_TIMEOUT, RATE_LIMITED, Failure, Interruption
from gateway.exchange.message import Source
from gateway.exchange.outcome import Outcome
from gateway.policy.hooks import Hooks


class Waited:
    """A place in a queue, and the policy that gives it."""

    def __init__(self, seen: list[str], name: str) -> None:
        self.waiting, self.lost = True, None
        self.hooks = Hooks(queue=lambda exchange: seen.append(f"queue {name}") or self)

    def on_change(self, wake: Callable[[], object]) -> None:
        """Nobody changes it."""

    def late(self, now: float) -> Failure:
        return Failure(QUEUE_TIMEOUT, "late")


def test_exchange_waits_for_its_turns_before_an_endpoint_is_chosen() -> None:
    """One place after the other, in the order of the policies; who need not wait is not made to."""
    seen: list[str] = []
    first, second = Waited(seen, "first"), Waited(seen, "second")
    rig = Rig(first.hooks, Hooks(queue=lambda exchange: None), second.hooks)
    rig.seen = seen
    waits: list[object] = []

    def wait(exchange: Exchange, place: object) -> None:
        seen.append("wait")
        waits.append(place)

    rig.spine.answer(an_exchange(), rig.opening(a_reply()), wait=wait)

    assert seen[:7] == ["accept", "admit", "queue first", "wait", "queue second", "wait", "select"]
    assert waits == [first, second]


@pytest.mark.parametrize("error", [a_failure(QUEUE_TIMEOUT), Interruption(Failure(QUEUE_TIMEOUT))])
def test_exchange_that_gets_no_turn_is_refused(error: BaseException) -> None:
    """No endpoint is asked, and what the place had taken is given back at the end."""
    rig, exchange, released = Rig(), an_exchange(), []
    waited = Waited(rig.seen, "one")
    rig = Rig(waited.hooks)
    exchange.at_finish(lambda: released.append("slot"))

    def wait(exchange: Exchange, place: object) -> None:
        raise error

    answer = rig.spine.answer(exchange, rig.opening(), wait=wait)
    rig.spine.finish(exchange)

    assert answer.reply.head.status == 503
    assert (exchange.outcome, exchange.attempts, released) == (Outcome.REJECTED, [], ["slot"])


def test_where_nothing_can_wait_a_place_is_a_refusal() -> None:
    """A caller that hands in no way to wait is not held up for ever."""
    rig = Rig(Waited([], "one").hooks)
    assert rig.spine.answer(an_exchange(), rig.opening()).reply.head.status == 503


def test_local_answer_does_not_wait() -> None:
    """It needs no slot."""
    seen: list[str] = []
    rig = Rig(Waited(seen, "one").hooks, Hooks(admit=lambda exchange: a_reply(203, source=Source.LOCAL)))
    assert rig.spine.answer(an_exchange(), rig.opening()).reply.head.status == 203
    assert seen == []


def test_what_is_metered_was_admitted_and_does_not_wait_yet() -> None:
    """Between admit and queue; a refusal asks no endpoint, and what is answered at admit is not metered."""
    seen: list[str] = []
    waited = Waited(seen, "one")
    rig = Rig(Hooks(meter=lambda exchange: seen.append("meter")), waited.hooks)
    rig.seen = seen
    rig.spine.answer(an_exchange(), rig.opening(a_reply()), wait=lambda exchange, place: None)
    assert seen[:4] == ["accept", "admit", "meter", "queue one"]

    def refuse(exchange: Exchange) -> None:
        raise a_failure(RATE_LIMITED)

    rig, exchange = Rig(Hooks(meter=refuse), waited.hooks), an_exchange()
    assert rig.spine.answer(exchange, rig.opening()).reply.head.status == 429
    rig.spine.finish(exchange)
    assert (exchange.outcome, exchange.attempts) == (Outcome.REJECTED, [])

    local = Hooks(admit=lambda exchange: a_reply(203, source=Source.LOCAL), meter=refuse)
    assert Rig(local).spine.answer(an_exchange(), rig.opening()).reply.head.status == 203
