"""A request's body in a second attempt: what was kept first, then what still comes; or not at all."""

import tracemalloc
from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent.event import Event
from support.exchanges import an_attempt
from support.uploads import PATIENCE_SECONDS, ListedBody, Sent, route_with

from gateway.exchange.route import Timeouts


class ResumedBody(ListedBody):
    """A client's body that goes on where it was left, as the server's does."""

    def __init__(self, *items: bytes | BaseException | Event, length: int | None = None) -> None:
        super().__init__(length=length)
        self._left = list(items)

    def pieces(self) -> Iterator[bytes]:
        while self._left:
            item = self._left[0]
            if isinstance(item, Event):
                self.reading += 1
                try:
                    item.wait()
                finally:
                    self.reading -= 1
            del self._left[0]
            if isinstance(item, bytes):
                yield item


def again(sent: Sent, write: Callable[[bytes], None] | None = None) -> list[bytes | str]:
    """Stop the upload, begin another attempt and run it to its end; return what the second upstream got."""
    sent.upload.stop()
    sent.exchange.attempts.append(an_attempt())
    sent.events.clear()
    sent.run(write)
    return sent.events


def joined(events: list[bytes | str]) -> bytes:
    return b"".join(event for event in events if isinstance(event, bytes))


def test_kept_body_is_sent_again_from_its_beginning() -> None:
    """Every octet, in its order, and its end is told to the server only once."""
    sent = Sent(ResumedBody(b"one", b"two", length=6))
    sent.exchange.replay_bytes = 6
    sent.run()

    assert sent.upload.replayable
    assert again(sent) == [b"onetwo", "finish"]
    assert sent.exchange.received_bytes == 6


def test_body_that_still_comes_goes_on_in_the_next_attempt() -> None:
    """What was kept first, then what arrives: no octet is lost or doubled, wherever the first attempt was stopped."""
    more = Event()
    sent = Sent(ResumedBody(b"one", more, b"two", length=6))
    sent.exchange.replay_bytes = 6
    sent.start()
    gevent.sleep(0)
    assert sent.events == [b"one"]

    sent.upload.stop()
    more.set()

    assert again(sent) == [b"one", b"two", "done", "finish"]
    assert sent.exchange.received_bytes == 6


def test_piece_that_a_broken_upstream_did_not_take_is_not_lost() -> None:
    """It was kept before it was sent."""

    def write(piece: bytes) -> None:
        raise BrokenPipeError

    sent = Sent(ResumedBody(b"one", b"two"))
    sent.exchange.replay_bytes = 6
    sent.run(write)

    assert again(sent) == [b"one", b"two", "done", "finish"]


@pytest.mark.parametrize(("most", "replayable"), [(0, False), (5, False), (6, True), (7, True)])
def test_body_larger_than_what_may_be_kept_is_sent_once(most: int, replayable: bool) -> None:
    """All of it is let go: a part of a body is of no use."""
    sent = Sent(ResumedBody(b"one", b"two"))
    sent.exchange.replay_bytes = most
    assert sent.upload.replayable

    sent.run()

    assert sent.upload.replayable is replayable
    assert len(sent.upload._kept) == (6 if replayable else 0)


def test_nothing_taken_is_nothing_lost() -> None:
    """An attempt that never came to the body leaves it whole for the next, whatever its size."""
    sent = Sent(ResumedBody(b"one", b"two"))
    sent.upload.stop()

    assert sent.upload.replayable
    assert again(sent) == [b"one", b"two", "done", "finish"]


def test_settled_upload_keeps_nothing_and_goes_on() -> None:
    """Beside a running answer memory is not held for an attempt that will not be made, replayed octets included."""
    more, taking = Event(), Event()
    sent = Sent(ResumedBody(b"one", more, b"two"))
    sent.exchange.replay_bytes = 100
    sent.start()
    gevent.sleep(0)
    sent.upload.stop()
    sent.events.clear()

    def write(piece: bytes) -> None:
        taking.wait(PATIENCE_SECONDS)
        sent.events.append(piece)

    sent.start(write)
    gevent.sleep(0)
    sent.upload.settle()
    taking.set()
    more.set()
    pump = sent.upload._pump
    assert pump is not None
    pump.join(PATIENCE_SECONDS)

    assert joined(sent.events) == b"onetwo"
    assert not sent.upload.replayable
    assert sent.upload._kept == b""


