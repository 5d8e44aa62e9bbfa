"""A minimum rate, seen from samples of a counter."""

import pytest

from gateway.exchange.failure import RATE_TIMEOUT, Failure
from gateway.relay.rate_watch import RateWatch


class Watched:
    """A stream that is asked for 100 octets in 8 seconds, looked at every 2."""

    def __init__(self) -> None:
        self.octets = 5000
        self.theirs = True
        self.watch = RateWatch(RATE_TIMEOUT, (100, 8.0), lambda: self.octets, lambda: self.theirs)
        self.watch.begin(10.0)

    def play(self, *looks: tuple[int, bool]) -> Failure | None:
        """At each look so many octets more have come, and it is or is not its turn; return how it ended."""
        for more, theirs in looks:
            self.octets += more
            self.theirs = theirs
            failure = self.watch.look(self.watch.due)
            if failure is not None:
                return failure
        return None


@pytest.mark.parametrize(
    ("looks", "fails"),
    [
        ([(0, True)] * 3, False),
        ([(0, True)] * 4, True),
        ([(24, True)] * 4, True),
        ([(25, True)] * 40, False),
        ([(0, True)] * 3 + [(100, True)] + [(0, True)] * 3, False),
        ([(0, True)] * 3 + [(100, True)] + [(0, True)] * 4, True),
        ([(0, False)] * 40, False),  # the other side's pace
        ([(0, True), (0, False)] * 3, False),
        ([(0, True), (0, False)] * 4, True),
    ],
)
def test_window_with_too_little_in_it_is_a_failure(looks: list[tuple[int, bool]], fails: bool) -> None:
    """Time in which it is somebody else's turn does not count; enough octets begin a new window."""
    failure = Watched().play(*looks)
    assert (failure is not None) is fails


def test_failure_says_how_little_came() -> None:
    """Both numbers, so that a reader sees how far off it was."""
    assert Watched().play(*[(3, True)] * 4) == Failure(RATE_TIMEOUT, "12 octets in 8 s, 100 are asked for")


def test_look_before_its_time_changes_nothing() -> None:
    """The timer also fires for other deadlines."""
    watched = Watched()
    for _ in range(100):
        assert watched.watch.look(11.9) is None
    assert watched.watch.due == 12.0
