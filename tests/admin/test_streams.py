"""What operators see of running exchanges, and how one is ended."""

import json

import pytest
from support.exchanges import a_route, an_exchange
from support.live_streams import Few, a_relay

from gateway.admin import streams
from gateway.admin.wanted import Wanted
from gateway.exchange.failure import CANCELLED, Failure
from gateway.exchange.identity import Identity
from gateway.exchange.marks import Marks
from gateway.exchange.outcome import Outcome


def test_a_stream_is_told_without_what_could_be_secret() -> None:
    """Who, what, where and how far; values of the query are masked, as in the log."""
    exchange = a_relay()
    exchange.identity = Identity("tenant-a", "key")
    exchange.marks = Marks("sse", frames=12)
    exchange.peeked = lambda: 30
    exchange.unsent = lambda: 4
    told = streams.described(exchange, 2.0, 2.5)

    assert (told["id"], told["age_seconds"], told["phase"]) == (exchange.id, 2.5, "relay")
    assert (told["target"], told["principal"]) == ("/x?key=***", "tenant-a")
    assert (told["first_byte_seconds"], told["last_chunk_seconds_ago"], told["waits_for"]) == (0.5, 0.5, "upstream")
    assert (told["frames"], told["buffered_bytes"], told["bytes_down"]) == (12, 34, 1000)
    assert "4711" not in json.dumps(told)


def test_the_second_look_tells_the_rate_and_the_silence_of_a_client() -> None:
    """While the client takes its time nobody notes when the last chunk came: looks bound it from below."""
    exchange = a_relay()
    first = streams.described(exchange, None, 10.0)
    second = streams.described(exchange, None, 12.0)
    exchange.relayed_bytes += 500
    third = streams.described(exchange, None, 14.0)

    assert [each["rate_bytes_per_second"] for each in (first, second, third)] == [None, 0.0, 250.0]
    assert [each["last_chunk_seconds_ago"] for each in (first, second, third)] == [None, 2.0, 0.0]
    assert first["waits_for"] == "client"


def test_a_stream_that_brought_nothing_has_no_last_chunk() -> None:
    """Neither is its wait for a head the client's or the upstream's turn in a relay."""
    exchange = an_exchange(route=a_route())
    told = streams.described(exchange, 1.0, 2.0)

    assert (told["last_chunk_seconds_ago"], told["first_byte_seconds"], told["waits_for"]) == (None, None, None)


def test_the_list_is_bounded_and_says_how_many_there_are() -> None:
    """The oldest are listed; a page never grows with the load."""
    exchanges = [a_relay(started) for started in (1.0, 2.0, 3.0)]
    found = streams.listed(Few(*exchanges), Wanted(limit=2), 7, lambda: 10.0, lambda: None)

    assert (found.total, found.matching) == (3, 3)
    assert [started for started, _ in found.rows] == [1.0, 2.0]
    assert [json.loads(row)["worker"] for _, row in found.rows] == [7, 7]


def test_others_run_while_many_are_listed_and_what_ends_meanwhile_is_left_out() -> None:
    """A list of thousands holds up nobody; a stream that has ended is not told as running."""
    exchanges = [a_relay(float(number)) for number in range(3 * streams.AT_A_TIME)]
    breaths: list[None] = []

    def breathe() -> None:
        breaths.append(None)
        exchanges[-1].outcome = Outcome.COMPLETE

    found = streams.listed(Few(*exchanges), Wanted(), 7, lambda: 10.0, breathe)

    assert len(breaths) == 3
    assert found.matching == len(exchanges) - 1


@pytest.mark.parametrize(("route", "count"), [("demo", 1), ("other", 0)])
def test_cancelling_interrupts_with_a_reason_that_names_nobody(route: str, count: int) -> None:
    """The client may read the detail; what has ended is not counted."""
    over = a_relay()
    over.outcome = Outcome.COMPLETE
    few = Few(a_relay(), over)

    assert streams.cancel(few, Wanted(routes=frozenset({route})), 1.0) == count
    assert few.failures == [Failure(CANCELLED, "an operator ended it")]
