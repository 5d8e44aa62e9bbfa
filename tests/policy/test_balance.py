"""The choosers: who gets the next exchange, by turns, by load, and by a key."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exchanges import a_request

from gateway.config.problem import Unacceptable
from gateway.exchange.target import parse_endpoint
from gateway.policy import balance
from gateway.policy.balance import Candidate, by_hash, key_of, least_outstanding, round_robin, share


def candidates(*weights: int) -> list[Candidate]:
    """Return one candidate for each weight."""
    return [Candidate(parse_endpoint(f"http://up-{n}:80"), weight) for n, weight in enumerate(weights)]


def turns(of: list[Candidate], count: int) -> str:
    """Return the numbers of those that are taken, one after the other."""
    return "".join(str(of.index(round_robin(of, 0.0, 0.0))) for _ in range(count))


@pytest.mark.parametrize(
    ("weights", "expected"),
    [((1,), "000"), ((1, 1), "010101"), ((3, 1), "00100010"), ((1, 1, 1), "012012"), ((5, 1, 1), "0010200")],
)
def test_turns_are_taken_smoothly_by_weight(weights: tuple[int, ...], expected: str) -> None:
    """The heavier one is not asked many times in a row while another one could be."""
    assert turns(candidates(*weights), len(expected)) == expected


def test_a_candidate_that_was_away_does_not_make_up_for_it() -> None:
    """Turns are taken among those that are there; who comes back gets its share from then on, not a burst."""
    one, two = of = candidates(1, 1)
    for _ in range(100):
        assert round_robin([one], 0.0, 0.0) is one

    assert turns(of, 10) in ("0101010101", "1010101010")
    assert two.credit <= 1


@pytest.mark.parametrize(
    ("started_at", "now", "seconds", "expected"),
    [
        (None, 100.0, 30.0, 4.0),
        (100.0, 100.0, 0.0, 4.0),
        (100.0, 100.0, 30.0, 0.4),
        (100.0, 115.0, 30.0, 2.0),
        (100.0, 130.0, 30.0, 4.0),
        (100.0, 999.0, 30.0, 4.0),
    ],
)
def test_a_slow_start_grows_from_a_tenth_to_the_whole(
    started_at: float | None, now: float, seconds: float, expected: float
) -> None:
    """In a straight line, and not at all where there is none."""
    candidate = Candidate(parse_endpoint("http://up:80"), weight=4, started_at=started_at)

    assert share(candidate, now, seconds) == pytest.approx(expected)


def test_an_endpoint_that_starts_slowly_gets_less_in_turns() -> None:
    """Ten seconds into a slow start of a hundred it is asked once for ten of the other's."""
    of = candidates(1, 1)
    of[1].started_at = 90.0

    taken = Counter(of.index(round_robin(of, 100.0, 100.0)) for _ in range(110))

    assert taken == {0: 100, 1: 10}


@pytest.mark.parametrize(
    ("weights", "in_flight", "expected"),
    [
        ((1, 1), (0, 1), 0),
        ((1, 1), (5, 4), 1),
        ((3, 1), (2, 1), 0),
        ((3, 1), (1, 0), 0),
        ((3, 1), (6, 1), 1),
        ((1, 1, 1), (9, 9, 0), 2),
    ],
)
def test_the_least_loaded_for_its_weight_is_taken(
    weights: tuple[int, ...], in_flight: tuple[int, ...], expected: int
) -> None:
    """What is under way counts, the exchange to come included."""
    of = candidates(*weights)
    for each, count in zip(of, in_flight, strict=True):
        each.in_flight = count

    assert of.index(least_outstanding(of, 0.0, 0.0)) == expected


def test_equally_loaded_ones_take_turns() -> None:
    """An idle gateway does not send everything to the first endpoint of the list."""
    of = candidates(1, 1, 1)

    assert [of.index(least_outstanding(of, 0.0, 0.0)) for _ in range(6)] == [0, 1, 2, 0, 1, 2]


@given(keys=st.lists(st.text(max_size=20), min_size=1, max_size=50, unique=True), gone=st.integers(0, 4))
def test_only_the_keys_of_an_endpoint_that_goes_move(keys: list[str], gone: int) -> None:
    """Every other key stays where it was, and all come back with the endpoint."""
    of = candidates(1, 2, 1, 3, 1)
    rest = [each for each in of if each is not of[gone]]

    for key in keys:
        before, after = by_hash(of, 0.0, 0.0, key), by_hash(rest, 0.0, 0.0, key)
        assert after is before or before is of[gone]


def test_keys_spread_by_weight() -> None:
    """Of ten thousand keys each endpoint has its share, within a few of a hundred."""
    of = candidates(1, 3, 6)

    found = Counter(of.index(by_hash(of, 0.0, 0.0, f"user-{n}")) for n in range(10_000))

    assert [found[n] / 1000 for n in range(3)] == pytest.approx([1, 3, 6], rel=0.1)


def test_a_request_without_the_key_takes_turns() -> None:
    """Those that do not say who they are do not all meet at one endpoint."""
    of = candidates(1, 1)

    assert [of.index(by_hash(of, 0.0, 0.0, None)) for _ in range(4)] == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("hash_on", "expected"),
    [
        (None, None),
        ("path", "/a%2Fb"),
        ("header:X-User", "one"),
        ("header:x-user", "one"),
        ("header:X-Nobody", None),
    ],
)
def test_key_is_what_the_setting_names(hash_on: str | None, expected: str | None) -> None:
    """The path without its query, or the first value of a field, whatever its case."""
    request = a_request(target="/a%2Fb?c=d", fields=[("X-USER", "one"), ("X-User", "two")])

    assert key_of(request, hash_on) == expected


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [("X-User", "header:X-User"), ("header:", None), ("header:a b", None), ("cookie:a", None), ("a b", None)],
)
def test_what_cannot_be_hashed_is_refused(text: str, suggestion: str | None) -> None:
    """With the right form where it can be guessed."""
    with pytest.raises(Unacceptable) as caught:
        balance._hash_on(text)
    assert caught.value.suggestion == suggestion


@pytest.mark.parametrize("text", ["path", "header:X-User"])
def test_what_can_be_hashed_is_taken(text: str) -> None:
    """As it is written."""
    assert balance._hash_on(text) == text
