"""What every courier does, whatever it brings and wherever."""

import logging
import time
from collections.abc import Callable, Iterator

import pytest
from support.waiting import until

from gateway.delivery.courier import Away, Courier, Wording

WORDING = Wording(logging.getLogger("test.courier"), "away", "back", "%d undelivered", "lost %d and %d")


class Postman(Courier[int]):
    """Brings numbers; ``trouble`` is what stands in the way, first of bringing, then of looking after."""

    first_pause_seconds = 0.01
    longest_pause_seconds = 0.02

    def __init__(self, trouble: list[Exception | None], upkeep: list[Exception | None] | None = None) -> None:
        self._trouble, self._upkeep = trouble, upkeep or []
        self.batches: list[list[int]] = []
        self.looked_after = 0
        super().__init__(WORDING, queue=100, batch=2, flush_seconds=0.01)

    put = Courier._take_in

    def _bring(self, batch: list[int]) -> int:
        error = self._trouble.pop(0) if self._trouble else None
        if error is not None:
            raise error
        self.batches.append(list(batch))
        self.last_refusal = "odd" if any(number % 2 for number in batch) else ""
        return sum(number % 2 for number in batch)

    def _look_after(self) -> None:
        error = self._upkeep.pop(0) if self._upkeep else None
        if error is not None:
            raise error
        self.looked_after += 1


@pytest.fixture
def start() -> Iterator[Callable[..., Postman]]:
    """Start couriers that end with the test."""
    made: list[Postman] = []

    def begin(*arguments: list[Exception | None]) -> Postman:
        made.append(Postman(*arguments))
        return made[-1]

    yield begin
    for each in made:
        each.close(0.0)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


def test_batch_that_met_trouble_is_brought_again_whole_and_first(
    start: Callable[..., Postman], caplog: pytest.LogCaptureFixture
) -> None:
    """One outage is told once, however many batches it met, and its end once too."""
    postman = start([Away("closed"), Away("closed", 0.001), None, Away("closed again"), None])
    for number in (0, 2, 4, 6):
        postman.put(number)
    until(lambda: postman.delivered == 4)
    until(lambda: postman.error is None)
    assert postman.batches == [[0, 2], [4, 6]]
    assert (postman.failures, postman.waiting, postman.refused) == (3, 0, 0)
    assert told(caplog) == ["away: closed", "back"]


def test_what_was_refused_is_counted_and_told_with_the_reason(
    start: Callable[..., Postman], caplog: pytest.LogCaptureFixture
) -> None:
    """And is not brought again."""
    postman = start([])
    postman.put(1)
    postman.put(2)
    until(lambda: postman.delivered == 1)
    until(lambda: told(caplog) == ["lost 0 and 1 (odd)"])
    assert (postman.refused, postman.batches) == (1, [[1, 2]])


def test_trouble_while_looking_after_things_is_an_outage_too(
    start: Callable[..., Postman], caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing needs to wait for it to be noticed."""
    postman = start([], [Away("no entry")])
    until(lambda: postman.looked_after)
    assert told(caplog) == ["away: no entry", "back"]


class Busy(Postman):
    """One whose queue fills up while the other side says that it is away."""

    first_pause_seconds = 0.2
    longest_pause_seconds = 0.2

    def _bring(self, batch: list[int]) -> int:
        if self._trouble:
            for number in (2, 4, 6):
                self.put(number)
        return super()._bring(batch)


def test_a_batch_that_becomes_full_meanwhile_does_not_shorten_the_pause() -> None:
    """Who asks to be left alone for a while is left alone, however much comes in."""
    busy = Busy([Away("later", 0.2), Away("still", 0.2)])
    began = time.monotonic()
    busy.put(0)
    until(lambda: busy.failures == 2)
    waited = time.monotonic() - began
    busy.close(0.0)
    assert waited >= 0.2


def test_end_without_anything_to_bring_says_nothing_of_the_other_side(
    start: Callable[..., Postman], caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody asked whether it is back: an outage that lasts until the end is not told as over."""
    postman = start([], [Away("closed")] * 1000)
    until(lambda: postman.error is not None)
    postman.close(1.0)
    assert told(caplog) == ["away: closed"]
