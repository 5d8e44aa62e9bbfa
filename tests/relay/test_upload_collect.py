"""A body that is read whole before any of it is sent."""

import gevent
import pytest
from gevent.event import Event
from support.pieces import three_pieces
from support.uploads import PATIENCE_SECONDS, ListedBody, Sent

from gateway.exchange.failure import UPLOAD_CUT, Failure, FailureError


class OnceBody(ListedBody):
    """A client's body that goes on where it was left, as the server's does."""

    def pieces(self):  # type: ignore[no-untyped-def]
        items, self._items = self._items, ()
        for item in items:
            if isinstance(item, Event):
                item.wait()
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item


def test_body_is_collected_and_then_sent_as_any_other() -> None:
    """It is told to the server as read once, and every attempt sends all of it."""
    sent = Sent(OnceBody(b"one", b"two"))
    assert sent.upload.collect(6) == b"onetwo"
    assert sent.upload.collect(6) == b"onetwo"
    assert sent.events == ["done"]
    for _ in range(2):
        sent.events.clear()
        sent.run()
        assert sent.events == [b"onetwo", "finish"]
        sent.upload.stop()
    assert sent.exchange.received_bytes == 6


def test_a_piece_is_not_held_while_the_next_is_waited_for() -> None:
    """It was copied; of bulk, a few octets may hold half a megabyte."""
    held: list[object] = []

    class Pieces(ListedBody):
        def pieces(self):  # type: ignore[no-untyped-def]
            return three_pieces(10, held)

    assert Sent(Pieces()).upload.collect(30) == bytes(30)
    assert held == [None] * 3


@pytest.mark.parametrize(("length", "most"), [(6, 5), (None, 5), (None, 2)])
def test_body_that_is_too_large_is_not_kept(length: int | None, most: int) -> None:
    """Announced or not, and whatever a retry may keep; its end is not waited for."""
    for replay in (0, 100):
        sent = Sent(OnceBody(b"one", b"two", AssertionError("it was read on"), length=length))
        sent.exchange.replay_bytes = replay
        assert sent.upload.collect(most) is None
        assert sent.events == []


def test_body_that_does_not_come_whole_is_the_clients_failure() -> None:
    """It is raised to whoever collects, not thrown."""
    sent = Sent(OnceBody(b"one", FailureError(Failure(UPLOAD_CUT))))
    with pytest.raises(FailureError, match="upload_cut"):
        sent.upload.collect(10)


def test_collecting_waits_for_what_still_comes() -> None:
    """As long as the client takes, within its limits."""
    more = Event()
    sent = Sent(OnceBody(b"one", more, b"two"))
    collecting = gevent.spawn(sent.upload.collect, 10)
    gevent.sleep(0)
    assert not collecting.ready()
    more.set()
    assert collecting.get(timeout=PATIENCE_SECONDS) == b"onetwo"