def test_settled_upload_of_nothing_is_still_whole() -> None:
    """Nothing was taken, so nothing is missing."""
    sent = Sent(ResumedBody(b"one"))
    sent.upload.settle()

    assert sent.upload.replayable


def test_replay_does_not_hold_up_the_answer() -> None:
    """Also of a body that is all there: an upstream may answer before it takes it."""
    body, taking = ResumedBody(b"one"), Event()
    sent = Sent(body)
    sent.exchange.replay_bytes = 3
    sent.run()
    body._at_hand = True

    sent.start(lambda piece: sent.events.append(str(taking.wait(PATIENCE_SECONDS))))
    assert sent.events[-1] == "finish"
    taking.set()
    gevent.sleep(0.01)

    assert sent.events[-2:] == ["True", "finish"]


def test_large_replay_goes_up_in_pieces() -> None:
    """Each piece has its own limit of time; 256 KiB at once might not be taken within one."""
    sent = Sent(ResumedBody(b"x" * 100_000, b"y" * 100_000))
    sent.exchange.replay_bytes = 1 << 20
    sent.run()

    events = again(sent)

    assert [len(event) for event in events if isinstance(event, bytes)] == [65536, 65536, 65536, 3392]
    assert joined(events) == b"x" * 100_000 + b"y" * 100_000


def test_piece_that_comes_while_the_upload_is_stopped_is_kept() -> None:
    """It was decided already that all can be sent again: one piece more than the bound is better than one lost."""
    more = Event()
    sent = Sent(ResumedBody(b"one", more, b"two", b"three"))
    sent.exchange.replay_bytes = 3
    sent.start()
    gevent.sleep(0)
    assert sent.upload.replayable

    more.set()  # The upload wakes up before it is killed.
    sent.upload.stop()

    assert sent.exchange.received_bytes > 3
    assert joined(again(sent)) == b"onetwothree"


def test_replay_is_not_the_clients_turn() -> None:
    """A client that was waited for when the first attempt ended is not to blame while an upstream takes the replay."""
    more, taking = Event(), Event()
    route = route_with()
    object.__setattr__(route, "timeouts", Timeouts(min_rate=(10, 4.0)))
    sent = Sent(ResumedBody(b"one", more, b"two"), route)
    sent.exchange.replay_bytes = 100
    sent.start()
    gevent.sleep(0)
    sent.upload.stop()
    sent.exchange.attempts.append(an_attempt())
    sent.start(lambda piece: taking.wait(PATIENCE_SECONDS) and None)
    gevent.sleep(0)
    watch = sent.rates[-1]
    watch.begin(0.0)

    assert [watch.look(float(second)) for second in range(1, 9)] == [None] * 8
    taking.set()
    gevent.sleep(0.01)
    assert [failure for second in range(9, 13) if (failure := watch.look(float(second)))] != []
    sent.upload.stop()


def test_replay_takes_no_memory_of_its_own() -> None:
    """`retry.buffer` says what an exchange may take; a second copy for each attempt would be twice that."""
    sent = Sent(ResumedBody(b"x" * (8 << 20)))
    sent.exchange.replay_bytes = 8 << 20
    sent.run(lambda piece: None)
    sent.upload.stop()
    tracemalloc.start()
    try:
        sent.run(lambda piece: None)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert sent.upload.replayable
    assert peak_bytes < 1 << 20


def test_stop_that_was_interrupted_waits_when_it_is_asked_again() -> None:
    """The client's socket has one reader, also where a deadline strikes between two attempts."""
    waiting, may_end, ended = Event(), Event(), Event()

    class Slow(ResumedBody):
        def pieces(self) -> Iterator[bytes]:
            try:
                yield from super().pieces()
            finally:
                may_end.wait()
                ended.set()

    sent = Sent(Slow(b"one", waiting))
    sent.upload.start(lambda octets: None, lambda: None)
    gevent.sleep(0)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.005):
        sent.upload.stop()
    assert not ended.is_set()

    may_end.set()  # It ends when others have their turn, not before.
    sent.upload.stop()

    assert ended.is_set()
