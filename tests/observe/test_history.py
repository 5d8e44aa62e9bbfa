"""What happened of late: points, minutes and quantiles, told only by what is handed in."""

import pytest
from support.exchanges import a_reply, a_request, a_route, an_exchange

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import (
    CANCELLED,
    CLIENT_GONE,
    CONNECT_REFUSED,
    NO_ROUTE,
    OVERLOADED,
    RATE_LIMITED,
    Failure,
    Kind,
)
from gateway.observe.history import KEPT_POINTS, History, bucket_of, quantile_ms, went_wrong


def an_answer(first_byte_at: float | None = None, kind: Kind | None = None) -> Exchange:
    exchange = an_exchange(a_request(), a_route())
    exchange.reply = a_reply()
    exchange.first_byte_at = first_byte_at
    exchange.failure = None if kind is None else Failure(kind)
    return exchange


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (None, False),
        (CLIENT_GONE, False),
        (RATE_LIMITED, False),
        (CANCELLED, False),
        (NO_ROUTE, False),
        (CONNECT_REFUSED, True),
        (OVERLOADED, True),
    ],
)
def test_what_went_wrong_was_not_the_clients_nor_an_operators(kind: Kind | None, expected: bool) -> None:
    """Only what the gateway or an upstream did counts against a route."""
    assert went_wrong(an_answer(kind=kind)) is expected


def test_the_window_of_routes_is_as_long_as_what_is_counted() -> None:
    """Whoever divides by it gets the rate: ten a second are told as ten, whenever somebody looks, also soon."""
    for looks_at in (130.0, 420.0, 659.0):
        history = History(100.0)
        for second in range(100, int(looks_at)):
            for _ in range(10):
                history.finish(an_answer(), second + 0.5)
        ((_, tally),) = history.routes(looks_at)
        assert tally.ended / history.window_seconds(looks_at) == 10


def test_a_first_byte_counts_once_whether_its_stream_ends_before_or_after_the_look() -> None:
    """Long streams tell theirs while they run, short ones at their end."""
    history = History(100.0)
    long, short = an_answer(100.5), an_answer(103.4)
    history.look([long], 0, 101.0)
    history.look([long], 0, 102.0)
    history.look([long], 0, 103.0)
    history.finish(long, 103.2)
    history.finish(short, 103.5)
    history.look([], 0, 104.0)

    ((_, tally),) = history.routes(104.0)
    assert (tally.ended, sum(tally.first_bytes.values())) == (2, 2)
    (point,) = history.points(104.0)
    assert point.tally.first_bytes == tally.first_bytes


def test_our_own_words_have_no_first_byte() -> None:
    """An error reply of the gateway's tells nothing about an upstream."""
    history, exchange = History(100.0), an_answer(100.5)
    exchange.reply = None
    history.finish(exchange, 101.0)
    assert dict(history.routes(101.0))["demo"].first_bytes == {}


def test_points_tell_octets_as_they_grow_and_what_is_open() -> None:
    """The first look only begins; a sum that went down because series were dropped counts nothing."""
    history = History(100.0)
    for now, octets in ((100.0, 5000), (101.0, 5600), (102.0, 100), (111.0, 300)):
        history.look([an_answer()] * 3, octets, now)
    history.look([], 300, 121.0)
    history.look([], 300, 131.0)

    assert [(point.slot, point.octets, point.open) for point in history.points(131.0)] == [
        (10, 600, 3),
        (11, 200, 3),
        (12, 0, 0),
    ]


def test_nothing_is_kept_of_silence_and_an_hour_of_noise() -> None:
    """An idle worker keeps no points at all; a busy one 360, and six minutes of routes."""
    idle, busy = History(0.0), History(0.0)
    for second in range(0, 10_000, 10):
        idle.look([], 0, second)
        busy.finish(an_answer(kind=CONNECT_REFUSED), second)

    assert idle.points(10_000.0) == [] and not dict(idle.routes(10_000.0))
    assert len(busy.points(9_999.0)) == KEPT_POINTS
    assert busy.points(9_999.0 + 3620) == []
    assert 30 <= dict(busy.routes(9_999.0))["demo"].failed <= 36
    assert not dict(busy.routes(9_999.0 + 600))


@pytest.mark.parametrize("milliseconds", [1.5, 7, 80, 81.7, 340, 1000, 31_000, 600_000])
def test_times_are_told_to_within_an_eighth(milliseconds: float) -> None:
    """Buckets grow by a quarter each, and their middle is told."""
    told = quantile_ms({bucket_of(milliseconds / 1000): 7}, 0.95)
    assert told == pytest.approx(milliseconds, rel=0.125)


def test_quantiles_rank_all_times() -> None:
    """p50 is in the middle, p95 sees what one of twenty saw, and of nothing there is none."""
    buckets = {bucket_of(0.1): 95, bucket_of(10.0): 5}
    assert quantile_ms(buckets, 0.5) == quantile_ms(buckets, 0.95) == pytest.approx(100, rel=0.125)
    assert quantile_ms(buckets, 0.96) == pytest.approx(10_000, rel=0.125)
    assert quantile_ms({}, 0.5) is None
    assert (bucket_of(0.0), bucket_of(1e9)) == (0, 70)
