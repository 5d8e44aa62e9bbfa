"""What a window of first bytes says, and when."""

import random

import pytest

from gateway.policy.first_byte_window import MOST_SAMPLES, SAMPLES, Look, Window


def filled(times: list[float], *, allowed: int = 20, pace_seconds: float = 0.05) -> tuple[Window, float]:
    """Return a window with exchanges that began one after the other, and when the last one got its first byte."""
    window = Window(0.0, allowed)
    ends = sorted((number * pace_seconds + seconds, number * pace_seconds) for number, seconds in enumerate(times))
    for end, began in ends:
        window.add(began, end - began, 1)
    return window, ends[-1][0]


def looked(window: Window, now: float) -> Look:
    look = window.look(now)
    assert look is not None
    return look


def test_it_says_nothing_before_there_is_enough() -> None:
    """Of those that began early enough; where many may run at once, half as many."""
    few, now = filled([0.1] * (SAMPLES - 1))
    assert few.look(now + 10) is None
    enough, now = filled([0.1] * SAMPLES)
    assert enough.look(now) is None, "the last ones began too lately"
    assert looked(enough, now + 0.25) == (pytest.approx(0.1), pytest.approx(0.0), False)
    many, now = filled([0.1] * 60, allowed=200)
    assert many.look(now + 10) is None
    assert Window(None, 10).look(0.0) is None


def test_quick_ones_that_are_there_first_do_not_count_for_more() -> None:
    """A short window says the same as a long one, although the slow are still missing in it."""
    dice = random.Random(1)
    window, middles = Window(0.0, 20), []
    running = sorted((dice.lognormvariate(0, 0.5), 0.0) for _ in range(20))
    while len(window) < 4000:
        end, began = running.pop(0)
        if window.add(began, end - began, 20) and (look := window.look(end)) is not None:
            middles.append(look.seconds)
            window = Window(end, 20)
            if len(middles) == 60:
                break
        running = sorted([*running, (end + dice.lognormvariate(0, 0.5), end)])
    assert sum(middles) / len(middles) == pytest.approx(1.0, rel=0.07)


def test_those_that_began_before_do_not_count() -> None:
    """They ran under another limit."""
    window = Window(5.0, 20)
    assert [window.add(4.9, 1.0, 50) for _ in range(100)] == [False] * 100
    assert (len(window), window.most_running) == (0, 0)


def test_window_begins_with_its_first_exchange_where_nobody_says() -> None:
    """A gateway that has just started has no time before."""
    window = Window(None, 20)
    window.add(7.0, 0.1, 1)
    window.add(6.0, 0.1, 1)
    assert len(window) == 1


def test_error_tells_how_far_the_middle_may_be_off() -> None:
    """It falls with the root of the number, and is that of the middle of such windows."""
    dice = random.Random(1)
    middles, errors = [], []
    for _ in range(200):
        window, now = filled([dice.lognormvariate(0, 0.3) for _ in range(80)])
        look = looked(window, now + 10)
        middles.append(look.seconds)
        errors.append(look.error)
    off = (sum((middle - 1) ** 2 for middle in middles) / len(middles)) ** 0.5
    assert sum(errors) / len(errors) == pytest.approx(off, rel=0.25)


def test_time_for_a_look_comes_now_and_then_and_the_last_one_is_told() -> None:
    """A look sorts: not after each first byte."""
    window = Window(0.0, 20)
    due = [number for number in range(1, 5 * SAMPLES + 1) if window.add(0.0, 0.1, number)]
    assert due == list(range(SAMPLES, 5 * SAMPLES + 1, SAMPLES // 4))
    assert looked(window, 10.0).last
    assert window.most_running == 5 * SAMPLES


def test_refusals_count_as_samples_but_not_as_times() -> None:
    """They are quick, and say nothing of what an answer takes."""
    window, now = filled([0.1] * 15)
    for _ in range(5):
        window.add(0.0, None, 1)
    assert (window.refused, len(window)) == (5, 20)
    assert looked(window, now + 10).seconds == pytest.approx(0.1)


def test_most_samples_are_enough_for_any_number_at_once() -> None:
    """A window does not take for ever where thousands run."""
    window, now = filled([0.1] * MOST_SAMPLES, allowed=100_000)
    assert looked(window, now + 10).error == pytest.approx(0.0, abs=1e-9)
