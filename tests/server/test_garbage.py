"""When garbage is looked for: often in what is new, seldom in everything, and never in that while much is open."""

import gc
import weakref

import pytest

from gateway.server.garbage import AGAIN_SECONDS, FEW_CONNECTIONS, OVERDUE_SECONDS, YOUNG_COLLECTIONS, Garbage


class Noted:
    """A collector that notes what it is asked to do; ``young`` is how much came since it last looked."""

    def __init__(self) -> None:
        self.young = 0
        self.done: list[str] = []

    def get_count(self) -> tuple[int, int, int]:
        return 0, 0, self.young

    def collect(self) -> int:
        self.young = 0
        self.done.append("collect")
        return 0

    def freeze(self) -> None:
        self.done.append("freeze")

    def unfreeze(self) -> None:
        self.done.append("unfreeze")


class Worker:
    """A settled worker's garbage, with a clock to turn."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.collector = Noted()
        self.garbage = Garbage(self.collector, lambda: self.now)
        self.garbage.settle()
        self.collector.done.clear()

    def look(self, connections: int = 0, young: int = 0, after_seconds: float = 0.0) -> list[str]:
        """Return what one look does."""
        self.now += after_seconds
        self.collector.young = young
        self.garbage.look(connections)
        done, self.collector.done = self.collector.done, []
        return done


@pytest.mark.parametrize("connections", [0, FEW_CONNECTIONS + 1, 10_000])
def test_much_that_is_new_is_looked_through_and_put_aside(connections: int) -> None:
    """However many connections are open: what was there before is not looked at again."""
    assert Worker().look(connections, YOUNG_COLLECTIONS) == ["collect", "freeze"]


def test_little_that_is_new_waits() -> None:
    """Also for long, and with nothing open: there is nothing that was put aside."""
    worker = Worker()

    assert worker.look(0, YOUNG_COLLECTIONS - 1) == []
    assert worker.look(0, 0, after_seconds=2 * AGAIN_SECONDS) == []


def test_everything_is_looked_at_again_when_there_is_little_of_it() -> None:
    """Rings among what was put aside go then; not before it is time, not while much is open, and once."""
    worker = Worker()
    worker.look(5000, YOUNG_COLLECTIONS)

    assert worker.look(FEW_CONNECTIONS, 0, after_seconds=AGAIN_SECONDS - 1) == []
    assert worker.look(FEW_CONNECTIONS + 1, 0, after_seconds=AGAIN_SECONDS) == []
    assert worker.look(FEW_CONNECTIONS) == ["unfreeze", "collect", "freeze"]
    assert worker.look(0, 0, after_seconds=2 * AGAIN_SECONDS) == []


def test_everything_is_looked_at_once_a_day_however_much_is_open() -> None:
    """What a ring holds does not stay for ever where it never is quiet."""
    worker = Worker()
    worker.look(5000, YOUNG_COLLECTIONS)

    assert worker.look(5000, 0, after_seconds=OVERDUE_SECONDS - 1) == []
    assert worker.look(5000, 0, after_seconds=1) == ["unfreeze", "collect", "freeze"]
    assert worker.look(5000) == []


class Ring:
    """Something that refers to itself."""

    def __init__(self) -> None:
        self.itself = self


def test_ring_that_was_put_aside_goes_with_the_next_look_at_everything() -> None:
    """With Python's own collector, whose put-aside objects no other look would find."""
    garbage = Garbage()
    ring = Ring()
    seen = weakref.ref(ring)
    gc.freeze()
    try:
        del ring
        gc.collect()
        assert seen() is not None
        garbage.settle()
        assert seen() is None
    finally:
        gc.unfreeze()
